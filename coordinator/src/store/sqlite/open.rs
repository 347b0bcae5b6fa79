//! Opening the file: lock, settings, schema, ownership.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};

use super::while_doing;
use crate::store::StoreError;
use crate::store::records::Identity;

/// One step of the schema.
struct Step {
    sql: &'static str,
    /// What SQL cannot do, in the same transaction.
    then: Option<SecondHalf>,
}

type SecondHalf = fn(&Transaction<'_>) -> Result<(), StoreError>;

/// Every schema step, in order; `user_version` counts how many the file has had. Steps that were
/// published never change.
const MIGRATIONS: &[Step] = &[
    Step { sql: include_str!("../../../migrations/0001_initial.sql"), then: None },
    Step {
        sql: include_str!("../../../migrations/0002_views.sql"),
        then: Some(super::backfill::views),
    },
    Step { sql: include_str!("../../../migrations/0003_book.sql"), then: None },
];

/// How long to wait for a lock that another connection holds; only the checkpointer ever does.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Of a new database. Half as many pages to check, write and copy for the same receipts as with SQLite's
/// usual 4 KiB; a database keeps the size it was made with.
const PAGE_BYTES: u32 = 8 * 1024;

/// Write-ahead log before it is copied into the database, so that copying is rare and sequential: at a quarter
/// of it, as many receipts as the disk takes are a third to a half fewer a second.
const CHECKPOINT_BYTES: u32 = 16 * 1024 * 1024;

/// Statements kept prepared; there are fewer.
const STATEMENTS: usize = 192;

/// Takes the lock file beside the database. The system releases it when the process ends.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|cause| StoreError::File { path: directory.to_owned(), cause })?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |cause| StoreError::File { path: lock_path.clone(), cause };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

pub(crate) fn open_writer(path: &Path, cache_kib: u32) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(while_doing("opening the database"))?;
    configure(&connection, cache_kib).map_err(while_doing("configuring the database"))?;
    let settings = || -> rusqlite::Result<()> {
        // Says nothing to a database that exists.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on disk before it is answered, also when power fails.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // On macOS only this reaches the platters.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = CHECKPOINT_BYTES.checked_div(page).unwrap_or(1);
        connection.pragma_update(None, "wal_autocheckpoint", pages)?;
        // Gives back the log's space after a burst.
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        Ok(())
    };
    settings().map_err(while_doing("configuring the database"))?;
    Ok(connection)
}

pub(crate) fn open_reader(path: &Path, cache_kib: u32) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)
        .map_err(while_doing("opening the database for reading"))?;
    configure(&connection, cache_kib).map_err(while_doing("configuring the database"))?;
    Ok(connection)
}

fn configure(connection: &Connection, cache_kib: u32) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Negative means KiB.
    connection.pragma_update(None, "cache_size", i64::from(cache_kib).saturating_neg())
}

/// Takes the schema to the newest version, each step in its own transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let failed = || while_doing("migrating the database");
    let found: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed())?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (version, step) in (1_u32..).zip(MIGRATIONS) {
        if version > found {
            let transaction = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed())?;
            transaction.execute_batch(step.sql).map_err(failed())?;
            if let Some(then) = step.then {
                then(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", version).map_err(failed())?;
            transaction.commit().map_err(failed())?;
        }
    }
    Ok(())
}

/// Makes a fresh database this identity's, and refuses one that is another's.
pub(crate) fn claim(connection: &mut Connection, identity: Identity) -> Result<(), StoreError> {
    let failed = || while_doing("reading whose database this is");
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed())?;
    let stored: Option<([u8; 32], [u8; 32])> = transaction
        .query_row("SELECT deployment, coordinator FROM identity", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failed())?;
    let own = (identity.deployment.0.0, identity.coordinator.0);
    match stored {
        Some(stored) if stored == own => {}
        Some(_) => return Err(StoreError::OtherIdentity),
        None => {
            transaction
                .execute(
                    "INSERT INTO identity (one, deployment, coordinator) VALUES (1, ?1, ?2)",
                    own,
                )
                .map_err(failed())?;
            transaction
                .execute(
                    "INSERT INTO totals (one, charged, fees, fees_baseline)
                     VALUES (1, zeroblob(16), zeroblob(16), zeroblob(16))",
                    [],
                )
                .map_err(failed())?;
            transaction
                .execute(
                    "INSERT INTO epochs (epoch, first, size, root) VALUES (0, 0, 0, ?1)",
                    [pinaivu_protocol::merkle::empty_root().0],
                )
                .map_err(failed())?;
        }
    }
    transaction.commit().map_err(failed())
}
