//! What to send, given what is owed and what the chain holds. Pure.

use std::collections::HashMap;

use pinaivu_chain::{Allowance, Coordinator, LogExtension};
use pinaivu_chain::settlement::MAX_LOG_HASHES;
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
    // The subtrees of a shorter extension that ends where one of them does are the same ones.
    let subtrees = subtree_decomposition(old_size, target)
        .map_err(|_| StoreError::Corrupt("the log's size"))?;
    let new_size = subtrees.take(MAX_LOG_HASHES).try_fold(old_size, |size, subtree| {
        size.checked_add(1_u64.checked_shl(u32::from(subtree.level))?)
    });
    let new_size = new_size.ok_or(StoreError::Range("a log size"))?;
    let tree = EpochTree::new(state, epoch);
    Ok(Some(LogExtension {
        epoch,
        old_size,
        new_size,
        hashes: tree.extension(old_size, new_size)?,
        expected_root: tree.root(new_size)?,
    }))
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
        let (debited, remaining) =
            own.map_or((Amount::ZERO, Amount::ZERO), |own| (own.debited, own.remaining()));
        let reachable = debited.saturating_add(remaining);
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
