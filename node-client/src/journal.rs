//! What the node must not forget: proofs without a receipt, the newest receipt of each coordinator,
//! tickets already answered, the last ask, and claims on their way.
//!
//! Invariants: a proof is durable here before its signature leaves the process (SQLite,
//! `synchronous = FULL`), at most one proof is ever signed for a ticket, and what is presented again
//! is byte for byte what was presented first. A proof stays until its receipt is here, the coordinator
//! refuses it, or it is older than the operator's limit; a settled one leaves its ticket's hash behind
//! until the ticket is refused for its age ([`FIRST_USE`](crate::serving::replay::FIRST_USE)), so that a
//! restart cannot answer it twice.
//!
//! Answers are stored as they are signed: many in one row, with a mark for each that is settled. So one
//! answer costs a small part of two statements. One thread owns the database, and beside it an index of
//! what the rows hold. Callers' writes that wait at the same time share one transaction.
//! This is the only module that knows SQL; it decides nothing about whom to serve.

mod claims;
mod index;
mod promise;
mod proofs;
mod schema;
mod worker;

pub use claims::{ClaimRecord, ClaimState};
pub use promise::{PromiseBreach, PromiseOrder, compare_promises};
pub use proofs::{Appended, Entry, Holdings, Pruned, Settled, Settlement, Unsettled};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pinaivu_protocol::ids::{CoordinatorId, NodeId};

use worker::Worker;

use crate::acknowledged::{Acknowledged, Acknowledgements};

/// Why the journal cannot do what it was asked to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The folder cannot be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: Arc<std::io::Error>,
    },
    /// The files beside the database cannot be written.
    #[error("a coordinator's words for asks cannot be kept")]
    Files(#[source] Arc<std::io::Error>),
    /// The database failed; nothing of this call was stored.
    #[error("the proof journal failed")]
    Database(#[source] Arc<rusqlite::Error>),
    /// Another process has the journal open.
    #[error("the proof journal {0} is in use by another process; one data_dir serves one process")]
    InUse(PathBuf),
    /// It belongs to another node account.
    #[error("the proof journal belongs to node {0}; give this node a data_dir of its own")]
    OtherNode(NodeId),
    /// A newer version of this program wrote it.
    #[error("the proof journal has schema {0}, newer than this program knows")]
    Newer(i64),
    /// What it holds cannot be read back.
    #[error("the proof journal holds a damaged {0}")]
    Damaged(&'static str),
    /// Its thread has ended.
    #[error("the proof journal is closed")]
    Closed,
}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

/// The journal; cheap to clone. The database closes when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Journal {
    worker: Arc<Worker>,
    acknowledged: Arc<Acknowledgements>,
}

impl Journal {
    /// Opens or makes the journal of `node` in `folder`.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(folder: &Path, node: NodeId) -> Result<Self, JournalError> {
        std::fs::create_dir_all(folder).map_err(|source| JournalError::Folder {
            path: folder.to_path_buf(),
            source: Arc::new(source),
        })?;
        let connection = schema::open(&folder.join("journal.sqlite"), node)?;
        let acknowledged = Arc::new(Acknowledgements::of(folder));
        Ok(Self { worker: Arc::new(Worker::start(connection)?), acknowledged })
    }

    /// Keeps a coordinator's words for asks, in files beside the database; durable when this returns.
    ///
    /// # Errors
    /// [`JournalError::Files`].
    pub async fn keep_acknowledged(
        &self,
        coordinator: CoordinatorId,
        all: Vec<Acknowledged>,
    ) -> Result<(), JournalError> {
        let acknowledged = Arc::clone(&self.acknowledged);
        tokio::task::spawn_blocking(move || acknowledged.add(coordinator, &all))
            .await
            .map_err(|_| JournalError::Closed)?
            .map_err(|cause| JournalError::Files(Arc::new(cause)))
    }

    /// The next number for an ask: larger than every earlier one, also after a restart, and at least
    /// `floor`. Given the time in milliseconds as floor, numbers rise even after the journal was lost.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn next_ask_sequence(&self, floor: u64) -> Result<u64, JournalError> {
        self.worker
            .run(move |database, _| {
                let last: i64 =
                    database.query_row("SELECT ask_sequence FROM node", [], |row| row.get(0))?;
                let last =
                    u64::try_from(last).map_err(|_| JournalError::Damaged("ask sequence"))?;
                let next = last.saturating_add(1).max(floor);
                database.execute("UPDATE node SET ask_sequence = ?1", [to_sql(next)])?;
                Ok(next)
            })
            .await
    }
}

/// SQLite integers are signed; every number here is a time, a length or a sequence far below 2⁶³.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
