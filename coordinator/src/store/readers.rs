//! A few connections for reading. Each look is one transaction, so it sees one state; the writer goes on
//! meanwhile.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::archive::Archive;
use super::sqlite::{self, ReadTransaction};
use super::{Read, StoreConfig, StoreError};

/// The idle connections, and how many looks may be under way.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    cache_kib: u32,
    archive: Archive,
    keep: usize,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(config: &StoreConfig, archive: Archive) -> Self {
        let keep = config.readers.max(1);
        Self {
            path: config.path.clone(),
            cache_kib: config.cache_kib.checked_div(4).unwrap_or_default(),
            archive,
            keep,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(keep)),
        }
    }

    /// Waits until another look may begin.
    pub(super) async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    pub(super) fn look<T, E: From<StoreError>>(
        &self,
        look: impl FnOnce(&dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sqlite::open_reader(&self.path, self.cache_kib)?,
        };
        let transaction = ReadTransaction::begin(&connection, &self.archive)?;
        let result = look(&transaction);
        drop(transaction);
        // A connection still inside a transaction would show an old state for ever.
        if connection.is_autocommit() {
            let mut idle = self.idle.lock();
            if idle.len() < self.keep {
                idle.push(connection);
            }
        }
        result
    }
}
