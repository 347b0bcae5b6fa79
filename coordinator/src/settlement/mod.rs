//! Carries totals to the chain and brings back what it says.
//!
//! Three jobs, all idempotent and started over from what the store and the chain hold:
//! the *watcher* reads allowances for admission; the *settler* anchors the log, then debits, then
//! credits; the *confirmer* finds out what became of every transaction that was ever signed.
//!
//! Invariants: a transaction is stored before it is sent, and unknown is not failed. Every amount is a
//! cumulative that follows from durable receipts, so what lands twice changes nothing and what is lost
//! is asked for again. Money moves only for receipts that the chain's log covers. Users pay totals
//! rounded **up**, nodes and fees get totals rounded **down**, and nothing is credited beyond what was
//! debited.
//!
//! While the chain cannot be reached, serving goes on within the allowances last seen, and what has
//! gathered is settled afterwards. When the chain's log is ahead of the database or contradicts it,
//! everything stops: signing on an old copy could contradict what was signed elsewhere.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod confirm;
mod open;
mod plan;
mod settle;
mod standing;
mod status;
mod submit;
#[cfg(test)]
mod tests;
mod watcher;

pub use open::SettlementError;
pub use standing::Standing;
pub use status::{Problem, SettlementStatus, Shortfall};

use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::{Allowance, Chain, Coordinator, Instructions, Market};
use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::units::Bps;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::receipts::{Receipts, Signer};
use crate::store::{Identity, Store};

/// How settlement works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementConfig {
    /// How often totals are carried to the chain, when there is something to carry.
    pub interval: Duration,
    /// How often allowances and the coordinator's account are read.
    pub watch_interval: Duration,
    /// How often to look while something is under way.
    pub poll: Duration,
    /// Priority fee in millionths of a lamport for each compute unit.
    pub unit_price: u64,
}

impl Default for SettlementConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            watch_interval: Duration::from_secs(2),
            poll: Duration::from_millis(500),
            unit_price: 0,
        }
    }
}

/// Hears what the chain says of allowances: the accounts.
pub trait ChainObserver: Send + Sync + 'static {
    /// The allowances to watch.
    fn watched(&self) -> Vec<AllowanceId>;

    /// What the chain says of one of them, at both commitments. Not called while it cannot be asked.
    fn allowance(
        &self,
        id: &AllowanceId,
        finalized: Option<&Allowance>,
        processed: Option<&Allowance>,
    );
}

/// Settlement of one coordinator, opened and not yet running.
pub struct Settlement {
    config: SettlementConfig,
    identity: Identity,
    chain: Arc<dyn Chain>,
    store: Store,
    signer: Arc<Signer>,
    clock: SharedClock,
    instructions: Instructions,
    coordinator: Coordinator,
    market: Market,
    status: watch::Sender<SettlementStatus>,
}

impl std::fmt::Debug for Settlement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settlement").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Settlement {
    /// The coordinator's account as it was when this was opened.
    #[must_use]
    pub const fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// The market as it was when this was opened.
    #[must_use]
    pub const fn market(&self) -> &Market {
        &self.market
    }

    /// The part of each receipt that the coordinator keeps: its own rate, within the market's cap.
    #[must_use]
    pub fn fee_rate(&self) -> Bps {
        self.coordinator.fee.min(self.market.fee_cap)
    }

    /// Where settlement stands, always up to date.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<SettlementStatus> {
        self.status.subscribe()
    }

    /// Watches and settles until `stop`. Ends early only when the chain contradicts the database, after
    /// it has halted `receipts`.
    pub async fn run(
        self,
        receipts: Receipts,
        observer: Arc<dyn ChainObserver>,
        stop: CancellationToken,
    ) {
        let settlement = Arc::new(self);
        let ended = stop.child_token();
        let watching = watcher::run(&settlement, &receipts, observer.as_ref(), &ended);
        let settling = async {
            settle::Settler::new(Arc::clone(&settlement), receipts.clone()).run(&ended).await;
            ended.cancel();
        };
        tokio::join!(watching, settling);
    }
}
