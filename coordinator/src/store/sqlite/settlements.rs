//! Settlement transactions and what they are meant to reach.

use pinaivu_protocol::units::Slot;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row};

use super::codec::{get_bytes, get_millis, integer, unsigned};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{
    Entry, EntryKind, NewSettlement, SettlementId, SettlementKind, SettlementRecord,
    SettlementState,
};

const fn kind_text(kind: SettlementKind) -> &'static str {
    match kind {
        SettlementKind::LogExtend => "log_extend",
        SettlementKind::Debit => "debit",
        SettlementKind::PayoutOpen => "payout_open",
        SettlementKind::Credit => "credit",
    }
}

fn parse_kind(text: &str) -> Option<SettlementKind> {
    [
        SettlementKind::LogExtend,
        SettlementKind::Debit,
        SettlementKind::PayoutOpen,
        SettlementKind::Credit,
    ]
    .into_iter()
    .find(|kind| kind_text(*kind) == text)
}

const fn state_text(state: SettlementState) -> &'static str {
    match state {
        SettlementState::Prepared => "prepared",
        SettlementState::Landed => "landed",
        SettlementState::Finalized => "finalized",
        SettlementState::Failed => "failed",
        SettlementState::Expired => "expired",
    }
}

fn parse_state(text: &str) -> Option<SettlementState> {
    [
        SettlementState::Prepared,
        SettlementState::Landed,
        SettlementState::Finalized,
        SettlementState::Failed,
        SettlementState::Expired,
    ]
    .into_iter()
    .find(|state| state_text(*state) == text)
}

const fn entry_text(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Log => "log",
        EntryKind::Debit => "debit",
        EntryKind::Credit => "credit",
        EntryKind::Fees => "fees",
    }
}

fn parse_entry(text: &str) -> Option<EntryKind> {
    [EntryKind::Log, EntryKind::Debit, EntryKind::Credit, EntryKind::Fees]
        .into_iter()
        .find(|kind| entry_text(*kind) == text)
}

fn invalid(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "text".to_owned(), rusqlite::types::Type::Text)
}

macro_rules! select_settlements {
    ($rest:literal) => {
        concat!(
            "SELECT s.id, s.kind, s.signature, s.bytes, s.last_valid, s.created, s.state, s.slot,
                    s.failure
             FROM settlements s ",
            $rest
        )
    };
}

fn settlement(row: &Row<'_>) -> rusqlite::Result<SettlementRecord> {
    let slot: Option<i64> = row.get(7)?;
    Ok(SettlementRecord {
        id: SettlementId(row.get(0)?),
        kind: parse_kind(row.get_ref(1)?.as_str()?).ok_or_else(|| invalid(1))?,
        signature: get_bytes(row, 2, |bytes: [u8; 64]| bytes)?,
        bytes: row.get(3)?,
        last_valid_block_height: unsigned(row, 4)?,
        created: get_millis(row, 5)?,
        state: parse_state(row.get_ref(6)?.as_str()?).ok_or_else(|| invalid(6))?,
        slot: slot.map(|_| unsigned(row, 7).map(Slot)).transpose()?,
        failure: row.get(8)?,
    })
}

pub(super) fn open(connection: &Connection) -> Result<Vec<SettlementRecord>, StoreError> {
    connection
        .prepare_cached(select_settlements!(
            "WHERE s.state IN ('prepared', 'landed') ORDER BY s.id"
        ))
        .and_then(|mut statement| statement.query_map([], settlement)?.collect())
        .map_err(while_doing("listing open settlements"))
}

pub(super) fn recent(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<SettlementRecord>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(select_settlements!("ORDER BY s.id DESC LIMIT ?1"))
        .and_then(|mut statement| statement.query_map([limit], settlement)?.collect())
        .map_err(while_doing("listing settlements"))
}

pub(super) fn list(
    connection: &Connection,
    before: Option<SettlementId>,
    limit: usize,
) -> Result<Vec<SettlementRecord>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let before = before.map_or(i64::MAX, |id| id.0);
    connection
        .prepare_cached(select_settlements!(
            "WHERE s.id < ?1 AND s.state IN ('landed', 'finalized') ORDER BY s.id DESC LIMIT ?2"
        ))
        .and_then(|mut statement| statement.query_map((before, limit), settlement)?.collect())
        .map_err(while_doing("listing settlements"))
}

pub(super) fn entries(connection: &Connection, id: SettlementId) -> Result<Vec<Entry>, StoreError> {
    connection
        .prepare_cached(
            "SELECT kind, account, cumulative FROM settlement_entries WHERE settlement = ?1
             ORDER BY kind, account",
        )
        .and_then(|mut statement| {
            statement
                .query_map([id.0], |row| {
                    Ok(Entry {
                        kind: parse_entry(row.get_ref(0)?.as_str()?).ok_or_else(|| invalid(0))?,
                        account: get_bytes(row, 1, |bytes: [u8; 32]| bytes)?,
                        cumulative: unsigned(row, 2)?,
                    })
                })?
                .collect()
        })
        .map_err(while_doing("reading a settlement's entries"))
}

pub(super) fn reaching(
    connection: &Connection,
    kind: EntryKind,
    account: &[u8; 32],
    cumulative: u64,
) -> Result<Option<SettlementRecord>, StoreError> {
    let cumulative = integer(cumulative, "a cumulative")?;
    connection
        .prepare_cached(select_settlements!(
            "JOIN settlement_entries e ON e.settlement = s.id
             WHERE e.kind = ?1 AND e.account = ?2 AND e.cumulative >= ?3
                   AND s.state IN ('landed', 'finalized')
             ORDER BY e.cumulative, s.id LIMIT 1"
        ))
        .and_then(|mut statement| {
            statement.query_row((entry_text(kind), *account, cumulative), settlement).optional()
        })
        .map_err(while_doing("finding a settlement"))
}

pub(super) fn insert(
    connection: &Connection,
    new: &NewSettlement,
) -> Result<SettlementId, StoreError> {
    let last_valid = integer(new.last_valid_block_height, "a block height")?;
    let created = integer(new.created.0, "a time")?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO settlements (kind, signature, bytes, last_valid, created, state)
             VALUES (?1, ?2, ?3, ?4, ?5, 'prepared') RETURNING id",
        )
        .and_then(|mut statement| {
            statement.query_row(
                (kind_text(new.kind), new.signature, new.bytes.as_slice(), last_valid, created),
                |row| row.get(0),
            )
        });
    let id: i64 = match inserted {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            return Err(StoreError::Exists("the settlement"));
        }
        other => other.map_err(while_doing("storing a settlement"))?,
    };
    for entry in &new.entries {
        let cumulative = integer(entry.cumulative, "a cumulative")?;
        connection
            .prepare_cached(
                "INSERT INTO settlement_entries (kind, account, cumulative, settlement)
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut statement| {
                statement.execute((entry_text(entry.kind), entry.account, cumulative, id))
            })
            .map_err(while_doing("storing a settlement's entry"))?;
    }
    Ok(SettlementId(id))
}

pub(super) fn set_state(
    connection: &Connection,
    id: SettlementId,
    state: SettlementState,
    slot: Option<Slot>,
    failure: Option<&str>,
) -> Result<(), StoreError> {
    let slot = slot.map(|slot| integer(slot.0, "a slot")).transpose()?;
    let changed = connection
        .prepare_cached(
            "UPDATE settlements
             SET state = ?2, slot = ?3, failure = ?4,
                 bytes = CASE WHEN ?5 THEN x'' ELSE bytes END
             WHERE id = ?1 AND state IN ('prepared', 'landed')",
        )
        .and_then(|mut statement| {
            statement.execute((id.0, state_text(state), slot, failure, state.is_final()))
        })
        .map_err(while_doing("recording a settlement's state"))?;
    if changed == 0 {
        return Err(StoreError::Missing("open settlement"));
    }
    if matches!(state, SettlementState::Failed | SettlementState::Expired) {
        connection
            .prepare_cached("DELETE FROM settlement_entries WHERE settlement = ?1")
            .and_then(|mut statement| statement.execute([id.0]))
            .map_err(while_doing("forgetting a settlement's entries"))?;
    }
    Ok(())
}
