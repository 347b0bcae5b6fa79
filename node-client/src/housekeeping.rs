//! Keeps the journal from growing for ever.

use std::sync::Arc;
use std::time::Duration;

use pinaivu_protocol::units::{Amount, UnixMillis};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::counterparty::Counterparty;
use crate::journal::Journal;
use crate::report::error_chain;

const INTERVAL: Duration = Duration::from_secs(10 * 60);
const DAY_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Gives up what is older than the operator's limit.
pub struct Housekeeping {
    /// What is kept small.
    pub journal: Journal,
    /// Whose entries it holds.
    pub counterparties: Vec<Arc<Counterparty>>,
    /// Tells ages.
    pub clock: Arc<dyn Clock>,
    /// The operator's limit.
    pub max_age_days: u64,
}

impl Housekeeping {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            self.prune().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    async fn prune(&self) {
        let now = self.clock.now();
        let age = UnixMillis(self.max_age_days.saturating_mul(DAY_MILLIS));
        match self.journal.prune(now.saturating_sub(age)).await {
            Ok(pruned) => {
                for entry in pruned {
                    let owner = self
                        .counterparties
                        .iter()
                        .find(|counterparty| counterparty.id() == entry.coordinator);
                    if let Some(owner) = owner {
                        owner.update_exposure(|exposure| {
                            exposure.release(entry.amount, entry.bytes)
                        });
                    }
                    let amount = entry.amount.to_amount_ceil().unwrap_or(Amount::MAX);
                    tracing::warn!(
                        coordinator = %entry.coordinator, ticket = %entry.ticket,
                        usdc = amount.to_usdc_string(),
                        "given up: no receipt within journal.max_age_days"
                    );
                }
            }
            Err(error) => tracing::warn!(error = error_chain(&error), "cannot prune the journal"),
        }
    }
}
