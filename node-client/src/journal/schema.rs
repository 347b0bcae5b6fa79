//! The database file: how it is opened and what is in it.

use std::path::Path;
use std::time::Duration;

use pinaivu_protocol::ids::NodeId;
use rusqlite::{Connection, ErrorCode};

use super::JournalError;

/// Raised with every change of [`TABLES`], which then gets a step from the version before.
const VERSION: i64 = 1;

const TABLES: &str = "
    -- One row: whose journal this is, and the number of its newest ask.
    CREATE TABLE node (
        id           BLOB    NOT NULL CHECK (length(id) = 32),
        ask_sequence INTEGER NOT NULL
    ) STRICT;

    -- One row per ticket that a proof was signed for.
    CREATE TABLE proofs (
        sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
        ticket      BLOB    NOT NULL UNIQUE CHECK (length(ticket) = 32), -- hash of the ticket
        coordinator BLOB    NOT NULL CHECK (length(coordinator) = 32),
        deadline    INTEGER NOT NULL,                             -- of the ticket, ms since 1970
        finished    INTEGER NOT NULL,                             -- ms since 1970
        amount      BLOB    NOT NULL CHECK (length(amount) = 16), -- fine amount, little endian
        presented   BLOB              -- borsh of what is presented; NULL once settled
    ) STRICT;
    CREATE INDEX proofs_unsettled ON proofs (coordinator, sequence) WHERE presented IS NOT NULL;
    CREATE INDEX proofs_settled ON proofs (deadline) WHERE presented IS NULL;

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
            transaction.execute("INSERT INTO node VALUES (?1, 0)", [node.as_bytes()])?;
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
