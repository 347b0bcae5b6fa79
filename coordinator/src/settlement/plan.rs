//! What to send, given what is owed and what the chain holds. Pure.

use std::collections::HashMap;

use pinaivu_chain::settlement::MAX_LOG_HASHES;
use pinaivu_chain::{Allowance, Coordinator, LogExtension};
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, NodeId};
use pinaivu_protocol::merkle::subtree_decomposition;
use pinaivu_protocol::units::{Amount, Bps};
use pinaivu_rules::fee_limit;

use super::Shortfall;
use crate::receipts::EpochTree;
use crate::store::{Read, StoreError};

/// What users owe, nodes have earned and the coordinator keeps, over the receipts of one log size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Targets {
    /// Epoch of the log.
    pub(super) epoch: u32,
    /// Leaves that must be on chain before money moves.
    pub(super) size: u64,
    /// Cumulative debits, rounded **up**.
    pub(super) debits: Vec<(AllowanceId, Amount)>,
    /// Cumulative credits, rounded **down**.
    pub(super) credits: Vec<(NodeId, Amount)>,
    /// Cumulative fees, rounded **down**.
    pub(super) fees: Amount,
}

impl Targets {
    /// Everything that is not known to be settled and finalized, in one state of the database.
    pub(super) fn read(state: &dyn Read) -> Result<Self, StoreError> {
        let range = || StoreError::Range("a cumulative");
        let head = state.log_head()?;
        let mut debits = Vec::new();
        for account in state.accounts_to_debit()? {
            debits.push((account.allowance, account.receipted.to_amount_ceil().ok_or_else(range)?));
        }
        let mut credits = Vec::new();
        for total in state.nodes_to_credit()? {
            credits.push((total.node, total.earned.to_amount_floor().ok_or_else(range)?));
        }
        let totals = state.totals()?;
        let fees = totals.fees.checked_add(totals.fees_baseline).ok_or_else(range)?;
        let fees = fees.to_amount_floor().ok_or_else(range)?;
        Ok(Self { epoch: head.epoch, size: head.size, debits, credits, fees })
    }
}

/// The next step of the chain's log towards `target` leaves: all of it, or as many subtrees as fit one
/// transaction. Nothing when it is there.
pub(super) fn extension(
    state: &dyn Read,
    epoch: u32,
    old_size: u64,
    target: u64,
) -> Result<Option<LogExtension>, StoreError> {
    if target <= old_size {
        return Ok(None);
    }
    let new_size = step(old_size, target).ok_or(StoreError::Range("a log size"))?;
    let tree = EpochTree::new(state, epoch);
    Ok(Some(LogExtension {
        epoch,
        old_size,
        new_size,
        hashes: tree.extension(old_size, new_size)?,
        expected_root: tree.root(new_size)?,
    }))
}

/// How far one transaction can take a log of `old_size` leaves towards `target`: all the way, or to where
/// its last subtree ends. The subtrees of an extension that ends where one of a longer one does are the
/// same ones, so this many hashes are exactly enough.
fn step(old_size: u64, target: u64) -> Option<u64> {
    let subtrees = subtree_decomposition(old_size, target).ok()?;
    subtrees.take(MAX_LOG_HASHES).try_fold(old_size, |size, subtree| {
        size.checked_add(1_u64.checked_shl(u32::from(subtree.level))?)
    })
}

/// Debits that can still be made, and what allowances no longer cover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Debits {
    pub(super) send: Vec<(AllowanceId, Amount)>,
    pub(super) short: Vec<Shortfall>,
}

/// `on_chain` in the order of `targets`. An allowance that covers a part is debited that part.
pub(super) fn debits(
    coordinator: &CoordinatorId,
    targets: &[(AllowanceId, Amount)],
    on_chain: &[Option<Allowance>],
) -> Debits {
    let mut plan = Debits::default();
    for ((id, target), allowance) in targets.iter().zip(on_chain) {
        let own = allowance.as_ref().filter(|allowance| allowance.coordinator == *coordinator);
        // A closed allowance covers nothing more, and how much it was debited is not on chain any more.
        let (debited, debitable) =
            own.map_or((Amount::ZERO, Amount::ZERO), |own| (own.debited, own.debitable()));
        let reachable = debited.saturating_add(debitable);
        let asked = (*target).min(reachable);
        if asked > debited {
            plan.send.push((*id, asked));
        }
        if let Some(missing) = target.checked_sub(reachable).filter(|gap| *gap > Amount::ZERO) {
            plan.short.push(Shortfall { allowance: *id, missing });
        }
    }
    plan
}

/// Credits that what was debited allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Credits {
    pub(super) send: Vec<(NodeId, Amount)>,
    /// Cumulative, when it rises.
    pub(super) fees: Option<Amount>,
    /// Earned, and not debited yet or never.
    pub(super) missing: Amount,
}

/// What nodes get of what is there, before the coordinator keeps anything. `payouts` holds the credit of
/// every node that has an account for it; the others wait until they have.
pub(super) fn credits(
    coordinator: &Coordinator,
    rate: Bps,
    targets: &[(NodeId, Amount)],
    fees: Amount,
    payouts: &HashMap<NodeId, Amount>,
) -> Credits {
    let given_away = coordinator.credited.saturating_add(coordinator.fees);
    let available = coordinator.debited.saturating_sub(given_away);
    let wants: Vec<(NodeId, Amount, Amount)> = targets
        .iter()
        .filter_map(|(node, target)| {
            let credited = *payouts.get(node)?;
            let want = target.checked_sub(credited).filter(|want| *want > Amount::ZERO)?;
            Some((*node, credited, want))
        })
        .collect();
    let amounts: Vec<Amount> = wants.iter().map(|(_, _, want)| *want).collect();
    let grants = share(available, &amounts);
    let mut plan = Credits::default();
    let mut left = available;
    for ((node, credited, want), grant) in wants.into_iter().zip(grants) {
        left = left.saturating_sub(grant);
        plan.missing = plan.missing.saturating_add(want.saturating_sub(grant));
        if grant > Amount::ZERO {
            plan.send.push((node, credited.saturating_add(grant)));
        }
    }
    // A rate above one whole cannot be; then nothing is kept.
    let limit = fee_limit(coordinator.debited, rate).unwrap_or(Amount::ZERO);
    let rise = fees.min(limit).saturating_sub(coordinator.fees).min(left);
    if rise > Amount::ZERO {
        plan.fees = Some(coordinator.fees.saturating_add(rise));
    }
    plan
}

/// Shares `available` among `wants`: everyone in full when it suffices, else in proportion, rounded
/// **down**, and what rounding leaves over in order. The shares add up to `available` or to all wants,
/// whichever is less, and none is above its want.
pub(super) fn share(available: Amount, wants: &[Amount]) -> Vec<Amount> {
    let total = wants.iter().fold(0_u128, |sum, want| sum.saturating_add(u128::from(want.0)));
    if total <= u128::from(available.0) {
        return wants.to_vec();
    }
    let mut left = available;
    let mut shares: Vec<Amount> = wants
        .iter()
        .map(|want| {
            // Both factors are below 2⁶⁴; rounded down, and at most `want` because available < total.
            let part = u128::from(want.0)
                .saturating_mul(u128::from(available.0))
                .checked_div(total)
                .and_then(|part| u64::try_from(part).ok());
            let part = Amount(part.unwrap_or(0));
            left = left.saturating_sub(part);
            part
        })
        .collect();
    for (share, want) in shares.iter_mut().zip(wants) {
        let more = want.saturating_sub(*share).min(left);
        *share = share.saturating_add(more);
        left = left.saturating_sub(more);
    }
    shares
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::ids::{MarketId, PublicKey};
    use pinaivu_protocol::units::Slot;
    use proptest::prelude::*;

    use super::*;

    fn coordinator(debited: u64, credited: u64, fees: u64) -> Coordinator {
        Coordinator {
            id: CoordinatorId([1; 32]),
            market: MarketId([2; 32]),
            authority: PublicKey([3; 32]),
            signer: PublicKey([4; 32]),
            opening_slot: Slot(1),
            endpoint: String::new(),
            measurement: Hash32::ZERO,
            evidence_hash: Hash32::ZERO,
            guarantee_bond: Amount(0),
            penalty_bond: Amount(0),
            fee: Bps(1_000),
            log: pinaivu_chain::LogHead::default(),
            debited: Amount(debited),
            credited: Amount(credited),
            fees: Amount(fees),
            fees_paid: Amount(0),
            sequence: 0,
            guaranteed: Amount::ZERO,
            advanced: Amount::ZERO,
            guarantee_unbonding: None,
            penalty_unbonding: None,
            slashed: false,
            rent_payer: PublicKey([0; 32]),
        }
    }

    fn node(number: u8) -> NodeId {
        NodeId([number; 32])
    }

    #[test]
    fn credits_when_debits_suffice_are_exact_and_fees_follow() {
        let payouts = HashMap::from([(node(1), Amount(10)), (node(2), Amount(0))]);
        let targets = [(node(1), Amount(60)), (node(2), Amount(30))];
        let plan = credits(&coordinator(100, 10, 0), Bps(1_000), &targets, Amount(9), &payouts);
        assert_eq!(plan.send, [(node(1), Amount(60)), (node(2), Amount(30))]);
        assert_eq!(plan.fees, Some(Amount(9)));
        assert_eq!(plan.missing, Amount(0));
    }

    #[test]
    fn credits_when_debits_are_short_share_what_is_there_and_leave_no_fees() {
        let payouts = HashMap::from([(node(1), Amount(0)), (node(2), Amount(0))]);
        let targets = [(node(1), Amount(60)), (node(2), Amount(30))];
        let plan = credits(&coordinator(50, 0, 0), Bps(1_000), &targets, Amount(9), &payouts);
        assert_eq!(plan.send, [(node(1), Amount(34)), (node(2), Amount(16))]);
        assert_eq!(plan.fees, None);
        assert_eq!(plan.missing, Amount(40));
    }

    #[test]
    fn node_without_an_account_for_it_waits() {
        let targets = [(node(1), Amount(60))];
        let plan =
            credits(&coordinator(90, 0, 0), Bps(1_000), &targets, Amount(0), &HashMap::new());
        assert_eq!(plan, Credits::default());
    }

    #[test]
    fn fees_above_the_rate_are_kept_back() {
        let plan = credits(&coordinator(99, 0, 0), Bps(1_000), &[], Amount(50), &HashMap::new());
        assert_eq!(plan.fees, Some(Amount(9)));
        let plan = credits(&coordinator(99, 0, 9), Bps(1_000), &[], Amount(50), &HashMap::new());
        assert_eq!(plan.fees, None);
    }

    #[test]
    fn credits_that_another_copy_made_are_not_made_again() {
        let payouts = HashMap::from([(node(1), Amount(70))]);
        let plan = credits(
            &coordinator(100, 70, 20),
            Bps(10_000),
            &[(node(1), Amount(60))],
            Amount(5),
            &payouts,
        );
        assert_eq!(plan, Credits::default());
    }

    proptest! {
        #[test]
        fn shares_add_up_to_what_is_there_and_exceed_no_want(
            available: u64,
            wants in proptest::collection::vec(any::<u64>(), 0..20),
        ) {
            let wants: Vec<_> = wants.into_iter().map(Amount).collect();
            let shares = share(Amount(available), &wants);
            let sum = |amounts: &[Amount]| amounts.iter().map(|a| u128::from(a.0)).sum::<u128>();
            prop_assert_eq!(sum(&shares), sum(&wants).min(u128::from(available)));
            for (share, want) in shares.iter().zip(&wants) {
                prop_assert!(share <= want);
            }
        }

        #[test]
        fn log_steps_reach_the_target_with_hashes_that_fit(
            old in 0_u64..1 << 62,
            more in 1_u64..1 << 62,
        ) {
            let target = old + more;
            let (mut size, mut steps) = (old, 0);
            while size < target {
                let next = step(size, target).unwrap();
                prop_assert!(next > size && next <= target);
                let count = subtree_decomposition(size, next).unwrap().count();
                prop_assert!(count <= MAX_LOG_HASHES);
                prop_assert!(next == target || count == MAX_LOG_HASHES);
                (size, steps) = (next, steps + 1);
            }
            prop_assert!(steps <= 5);
        }
    }
}
