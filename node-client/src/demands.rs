//! Demands: what a node does about a coordinator that stops crediting.
//!
//! The newest receipt head says what the node has earned in all. When credit has not come up to what was
//! promised for a while, the node shows that head to the program; after the market's liveness period the
//! coordinator's guarantee bond pays the shortfall, as far as it stands for this node. Everything here may
//! be sent twice: the program pays no unit for which `paid` already stands, so nothing needs to be durable
//! before it is sent. What is not guaranteed cannot be demanded; [`crate::exposure`] keeps that small.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::{
    ChainError, ChainTime, Commitment, Delay, Payout, PreparedTransaction, TransactionStatus,
};
use pinaivu_protocol::ids::{CoordinatorId, NodeId};
use pinaivu_protocol::units::{Amount, UnixMillis};

use crate::chain::NodeChain;
use crate::journal::{Journal, JournalError};
use crate::key::HotKey;

/// Pause after a demand that could not be made.
const FAILURE_PAUSE_MILLIS: u64 = 10 * 60_000;

/// When to demand.
#[derive(Clone, Copy, Debug)]
pub struct DemandPolicy {
    /// Whether at all.
    pub enabled: bool,
    /// How long credit may stay behind what a receipt promised.
    pub patience: Duration,
}

/// Why a look led to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DemandError {
    /// The chain cannot be read or written.
    #[error("the chain cannot be read or written")]
    Chain(#[from] ChainError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Wait,
    Open,
    Settle,
}

/// What this process knows of one coordinator's arrears.
#[derive(Debug, Default)]
struct Arrears {
    /// A promise that credit has not reached, and since when it is watched.
    watched: Option<(Amount, UnixMillis)>,
    in_flight: Option<PreparedTransaction>,
    paused: UnixMillis,
}

impl Arrears {
    /// Watches the promise; overdue once `patience` has passed without credit or payment reaching it.
    fn is_overdue(
        &mut self,
        payout: &Payout,
        promised: Amount,
        now: UnixMillis,
        patience: Duration,
    ) -> bool {
        let settled = payout.credited.max(payout.paid);
        match self.watched {
            Some((watched, since)) if settled < watched => {
                let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
                now >= since.saturating_add(UnixMillis(patience))
            }
            _ => {
                self.watched = (settled < promised).then_some((promised, now));
                false
            }
        }
    }
}

/// What the program would let this node do about `payout`.
fn step(payout: &Payout, overdue: bool, liveness: Delay, now: ChainTime) -> Step {
    match &payout.demand {
        Some(demand) if liveness.has_passed(demand.opened, now) => Step::Settle,
        Some(_) => Step::Wait,
        None if overdue && payout.capacity() > Amount::ZERO => Step::Open,
        None => Step::Wait,
    }
}

/// Demands what stays unpaid.
pub struct Demands {
    /// The account that earns.
    pub node: NodeId,
    /// Where demands are made.
    pub chain: Arc<dyn NodeChain>,
    /// Holds the newest receipt heads.
    pub journal: Journal,
    /// Whether and when.
    pub policy: DemandPolicy,
    /// The node's side of a demand: its hot key.
    pub payee: Arc<HotKey>,
    /// Pays for transactions.
    pub fee_payer: Arc<HotKey>,
    arrears: HashMap<CoordinatorId, Arrears>,
}

impl Demands {
    /// Nothing is watched yet.
    #[must_use]
    pub fn new(
        node: NodeId,
        chain: Arc<dyn NodeChain>,
        journal: Journal,
        policy: DemandPolicy,
        payee: Arc<HotKey>,
        fee_payer: Arc<HotKey>,
    ) -> Self {
        Self { node, chain, journal, policy, payee, fee_payer, arrears: HashMap::new() }
    }

    /// Looks at one payout and does what is due. `promised` is the newest receipt's cumulative, rounded
    /// **down** as the program rounds it.
    ///
    /// # Errors
    /// [`DemandError`]; looking again later is right after any of them.
    pub async fn look(
        &mut self,
        payout: &Payout,
        promised: Amount,
        now: UnixMillis,
    ) -> Result<(), DemandError> {
        if !self.policy.enabled {
            return Ok(());
        }
        let coordinator = payout.coordinator;
        let arrears = self.arrears.entry(coordinator).or_default();
        if let Some(sent) = &arrears.in_flight {
            let status = self.chain.status(&sent.signature, sent.last_valid_block_height).await?;
            let signature = sent.signature;
            match status {
                TransactionStatus::Landed { commitment: Commitment::Processed, .. }
                | TransactionStatus::Unknown => return Ok(()),
                TransactionStatus::Pending => return Ok(self.chain.submit(sent).await?),
                TransactionStatus::Landed { result: Ok(()), .. } => {
                    tracing::info!(%coordinator, %signature, "the demand's transaction has landed");
                }
                TransactionStatus::Landed { result: Err(failure), .. } => {
                    tracing::error!(%coordinator, %signature, %failure, "a demand failed");
                    arrears.paused = now.saturating_add(UnixMillis(FAILURE_PAUSE_MILLIS));
                }
                TransactionStatus::Expired => {
                    tracing::warn!(%coordinator, %signature, "a demand expired before it landed");
                }
            }
            arrears.in_flight = None;
            // The payout at hand is from before; the next look sees what came of it.
            return Ok(());
        }
        let overdue = arrears.is_overdue(payout, promised, now, self.policy.patience);
        // Nothing to ask the chain's clock for.
        let idle = payout.demand.is_none() && (!overdue || payout.capacity() == Amount::ZERO);
        if idle || now < arrears.paused {
            return Ok(());
        }
        let (liveness, chain_now) = self.chain.liveness(self.node).await?;
        let prepared = match step(payout, overdue, liveness, chain_now) {
            Step::Wait => return Ok(()),
            Step::Open => {
                let holdings = self.journal.holdings(coordinator).await?;
                let Some(head) = holdings.promise else { return Ok(()) };
                let usdc =
                    promised.saturating_sub(payout.credited.max(payout.paid)).to_usdc_string();
                let prepared = self
                    .chain
                    .prepare_demand(&head, self.payee.chain(), self.fee_payer.chain())
                    .await?;
                match &prepared {
                    Some(_) => tracing::warn!(
                        %coordinator, usdc,
                        "credit stays behind what the newest receipt promises: demanding it from the \
                         guarantee bond"
                    ),
                    None => tracing::error!(
                        %coordinator, usdc,
                        "credit stays behind, and the newest receipt is under a key that the coordinator \
                         has replaced: demand it with `pinaivu node demand REQUEST`, through the log"
                    ),
                }
                prepared
            }
            Step::Settle => {
                tracing::info!(%coordinator, "the liveness period has passed: settling the demand");
                Some(self.chain.prepare_demand_settlement(payout, self.fee_payer.chain()).await?)
            }
        };
        match prepared {
            Some(transaction) => {
                let sent = self.chain.submit(&transaction).await;
                arrears.in_flight = Some(transaction);
                match sent {
                    // Whether a refusal is final shows at the next look.
                    Err(ChainError::Transaction(failure)) => tracing::warn!(
                        %coordinator, %failure, "a demand was refused in a simulation"
                    ),
                    sent => sent?,
                }
            }
            None => arrears.paused = now.saturating_add(UnixMillis(FAILURE_PAUSE_MILLIS)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pinaivu_chain::{ChainTime, Delay, Demand, Payout, UnixSeconds};
    use pinaivu_protocol::ids::PublicKey;
    use pinaivu_protocol::units::{Amount, Slot, UnixMillis};

    use super::{Arrears, Step, step};
    use crate::fixtures::{COORDINATOR, NODE};

    const HOUR: Duration = Duration::from_secs(3600);
    const LIVENESS: Delay = Delay { slots: 10, seconds: 60 };

    fn payout(credited: u64, paid: u64) -> Payout {
        Payout {
            address: [1; 32].into(),
            coordinator: COORDINATOR,
            node: NODE,
            payout_owner: PublicKey([2; 32]),
            credited: Amount(credited),
            paid: Amount(paid),
            guarantee: Amount(50),
            sequence: 0,
            advanced: Amount::ZERO,
            lowering: None,
            demand: None,
            rent_payer: PublicKey([0; 32]),
        }
    }

    fn at(slot: u64, unix: i64) -> ChainTime {
        ChainTime { slot: Slot(slot), unix: UnixSeconds(unix) }
    }

    #[test]
    fn promise_is_overdue_only_after_patience_without_credit_or_payment_reaching_it() {
        let mut arrears = Arrears::default();
        let mut look = |credited, paid, promised, hours: u64| {
            let now = UnixMillis(hours * 3_600_000);
            arrears.is_overdue(&payout(credited, paid), Amount(promised), now, HOUR)
        };
        assert!(!look(10, 10, 10, 0), "nothing is owed");
        assert!(!look(10, 10, 30, 1), "first seen");
        // A newer promise does not start the wait anew, and does not shorten it.
        assert!(look(10, 10, 40, 2));
        assert!(look(29, 10, 40, 3));
        // Credit that reaches the watched promise starts the wait for the newest one.
        assert!(!look(30, 10, 40, 4));
        assert!(look(30, 10, 40, 5));
        // So does a payment out of the bond.
        assert!(!look(30, 40, 40, 6));
        assert!(!look(30, 40, 40, 9));
    }

    #[test]
    fn demand_is_opened_within_the_guarantee_and_settled_after_the_liveness_period() {
        let now = at(100, 1_000);
        assert_eq!(step(&payout(1, 1), true, LIVENESS, now), Step::Open);
        assert_eq!(step(&payout(1, 1), false, LIVENESS, now), Step::Wait);
        let exhausted = Payout { advanced: Amount(50), ..payout(1, 1) };
        assert_eq!(step(&exhausted, true, LIVENESS, now), Step::Wait);

        let demanded = |opened| Payout {
            demand: Some(Demand { cumulative: Amount(9), opened }),
            ..payout(1, 1)
        };
        assert_eq!(step(&demanded(at(90, 940)), true, LIVENESS, now), Step::Settle);
        // Both clocks count, and credit that came meanwhile does not leave the demand open for ever.
        assert_eq!(step(&demanded(at(91, 940)), true, LIVENESS, now), Step::Wait);
        assert_eq!(step(&demanded(at(90, 941)), true, LIVENESS, now), Step::Wait);
        assert_eq!(step(&demanded(at(90, 940)), false, LIVENESS, now), Step::Settle);
    }
}
