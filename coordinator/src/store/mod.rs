//! The coordinator's durable state, and the only place that knows SQL.
//!
//! Invariant: a [`Store::write`] that returned is on disk (`synchronous = FULL`), whole; one that failed
//! left nothing. All writes go through one thread that groups what is waiting into one transaction, so
//! that a flush to disk is shared. Reads see one consistent state each and never wait for the writer.
//!
//! What is stored is decided by the callers, through the typed operations of [`Read`] and [`Write`];
//! these two traits are the boundary behind which another database can stand. This module neither
//! signs, nor talks to the chain, nor reads a clock.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod archive;
mod bucket;
mod operations;
mod readers;
mod records;
mod sqlite;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use pinaivu_protocol::ids::RequestId;

pub use archive::{BUNDLE as ARCHIVE_BUNDLE, Copied};
pub use operations::{Read, Write};
pub use records::{
    Account, AccountHandle, ApiKey, ApiKeyId, ApiKeyIdError, Billed, BlobEntry, BlobExpectation,
    BlobId, BlobNamespace, BlobOutcome, BookPlace, Entry, EntryKind, FIGURE_MINUTES_KEPT,
    FigureQuery, FigureRow, FigureStep, FiguresOf, Identity, KeyLimits, LogHead, NewAccount,
    NewBlob, NewBookEntry, NewFigure, NewReceipt, NewSettlement, NodeFigures, NodeTotal,
    OwnerSalts, ReceiptCursor, ReceiptCursorError, ReceiptFilter, SettlementId, SettlementKind,
    SettlementRecord, SettlementState, StoredReceipt, Totals,
};

/// Where the database is and how much memory it may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The database file; created when it does not exist, with its directory.
    pub path: PathBuf,
    /// Connections for reading.
    pub readers: usize,
    /// Page cache of the writer, in KiB; each reader has a quarter of it.
    pub cache_kib: u32,
    /// Where old receipts go: `s3://BUCKET/PREFIX`, or nothing for the directory `archive` beside the
    /// database.
    pub archive: Option<String>,
}

impl StoreConfig {
    /// The defaults, for a database at `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), readers: 3, cache_kib: 4 * 1024, archive: None }
    }
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database itself failed: disk full, disk broken, file gone.
    #[error("the database failed while {doing}")]
    Database {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        #[source]
        cause: rusqlite::Error,
    },
    /// The file cannot be opened or created.
    #[error("cannot use {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// An object of the archive cannot be written or read, or there is no using the archive at all.
    #[error("the archive failed on {object}")]
    Archive {
        /// Which object.
        object: String,
        /// What the storage said.
        #[source]
        cause: object_store::Error,
    },
    /// As many as may wait for the archive are waiting already. Asking again is fine.
    #[error("too many are waiting for the archive")]
    ArchiveBusy,
    /// The transaction could not be committed. Nothing of it is stored.
    #[error("the transaction was not committed: {0}")]
    NotCommitted(String),
    /// The store has been closed or its thread has ended.
    #[error("the store is closed")]
    Closed,
    /// The database was written by newer software.
    #[error("the database has schema version {found}, this software knows up to {known}")]
    SchemaTooNew {
        /// In the file.
        found: u32,
        /// The last one here.
        known: u32,
    },
    /// The database belongs to another coordinator or deployment.
    #[error("the database belongs to another coordinator or deployment")]
    OtherIdentity,
    /// Another process has the database open.
    #[error("another process uses this database")]
    InUse,
    /// What is stored contradicts itself. Nothing may be signed on top of it.
    #[error("the database contradicts itself: {0}")]
    Corrupt(&'static str),
    /// A number does not fit where it has to go.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// A row that has to be unique exists already.
    #[error("{0} exists already")]
    Exists(&'static str),
    /// A row that has to be there is not.
    #[error("there is no such {0}")]
    Missing(&'static str),
}

/// The open database. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: writer::Writer,
    readers: readers::Readers,
    archive: archive::Archive,
    // Released when the process ends, however it ends.
    _lock: std::fs::File,
}

impl Store {
    /// Opens the database of `identity`, creating or upgrading it, and checks that what it holds agrees
    /// with itself: newest receipt, tree, root, cumulatives and totals. Blocks; starts the writer thread.
    ///
    /// # Errors
    /// [`StoreError`]; notably [`StoreError::InUse`], [`StoreError::OtherIdentity`],
    /// [`StoreError::SchemaTooNew`] and [`StoreError::Corrupt`].
    pub fn open(config: &StoreConfig, identity: Identity) -> Result<Self, StoreError> {
        let lock = sqlite::lock(&config.path)?;
        let mut connection = sqlite::open_writer(&config.path, config.cache_kib)?;
        sqlite::migrate(&mut connection)?;
        sqlite::claim(&mut connection, identity)?;
        let archive = archive::Archive::open(
            &config.path,
            config.archive.as_deref(),
            config.readers.saturating_sub(1),
        )?;
        sqlite::verify(&connection, &archive)?;
        let readers = readers::Readers::new(config, archive.clone());
        let writer = writer::Writer::spawn(connection, archive.clone())?;
        Ok(Self { inner: Arc::new(Inner { writer, readers, archive, _lock: lock }) })
    }

    /// Runs `job` inside a transaction. When this gives `Ok`, what the job did is on disk; when it gives
    /// an error, nothing of it is. Several jobs may share one transaction, but not one another's fate.
    ///
    /// A caller that stops waiting leaves the job running: what it did is then unknown to it.
    ///
    /// # Errors
    /// The job's own, or a [`StoreError`] when the transaction could not be made.
    pub async fn write<T, E>(
        &self,
        job: impl FnOnce(&mut dyn Write) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match self.inner.writer.submit(job) {
            Ok(reply) => reply.await.unwrap_or_else(|_| Err(StoreError::Closed.into())),
            Err(closed) => Err(closed.into()),
        }
    }

    /// Queues `job` before this returns: what is written later comes after it on disk, too. Nobody learns
    /// how it went but the log.
    pub fn write_later(
        &self,
        doing: &'static str,
        job: impl FnOnce(&mut dyn Write) -> Result<(), StoreError> + Send + 'static,
    ) {
        let job = move |transaction: &mut dyn Write| {
            let result = job(transaction);
            if let Err(error) = &result {
                tracing::error!(%error, "{doing} failed");
            }
            result
        };
        if let Err(error) = self.inner.writer.submit(job) {
            tracing::error!(%error, "{doing} failed");
        }
    }

    /// Stores the terms of a request's clearing with whatever is written next, or at the next
    /// [`Self::flush`]: no write begins for it. What is written after this returned never becomes durable
    /// before it. Nobody learns how it went but the log.
    pub fn put_clearing_with_next(&self, request: RequestId, terms: Vec<u8>) {
        self.inner.writer.put_clearing_with_next(request, terms);
    }

    /// Writes what waits for a next write.
    pub fn flush(&self) {
        if self.inner.writer.has_waiting() {
            self.write_later("writing clearings", |_| Ok(()));
        }
    }

    /// Carries a full bundle of receipts into the archive: writes its object, reads that again, and only
    /// when every leaf of the tree is in it lets the bytes go. Killed anywhere, the same again is fine.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when they are not all there, [`StoreError::Archive`],
    /// [`StoreError::Corrupt`] when the archive gives back something else; the bytes stay then.
    pub async fn archive_bundle(&self, epoch: u32, bundle: u64) -> Result<(), StoreError> {
        let (receipts, leaves) = self.read(move |look| look.bundle(epoch, bundle)).await?;
        let copied = self.inner.archive.copy(epoch, bundle, receipts, leaves).await?;
        self.write(move |write| write.let_go_archived(&copied)).await
    }

    /// Runs `look` on one consistent state: everything durable when it begins.
    ///
    /// # Errors
    /// The look's own, or a [`StoreError`] when the database cannot be read.
    pub async fn read<T, E>(
        &self,
        look: impl FnOnce(&dyn Read) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let permit = inner.readers.permit().await?;
        tokio::task::spawn_blocking(move || {
            let result = inner.readers.look(look);
            drop(permit);
            result
        })
        .await
        .unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }
}
