//! The local chain's memory across restarts: one SQLite file in a directory.
//!
//! Written in one transaction per [`Changes`], which are taken under one lock of the virtual machine, so
//! that a ledger always shows the state between two transactions, whenever the process dies. It holds
//! the accounts that differ from a bare virtual machine, the newest [`KEPT_TRANSACTIONS`] transactions
//! and their blocks, and where the chain is. It is not an archive and no other tool reads it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, params};
use solana_account::{Account, AccountSharedData, ReadableAccount as _};
use solana_pubkey::Pubkey;
use surfpool_core::surfnet::BlockHeader;
use surfpool_core::types::SurfnetTransactionStatus;

use crate::error::LocalnetError;

/// Transactions that are kept, newest first; older ones are forgotten by status and history queries.
pub const KEPT_TRANSACTIONS: usize = 20_000;

const FILE: &str = "ledger.sqlite";
const FORMAT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS chain (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        genesis_hash BLOB NOT NULL,
        tip_index INTEGER NOT NULL,
        tip_hash TEXT NOT NULL,
        slot INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        slot_index INTEGER NOT NULL,
        unix_millis INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS accounts (
        address BLOB PRIMARY KEY,
        lamports INTEGER NOT NULL,
        owner BLOB NOT NULL,
        executable INTEGER NOT NULL,
        rent_epoch INTEGER NOT NULL,
        data BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS transactions (
        signature TEXT PRIMARY KEY,
        slot INTEGER NOT NULL,
        status TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS transactions_by_slot ON transactions (slot);
    CREATE TABLE IF NOT EXISTS blocks (
        slot INTEGER PRIMARY KEY,
        header TEXT NOT NULL
    );
";

/// Where the chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Blocks produced; blockhashes follow from it.
    pub(crate) index: u64,
    /// The newest blockhash.
    pub(crate) hash: String,
    /// The newest slot.
    pub(crate) slot: u64,
    /// Its epoch.
    pub(crate) epoch: u64,
    /// Its place in the epoch.
    pub(crate) slot_index: u64,
    /// The chain's clock.
    pub(crate) unix_millis: u64,
}

/// A chain as a ledger holds it.
pub(crate) struct Saved {
    pub(crate) genesis_hash: [u8; 32],
    pub(crate) tip: Tip,
    pub(crate) accounts: Vec<(Pubkey, Account)>,
    pub(crate) transactions: Vec<(String, SurfnetTransactionStatus)>,
    pub(crate) blocks: Vec<(u64, BlockHeader)>,
}

/// What happened since the last time.
pub(crate) struct Changes {
    pub(crate) tip: Tip,
    pub(crate) written: Vec<(Pubkey, AccountSharedData)>,
    pub(crate) removed: Vec<Pubkey>,
    pub(crate) transactions: Vec<(String, u64, SurfnetTransactionStatus)>,
    pub(crate) blocks: Vec<(u64, BlockHeader)>,
}

/// An open ledger; no other process can open it meanwhile.
pub(crate) struct Ledger {
    path: PathBuf,
    database: Connection,
}

impl Ledger {
    /// Opens the ledger in `directory`, which is made if it does not exist.
    pub(crate) fn open(directory: &Path) -> Result<Self, LocalnetError> {
        let path = directory.to_owned();
        std::fs::create_dir_all(directory).map_err(|cause| broken(&path, cause))?;
        let database =
            Connection::open(directory.join(FILE)).map_err(|cause| broken(&path, cause))?;
        let ledger = Self { path, database };
        ledger.prepare()?;
        Ok(ledger)
    }

    fn prepare(&self) -> Result<(), LocalnetError> {
        self.database
            .execute_batch(
                "PRAGMA locking_mode = EXCLUSIVE;
                 PRAGMA journal_mode = WAL;
                 PRAGMA synchronous = NORMAL;
                 BEGIN EXCLUSIVE;
                 COMMIT;",
            )
            .map_err(|error| match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                    LocalnetError::LedgerInUse { path: self.path.clone() }
                }
                _ => broken(&self.path, error),
            })?;
        let found: i64 = self
            .database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|cause| broken(&self.path, cause))?;
        match found {
            FORMAT => Ok(()),
            0 => self
                .database
                .execute_batch(&format!("{SCHEMA} PRAGMA user_version = {FORMAT};"))
                .map_err(|cause| broken(&self.path, cause)),
            found => Err(LocalnetError::LedgerFormat {
                path: self.path.clone(),
                found,
                expected: FORMAT,
            }),
        }
    }

    /// What it holds; nothing when it is new.
    pub(crate) fn load(&self) -> Result<Option<Saved>, LocalnetError> {
        self.read().map_err(|cause| LocalnetError::Ledger { path: self.path.clone(), cause })
    }

    fn read(&self) -> Result<Option<Saved>, Cause> {
        let chain = self
            .database
            .query_row(
                "SELECT genesis_hash, tip_index, tip_hash, slot, epoch, slot_index, unix_millis
                 FROM chain",
                [],
                |row| {
                    let tip = Tip {
                        index: row.get::<_, i64>(1)?.cast_unsigned(),
                        hash: row.get(2)?,
                        slot: row.get::<_, i64>(3)?.cast_unsigned(),
                        epoch: row.get::<_, i64>(4)?.cast_unsigned(),
                        slot_index: row.get::<_, i64>(5)?.cast_unsigned(),
                        unix_millis: row.get::<_, i64>(6)?.cast_unsigned(),
                    };
                    Ok((row.get::<_, [u8; 32]>(0)?, tip))
                },
            )
            .optional()?;
        let Some((genesis_hash, tip)) = chain else { return Ok(None) };
        Ok(Some(Saved {
            genesis_hash,
            tip,
            accounts: self.accounts()?,
            transactions: self.transactions()?,
            blocks: self.blocks()?,
        }))
    }

    fn accounts(&self) -> Result<Vec<(Pubkey, Account)>, Cause> {
        let mut query = self.database.prepare(
            "SELECT address, lamports, owner, executable, rent_epoch, data FROM accounts",
        )?;
        let rows = query.query_map([], |row| {
            let account = Account {
                lamports: row.get::<_, i64>(1)?.cast_unsigned(),
                owner: Pubkey::new_from_array(row.get(2)?),
                executable: row.get(3)?,
                rent_epoch: row.get::<_, i64>(4)?.cast_unsigned(),
                data: row.get(5)?,
            };
            Ok((Pubkey::new_from_array(row.get(0)?), account))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn transactions(&self) -> Result<Vec<(String, SurfnetTransactionStatus)>, Cause> {
        let mut query = self.database.prepare("SELECT signature, status FROM transactions")?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let status: String = row.get(1)?;
            found.push((row.get(0)?, serde_json::from_str(&status)?));
        }
        Ok(found)
    }

    fn blocks(&self) -> Result<Vec<(u64, BlockHeader)>, Cause> {
        let mut query = self.database.prepare("SELECT slot, header FROM blocks")?;
        let mut rows = query.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let header: String = row.get(1)?;
            found.push((row.get::<_, i64>(0)?.cast_unsigned(), serde_json::from_str(&header)?));
        }
        Ok(found)
    }

    /// Adds what happened; all of it or, when the process dies meanwhile, nothing.
    pub(crate) fn save(
        &mut self,
        genesis_hash: &[u8; 32],
        changes: &Changes,
    ) -> Result<(), LocalnetError> {
        self.write(genesis_hash, changes)
            .map_err(|cause| LocalnetError::Ledger { path: self.path.clone(), cause })
    }

    fn write(&mut self, genesis_hash: &[u8; 32], changes: &Changes) -> Result<(), Cause> {
        let transaction = self.database.transaction()?;
        let tip = &changes.tip;
        transaction.execute(
            "INSERT OR REPLACE INTO chain VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                genesis_hash,
                tip.index.cast_signed(),
                tip.hash,
                tip.slot.cast_signed(),
                tip.epoch.cast_signed(),
                tip.slot_index.cast_signed(),
                tip.unix_millis.cast_signed(),
            ],
        )?;
        for (address, account) in &changes.written {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    address.as_array(),
                    account.lamports().cast_signed(),
                    account.owner().as_array(),
                    account.executable(),
                    account.rent_epoch().cast_signed(),
                    account.data(),
                ])?;
        }
        for address in &changes.removed {
            transaction
                .prepare_cached("DELETE FROM accounts WHERE address = ?1")?
                .execute([address.as_array()])?;
        }
        for (signature, slot, status) in &changes.transactions {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO transactions VALUES (?1, ?2, ?3)")?
                .execute(params![signature, slot.cast_signed(), serde_json::to_string(status)?])?;
        }
        for (slot, header) in &changes.blocks {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO blocks VALUES (?1, ?2)")?
                .execute(params![slot.cast_signed(), serde_json::to_string(header)?])?;
        }
        if !changes.transactions.is_empty() {
            // Slots stand in for age: the newest ones are kept, and all of the slot at the edge.
            let oldest_kept: Option<i64> = transaction
                .query_row(
                    "SELECT slot FROM transactions ORDER BY slot DESC LIMIT 1 OFFSET ?1",
                    [i64::try_from(KEPT_TRANSACTIONS).unwrap_or(i64::MAX)],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(slot) = oldest_kept {
                transaction.execute("DELETE FROM transactions WHERE slot < ?1", [slot])?;
                transaction.execute("DELETE FROM blocks WHERE slot < ?1", [slot])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn broken(path: &Path, cause: impl Into<Cause>) -> LocalnetError {
    LocalnetError::Ledger { path: path.to_owned(), cause: cause.into() }
}
