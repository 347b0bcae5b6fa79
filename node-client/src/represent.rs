//! Presents journaled proofs again: all of them when a tunnel opens, and those that are still without a
//! receipt after a while. The coordinator knows them by their tickets, so doing it too often is harmless.

use std::sync::Arc;
use std::time::Duration;

use borsh::BorshDeserialize as _;
use pinaivu_protocol::tunnel::{NodeMessage, Represented};
use pinaivu_protocol::units::UnixMillis;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::counterparty::Counterparty;
use crate::journal::{Journal, JournalError};
use crate::report::error_chain;
use crate::session::{SendError, Session};

/// Entries read at a time: bounds memory, since each may hold megabytes.
const PAGE: u32 = 16;

/// Presents one coordinator's proofs again.
pub struct Representer {
    /// For whom.
    pub counterparty: Arc<Counterparty>,
    /// Where the proofs are.
    pub journal: Journal,
    /// Tells an entry's age.
    pub clock: Arc<dyn Clock>,
    /// How long a receipt may take before its proof is presented again.
    pub patience: Duration,
}

impl Representer {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.follow_sessions() => {}
        }
    }

    async fn follow_sessions(&self) {
        let mut sessions = self.counterparty.session();
        loop {
            let current = sessions.borrow_and_update().clone();
            if let Some(session) = current {
                tokio::select! {
                    changed = sessions.changed() => if changed.is_err() { return },
                    () = self.serve(&session) => session.closed().await,
                }
            } else if sessions.changed().await.is_err() {
                return;
            }
        }
    }

    /// Everything at first, then whatever is older than the patience, until the session closes.
    async fn serve(&self, session: &Session) {
        let patience = UnixMillis(u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX));
        let mut before = UnixMillis::MAX;
        loop {
            match self.present(session, before).await {
                Ok(Some(0)) => {}
                Ok(Some(count)) => {
                    tracing::info!(
                        coordinator = %self.counterparty.id(), proofs = count,
                        "presented proofs that have no receipt yet"
                    );
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(error = error_chain(&error), "cannot present proofs again");
                }
            }
            tokio::time::sleep(self.patience).await;
            before = self.clock.now().saturating_sub(patience);
        }
    }

    /// Presents the entries that ended before `before`; gives how many, or nothing when the session
    /// has closed.
    async fn present(
        &self,
        session: &Session,
        before: UnixMillis,
    ) -> Result<Option<usize>, JournalError> {
        let (mut after, mut count) = (0, 0_usize);
        loop {
            let page = self.journal.unsettled(self.counterparty.id(), after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(Some(count)) };
            after = last.sequence;
            for entry in page.into_iter().filter(|entry| entry.finished < before) {
                let presented = Represented::try_from_slice(&entry.presented)
                    .map_err(|_| JournalError::Damaged("proof"))?;
                match session.send(&NodeMessage::Represent(Box::new(presented))).await {
                    Ok(()) => count = count.saturating_add(1),
                    Err(SendError::TooLong) => {
                        tracing::error!(
                            sequence = entry.sequence,
                            "a proof is too long to present"
                        );
                    }
                    Err(SendError::Full | SendError::Closed) => return Ok(None),
                }
            }
        }
    }
}
