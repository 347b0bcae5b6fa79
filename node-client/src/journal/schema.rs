//! The database file: how it is opened and what is in it.

use std::path::Path;
use std::time::Duration;

use borsh::BorshDeserialize as _;
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::FineAmount;
use rusqlite::{Connection, ErrorCode, Transaction};

use super::index::encode;
use super::{JournalError, to_sql};
use crate::serving::replay::FIRST_USE;

/// Raised with every change of the tables, which then get a step from the version before.
const VERSION: i64 = 2;

const TABLES: &str = "
    -- One row: whose journal this is, and the number of its newest ask.
    CREATE TABLE node (
        id           BLOB    NOT NULL CHECK (length(id) = 32),
        ask_sequence INTEGER NOT NULL
    ) STRICT;

    -- The newest receipt head of each coordinator: its promise to pay.
    CREATE TABLE promises (
        coordinator BLOB PRIMARY KEY CHECK (length(coordinator) = 32),
        head        BLOB NOT NULL                                 -- borsh of the signed head
    ) STRICT;

    -- Claim transactions; the row is durable before the bytes are sent.
    CREATE TABLE claims (
        signature   BLOB    PRIMARY KEY CHECK (length(signature) = 64),
        coordinator BLOB    NOT NULL CHECK (length(coordinator) = 32),
        amount      INTEGER NOT NULL,                             -- millionths of a USDC
        bytes       BLOB    NOT NULL,
        last_valid  INTEGER NOT NULL,                             -- block height
        created     INTEGER NOT NULL,                             -- ms since 1970
        state       TEXT    NOT NULL CHECK (state IN ('open', 'paid', 'failed', 'expired'))
    ) STRICT;
    CREATE INDEX claims_open ON claims (coordinator) WHERE state = 'open';
";

/// Answers: in every version from 2 on.
const ANSWERS: &str = "
    -- One row for answers that were stored together, up to 64 of one coordinator.
    CREATE TABLE answered (
        sequence    INTEGER PRIMARY KEY,
        coordinator BLOB    NOT NULL CHECK (length(coordinator) = 32),
        newest      INTEGER NOT NULL,  -- when the newest of the tickets was issued, ms since 1970
        -- Of each ticket its hash and when it was issued, ms since 1970, little endian: 40 bytes.
        tickets     BLOB    NOT NULL,
        -- Bit i for answer i: it has its receipt, or will never have one. Little endian.
        settled     BLOB    NOT NULL CHECK (length(settled) = 8)
    ) STRICT;

    -- What is presented of a row's answers until all of them are settled: of each its amount in fine units
    -- and the borsh of what is presented, by borsh.
    CREATE TABLE presented (
        batch     INTEGER PRIMARY KEY REFERENCES answered (sequence),
        presented BLOB NOT NULL
    ) STRICT;
";

/// From version 1, which had a row for each answer: those without a receipt are kept one to a row. Which
/// tickets are settled is not: it did not say when they were issued, so everything issued before the newest
/// answer is refused.
fn from_version_1(transaction: &Transaction<'_>) -> Result<(), rusqlite::Error> {
    transaction.execute_batch(ANSWERS)?;
    let mut old = transaction.prepare(
        "SELECT coordinator, amount, presented FROM proofs
         WHERE presented IS NOT NULL ORDER BY sequence",
    )?;
    let mut rows = old.query([])?;
    while let Some(row) = rows.next()? {
        let (coordinator, amount): ([u8; 32], [u8; 16]) = (row.get(0)?, row.get(1)?);
        let presented: Vec<u8> = row.get(2)?;
        let failed = |_| rusqlite::Error::InvalidQuery;
        let ticket = Represented::try_from_slice(&presented).map_err(failed)?.ticket;
        let issued = to_sql(ticket.issued.0);
        let mut tickets = ticket.hash().0.to_vec();
        tickets.extend_from_slice(&ticket.issued.0.to_le_bytes());
        transaction.execute(
            "INSERT INTO answered (coordinator, newest, tickets, settled)
             VALUES (?1, ?2, ?3, zeroblob(8))",
            (coordinator, issued, tickets),
        )?;
        let amount = FineAmount(u128::from_le_bytes(amount));
        let bytes = encode(&[(amount, presented)]).map_err(|_| rusqlite::Error::InvalidQuery)?;
        transaction.execute(
            "INSERT INTO presented (batch, presented) VALUES (last_insert_rowid(), ?1)",
            [bytes],
        )?;
    }
    transaction.execute(
        "INSERT INTO answered (coordinator, newest, tickets, settled)
         SELECT coordinator, max(finished) + ?1, x'', zeroblob(8) FROM proofs GROUP BY coordinator",
        [to_sql(FIRST_USE.0)],
    )?;
    drop(rows);
    drop(old);
    transaction.execute_batch("DROP TABLE proofs")
}

pub(super) fn open(path: &Path, node: NodeId) -> Result<Connection, JournalError> {
    let mut connection = Connection::open(path)?;
    // A predecessor that is still closing gets a moment; one that keeps running does not.
    connection.busy_timeout(Duration::from_secs(5))?;
    let configured = connection
        .execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;",
        )
        .and_then(|()| prepare(&mut connection, node));
    match configured {
        Err(error)
            if matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ) =>
        {
            Err(JournalError::InUse(path.to_path_buf()))
        }
        outcome => outcome?.map(|()| connection),
    }
}

fn prepare(
    connection: &mut Connection,
    node: NodeId,
) -> Result<Result<(), JournalError>, rusqlite::Error> {
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match version {
        VERSION => {}
        0 => {
            transaction.execute_batch(TABLES)?;
            transaction.execute_batch(ANSWERS)?;
            transaction.execute("INSERT INTO node VALUES (?1, 0)", [node.as_bytes()])?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        1 => {
            from_version_1(&transaction)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        newer => return Ok(Err(JournalError::Newer(newer))),
    }
    let owner: [u8; 32] = transaction.query_row("SELECT id FROM node", [], |row| row.get(0))?;
    if owner != node.0 {
        return Ok(Err(JournalError::OtherNode(NodeId(owner))));
    }
    transaction.commit()?;
    Ok(Ok(()))
}
