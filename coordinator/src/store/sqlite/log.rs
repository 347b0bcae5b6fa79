//! Receipts, the tree over them, epochs, and tickets that were given up.

use std::collections::HashMap;

use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, NodeId, PublicKey, RequestId, Segment};
use pinaivu_protocol::merkle::{Subtree, empty_root};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::UnixMillis;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row};

use super::archived::Reader;
use super::charges::Charges;
use super::codec::{fine, get_bytes, get_fine, integer, unsigned};
use super::{figures, while_doing};
use crate::store::StoreError;
use crate::store::archive::Archive;
use crate::store::records::{
    ApiKeyId, LogHead, NewReceipt, OwnerSalts, ReceiptCursor, ReceiptFilter, StoredReceipt,
};

/// An epoch as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch {
    pub(super) head: LogHead,
    /// Position of its first leaf among all receipts.
    pub(super) first: u64,
}

fn epoch_of(row: &Row<'_>) -> rusqlite::Result<Epoch> {
    Ok(Epoch {
        head: LogHead {
            epoch: row.get(0)?,
            size: unsigned(row, 2)?,
            root: get_bytes(row, 3, Hash32)?,
        },
        first: unsigned(row, 1)?,
    })
}

pub(super) fn open_epoch(connection: &Connection) -> Result<Epoch, StoreError> {
    connection
        .prepare_cached("SELECT epoch, first, size, root FROM epochs ORDER BY epoch DESC LIMIT 1")
        .and_then(|mut statement| statement.query_row([], epoch_of).optional())
        .map_err(while_doing("reading the log head"))?
        .ok_or(StoreError::Corrupt("no epoch is open"))
}

pub(super) fn epoch(connection: &Connection, epoch: u32) -> Result<Option<Epoch>, StoreError> {
    connection
        .prepare_cached("SELECT epoch, first, size, root FROM epochs WHERE epoch = ?1")
        .and_then(|mut statement| statement.query_row([epoch], epoch_of).optional())
        .map_err(while_doing("reading a log head"))
}

pub(super) fn begin_epoch(connection: &Connection, epoch: u32) -> Result<(), StoreError> {
    let open = open_epoch(connection)?;
    if epoch <= open.head.epoch {
        return Err(StoreError::Exists("the epoch"));
    }
    let first = open.first.checked_add(open.head.size).ok_or(StoreError::Range("a position"))?;
    connection
        .prepare_cached("INSERT INTO epochs (epoch, first, size, root) VALUES (?1, ?2, 0, ?3)")
        .and_then(|mut statement| {
            statement.execute((epoch, i64::try_from(first).unwrap_or(i64::MAX), empty_root().0))
        })
        .map_err(while_doing("opening an epoch"))?;
    Ok(())
}

pub(super) fn set_head(
    connection: &Connection,
    size: u64,
    root: &Hash32,
) -> Result<(), StoreError> {
    let open = open_epoch(connection)?;
    let stored = next_position(connection, &open)?.checked_sub(open.first);
    if size < open.head.size || stored != Some(size) {
        return Err(StoreError::Corrupt("the log head is not the number of receipts"));
    }
    let size = integer(size, "a log size")?;
    connection
        .prepare_cached("UPDATE epochs SET size = ?2, root = ?3 WHERE epoch = ?1")
        .and_then(|mut statement| statement.execute((open.head.epoch, size, root.0)))
        .map_err(while_doing("setting the log head"))?;
    Ok(())
}

/// Where the next receipt goes: one after the newest, or the epoch's first.
fn next_position(connection: &Connection, open: &Epoch) -> Result<u64, StoreError> {
    let newest: Option<i64> = connection
        .prepare_cached("SELECT max(position) FROM receipts")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(while_doing("reading the newest receipt"))?;
    let next = match newest {
        Some(newest) => u64::try_from(newest)
            .ok()
            .and_then(|newest| newest.checked_add(1))
            .ok_or(StoreError::Range("a position"))?,
        None => 0,
    };
    if next < open.first {
        return Err(StoreError::Corrupt("receipts of a closed epoch are missing"));
    }
    Ok(next)
}

pub(super) fn node(
    connection: &Connection,
    epoch: u32,
    level: u8,
    index: u64,
) -> Result<Hash32, StoreError> {
    let index = integer(index, "a tree index")?;
    connection
        .prepare_cached("SELECT hash FROM tree WHERE epoch = ?1 AND level = ?2 AND position = ?3")
        .and_then(|mut statement| {
            statement.query_row((epoch, level, index), |row| get_bytes(row, 0, Hash32)).optional()
        })
        .map_err(while_doing("reading a node of the log"))?
        .ok_or(StoreError::Missing("node of the log"))
}

pub(super) fn nodes(
    connection: &Connection,
    epoch: u32,
    level: u8,
    first: u64,
    count: u16,
) -> Result<Vec<Hash32>, StoreError> {
    let end = first.checked_add(count.into()).ok_or(StoreError::Range("a tree index"))?;
    let (first, end) = (integer(first, "a tree index")?, integer(end, "a tree index")?);
    let found: Vec<Hash32> = connection
        .prepare_cached(
            "SELECT hash FROM tree
             WHERE epoch = ?1 AND level = ?2 AND position >= ?3 AND position < ?4
             ORDER BY position",
        )
        .and_then(|mut statement| {
            statement
                .query_map((epoch, level, first, end), |row| get_bytes(row, 0, Hash32))?
                .collect()
        })
        .map_err(while_doing("reading nodes of the log"))?;
    if found.len() == usize::from(count) {
        Ok(found)
    } else {
        Err(StoreError::Missing("node of the log"))
    }
}

pub(super) fn receipt_run(
    connection: &Connection,
    archive: &Archive,
    epoch_number: u32,
    first: u64,
    count: u16,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let missing = StoreError::Missing("receipt");
    let Some(epoch) = epoch(connection, epoch_number)? else { return Err(missing) };
    let end = first.checked_add(count.into()).filter(|end| *end <= epoch.head.size);
    let Some(end) = end else { return Err(missing) };
    let place = |index: u64| {
        let position = epoch.first.checked_add(index).ok_or(StoreError::Range("a position"))?;
        integer(position, "a position")
    };
    let (from, end) = (place(first)?, place(end)?);
    let mut found: Vec<Vec<u8>> = connection
        .prepare_cached(
            "SELECT bytes FROM receipts WHERE position >= ?1 AND position < ?2 ORDER BY position",
        )
        .and_then(|mut statement| statement.query_map((from, end), |row| row.get(0))?.collect())
        .map_err(while_doing("reading receipts"))?;
    let mut archive = Reader::new(archive);
    for (bytes, index) in found.iter_mut().zip(first..) {
        if bytes.is_empty() {
            *bytes = archive.bytes(epoch_number, index)?;
        }
    }
    if found.len() == usize::from(count) { Ok(found) } else { Err(missing) }
}

pub(super) fn put_nodes(
    connection: &Connection,
    nodes: &[(Subtree, Hash32)],
) -> Result<(), StoreError> {
    const DOING: &str = "storing a node of the log";
    let epoch = open_epoch(connection)?.head.epoch;
    let mut insert = connection
        .prepare_cached("INSERT INTO tree (epoch, level, position, hash) VALUES (?1, ?2, ?3, ?4)")
        .map_err(while_doing(DOING))?;
    for (Subtree { level, index }, hash) in nodes {
        let index = integer(*index, "a tree index")?;
        unique(insert.execute((epoch, level, index, hash.0)), "the node of the log", DOING)?;
    }
    Ok(())
}

fn unique(
    inserted: rusqlite::Result<usize>,
    what: &'static str,
    doing: &'static str,
) -> Result<(), StoreError> {
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(StoreError::Exists(what))
        }
        Err(error) => Err(while_doing(doing)(error)),
    }
}

/// Appends receipts, in order. What is the same for all of them is read and written once.
pub(super) fn append(connection: &Connection, receipts: &[NewReceipt]) -> Result<(), StoreError> {
    const DOING: &str = "storing a receipt";
    let open = open_epoch(connection)?;
    let mut position = next_position(connection, &open)?;
    let mut charges = Charges::begin(connection)?;
    let mut rows = Rows::default();
    let mut insert = connection
        .prepare_cached(
            "INSERT INTO receipts (position, request, segment, ticket, node, node_cumulative,
                                   account, account_cumulative, salts, signer, bytes, model,
                                   outcome, api_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        )
        .map_err(while_doing(DOING))?;
    for receipt in receipts {
        if receipt.epoch != open.head.epoch
            || position.checked_sub(open.first) != Some(receipt.index)
        {
            return Err(StoreError::Corrupt("a receipt does not continue the log"));
        }
        let charged = charges.add(receipt)?;
        let inserted = insert.execute((
            integer(position, "a position")?,
            receipt.request.0,
            receipt.segment.0,
            receipt.ticket.0,
            charged.node,
            fine(receipt.node_cumulative),
            charged.account,
            fine(receipt.allowance_cumulative),
            salts_of(&receipt.salts),
            rows.signer(connection, &receipt.signer)?,
            receipt.bytes.as_slice(),
            rows.model(connection, &receipt.model)?,
            outcome_number(receipt.outcome),
            receipt.api_key.map(|key| key.0),
        ));
        unique(inserted, "the segment's receipt", DOING)?;
        position = position.checked_add(1).ok_or(StoreError::Range("a position"))?;
    }
    charges.write()
}

/// Rows that one receipt after the other names.
#[derive(Default)]
struct Rows {
    signer: Option<(PublicKey, i64)>,
    models: HashMap<String, i64>,
}

impl Rows {
    fn signer(&mut self, connection: &Connection, signer: &PublicKey) -> Result<i64, StoreError> {
        match self.signer {
            Some((known, row)) if known == *signer => Ok(row),
            _ => {
                let row = signer_row(connection, signer)?;
                self.signer = Some((*signer, row));
                Ok(row)
            }
        }
    }

    fn model(&mut self, connection: &Connection, model: &str) -> Result<i64, StoreError> {
        if let Some(row) = self.models.get(model) {
            return Ok(*row);
        }
        let row = figures::model_row(connection, model)?;
        self.models.insert(model.to_owned(), row);
        Ok(row)
    }
}

fn salts_of(salts: &OwnerSalts) -> [u8; 96] {
    let mut bytes = [0; 96];
    let parts = [salts.escrow, salts.allowance, salts.cumulative];
    for (place, salt) in bytes.chunks_exact_mut(32).zip(parts) {
        place.copy_from_slice(&salt.0);
    }
    bytes
}

/// As the column holds it, and as the wire does.
pub(super) const fn outcome_number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Cancelled => 1,
        Outcome::Failed => 2,
    }
}

fn signer_row(connection: &Connection, signer: &PublicKey) -> Result<i64, StoreError> {
    let known = connection
        .prepare_cached("SELECT id FROM signers WHERE key = ?1")
        .and_then(|mut statement| statement.query_row([signer.0], |row| row.get(0)).optional())
        .map_err(while_doing("reading a signer"))?;
    match known {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached("INSERT INTO signers (key) VALUES (?1) RETURNING id")
            .and_then(|mut statement| statement.query_row([signer.0], |row| row.get(0)))
            .map_err(while_doing("adding a signer")),
    }
}

macro_rules! select_receipts {
    ($rest:literal) => {
        concat!(
            "SELECT e.epoch, r.position - e.first, r.request, r.segment, r.ticket, n.node,
                    r.node_cumulative, a.allowance, r.account_cumulative, r.salts, r.bytes, s.key,
                    r.api_key
             FROM receipts r JOIN nodes n ON n.id = r.node JOIN accounts a ON a.id = r.account
                  JOIN signers s ON s.id = r.signer
                  JOIN epochs e ON e.epoch =
                      (SELECT max(epoch) FROM epochs WHERE first <= r.position) ",
            $rest
        )
    };
}

fn receipt_of(row: &Row<'_>) -> rusqlite::Result<StoredReceipt> {
    let salts: [u8; 96] = row.get(9)?;
    let mut parts = [Salt([0; 32]); 3];
    for (salt, bytes) in parts.iter_mut().zip(salts.chunks_exact(32)) {
        salt.0.copy_from_slice(bytes);
    }
    let [escrow, allowance, cumulative] = parts;
    Ok(StoredReceipt {
        epoch: row.get(0)?,
        index: unsigned(row, 1)?,
        request: get_bytes(row, 2, RequestId)?,
        segment: Segment(row.get(3)?),
        ticket: get_bytes(row, 4, Hash32)?,
        node: get_bytes(row, 5, NodeId)?,
        node_cumulative: get_fine(row, 6)?,
        allowance: get_bytes(row, 7, AllowanceId)?,
        allowance_cumulative: get_fine(row, 8)?,
        salts: OwnerSalts { escrow, allowance, cumulative },
        api_key: row.get::<_, Option<[u8; 16]>>(12)?.map(ApiKeyId),
        signer: get_bytes(row, 11, PublicKey)?,
        bytes: row.get(10)?,
    })
}

pub(super) fn receipts_of(
    connection: &Connection,
    archive: &Archive,
    request: &RequestId,
) -> Result<Vec<StoredReceipt>, StoreError> {
    let found = connection
        .prepare_cached(select_receipts!("WHERE r.request = ?1 ORDER BY r.segment"))
        .and_then(|mut statement| statement.query_map([request.0], receipt_of)?.collect())
        .map_err(while_doing("reading receipts"))?;
    Reader::all(archive, found)
}

pub(super) fn receipt(
    connection: &Connection,
    archive: &Archive,
    request: &RequestId,
    segment: Segment,
) -> Result<Option<StoredReceipt>, StoreError> {
    connection
        .prepare_cached(select_receipts!("WHERE r.request = ?1 AND r.segment = ?2"))
        .and_then(|mut statement| {
            statement.query_row((request.0, segment.0), receipt_of).optional()
        })
        .map_err(while_doing("reading a receipt"))?
        .map(|found| Reader::new(archive).whole(found))
        .transpose()
}

pub(super) fn receipted_ticket(
    connection: &Connection,
    request: &RequestId,
    segment: Segment,
) -> Result<Option<Hash32>, StoreError> {
    connection
        .prepare_cached("SELECT ticket FROM receipts WHERE request = ?1 AND segment = ?2")
        .and_then(|mut statement| {
            statement.query_row((request.0, segment.0), |row| get_bytes(row, 0, Hash32)).optional()
        })
        .map_err(while_doing("reading a receipt"))
}

pub(super) fn receipt_at(
    connection: &Connection,
    archive: &Archive,
    epoch_number: u32,
    index: u64,
) -> Result<Option<StoredReceipt>, StoreError> {
    let Some(epoch) = epoch(connection, epoch_number)? else { return Ok(None) };
    if index >= epoch.head.size {
        return Ok(None);
    }
    let position = epoch.first.checked_add(index).ok_or(StoreError::Range("a position"))?;
    let position = integer(position, "a position")?;
    connection
        .prepare_cached(select_receipts!("WHERE r.position = ?1"))
        .and_then(|mut statement| statement.query_row([position], receipt_of).optional())
        .map_err(while_doing("reading a receipt"))?
        .map(|found| Reader::new(archive).whole(found))
        .transpose()
}

/// A page of receipts, newest first. Which conditions there are decides which index serves; each
/// combination is one constant text, prepared once.
pub(super) fn list(
    connection: &Connection,
    archive: &Archive,
    filter: &ReceiptFilter,
    limit: usize,
) -> Result<Vec<StoredReceipt>, StoreError> {
    let doing = || while_doing("listing receipts");
    let mut conditions = vec!["r.position < ?1", "r.position > ?2"];
    let before = match filter.before {
        Some(cursor) => position_of(connection, cursor)?,
        None => i64::MAX,
    };
    let after = match filter.after {
        Some(cursor) => position_of(connection, cursor)?,
        None => -1,
    };
    let node = match &filter.node {
        None => 0,
        Some(node) => match figures::node_row(connection, node)? {
            None => return Ok(Vec::new()),
            Some(row) => {
                conditions.push("r.node = ?3");
                row
            }
        },
    };
    let model = match &filter.model {
        None => "",
        Some(model) => {
            conditions.push("r.model = (SELECT id FROM models WHERE name = ?4)");
            model
        }
    };
    let outcome = match filter.outcome {
        None => 0,
        Some(outcome) => {
            // The index of those that did not complete serves only whom this says so.
            conditions.push(match outcome {
                Outcome::Completed => "r.outcome = ?5",
                _ => "r.outcome <> 0 AND r.outcome = ?5",
            });
            outcome_number(outcome)
        }
    };
    let allowance = match filter.allowance {
        None => [0; 32],
        Some(allowance) => {
            conditions.push("r.account = (SELECT id FROM accounts WHERE allowance = ?6)");
            allowance.0
        }
    };
    let key = match filter.api_key {
        None => [0; 16],
        Some(key) => {
            conditions.push("r.api_key = ?7");
            key.0
        }
    };
    // A request's id begins with the time at which it came. The index by id would be of no use for the order.
    let at = |time: Option<UnixMillis>| RequestId::new(time.unwrap_or_default(), [0; 10]).0;
    if filter.from.is_some() {
        conditions.push("+r.request >= ?8");
    }
    if filter.to.is_some() {
        conditions.push("+r.request < ?9");
    }
    let (from, to) = (at(filter.from), at(filter.to));
    let sql = format!(
        "{} {} ORDER BY r.position DESC LIMIT ?10",
        select_receipts!("WHERE"),
        conditions.join(" AND "),
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            let parameters = rusqlite::params![
                before, after, node, model, outcome, allowance, key, from, to, limit
            ];
            statement.query_map(parameters, receipt_of)?.collect()
        })
        .map_err(doing())?;
    Reader::all(archive, found)
}

/// Where a cursor stands among all receipts; beyond all of them for an epoch that was never opened.
fn position_of(connection: &Connection, cursor: ReceiptCursor) -> Result<i64, StoreError> {
    let Some(epoch) = epoch(connection, cursor.epoch)? else { return Ok(i64::MAX) };
    let position = epoch.first.saturating_add(cursor.index);
    Ok(i64::try_from(position).unwrap_or(i64::MAX))
}

pub(super) fn is_abandoned(connection: &Connection, ticket: &Hash32) -> Result<bool, StoreError> {
    connection
        .prepare_cached("SELECT 1 FROM abandoned WHERE ticket = ?1")
        .and_then(|mut statement| statement.exists([ticket.0]))
        .map_err(while_doing("reading an abandoned ticket"))
}

pub(super) fn abandon(
    connection: &Connection,
    ticket: &Hash32,
    now: UnixMillis,
    forget_before: UnixMillis,
) -> Result<(), StoreError> {
    let (now, before) = (integer(now.0, "a time")?, integer(forget_before.0, "a time")?);
    connection
        .prepare_cached("DELETE FROM abandoned WHERE since < ?1")
        .and_then(|mut statement| statement.execute([before]))
        .map_err(while_doing("forgetting abandoned tickets"))?;
    connection
        .prepare_cached(
            "INSERT INTO abandoned (ticket, since) VALUES (?1, ?2)
             ON CONFLICT (ticket) DO UPDATE SET since = excluded.since",
        )
        .and_then(|mut statement| statement.execute((ticket.0, now)))
        .map_err(while_doing("abandoning a ticket"))?;
    Ok(())
}
