//! What must hold of a database before anything is signed on top of it.
//!
//! Checked at every start, in time proportional to the number of accounts and nodes, not of receipts:
//! the log's size is its number of receipts; its stored peaks lead to its stored root; the newest
//! receipt decodes, stands where it says, is the last leaf, and carries the newest cumulatives; and
//! what accounts were charged is what nodes earned and fees took, to the last fine unit.

use pinaivu_protocol::merkle::{root_of_peaks, subtree_decomposition};
use pinaivu_protocol::receipt::Receipt;
use rusqlite::Connection;

use super::{accounts, log, while_doing};
use crate::store::StoreError;
use crate::store::archive::Archive;

pub(crate) fn verify(connection: &Connection, archive: &Archive) -> Result<(), StoreError> {
    verify_log(connection, archive)?;
    verify_money(connection)
}

fn verify_log(connection: &Connection, archive: &Archive) -> Result<(), StoreError> {
    let open = log::open_epoch(connection)?;
    let newest: Option<i64> = connection
        .query_row("SELECT max(position) FROM receipts", [], |row| row.get(0))
        .map_err(while_doing("reading the newest receipt"))?;
    let stored = match newest {
        Some(newest) => u64::try_from(newest).ok().and_then(|newest| newest.checked_add(1)),
        None => Some(0),
    };
    if stored != open.first.checked_add(open.head.size) {
        return Err(StoreError::Corrupt("the log's size is not its number of receipts"));
    }
    let peaks = subtree_decomposition(0, open.head.size)
        .map_err(|_| StoreError::Corrupt("the log's size"))?
        .map(|peak| log::node(connection, open.head.epoch, peak.level, peak.index))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| match error {
            StoreError::Missing(_) => StoreError::Corrupt("a peak of the log is missing"),
            other => other,
        })?;
    if root_of_peaks(&peaks) != open.head.root {
        return Err(StoreError::Corrupt("the log's peaks do not lead to its root"));
    }
    match open.head.size.checked_sub(1) {
        Some(last) => verify_newest(connection, archive, &open, last),
        None => Ok(()),
    }
}

fn verify_newest(
    connection: &Connection,
    archive: &Archive,
    open: &log::Epoch,
    last: u64,
) -> Result<(), StoreError> {
    let row = log::receipt_at(connection, archive, open.head.epoch, last)?
        .ok_or(StoreError::Corrupt("the newest receipt is missing"))?;
    let receipt = Receipt::decode(&row.bytes)
        .map_err(|_| StoreError::Corrupt("the newest receipt does not decode"))?;
    let head = &receipt.head.record;
    let leaf = log::node(connection, open.head.epoch, 0, last)?;
    let node = accounts::node_total(connection, &row.node)?;
    let account = accounts::by_allowance(connection, &row.allowance)?;
    // Raising an account or a node without a receipt leaves the newest receipt below; never above.
    let holds = (head.epoch, head.index) == (open.head.epoch, last)
        && (head.request, head.segment) == (row.request, row.segment)
        && receipt.body.ticket == row.ticket
        && head.node == row.node
        && head.node_cumulative == row.node_cumulative
        && receipt.leaf() == leaf
        && node.is_some_and(|node| node.earned >= row.node_cumulative)
        && account.is_some_and(|account| account.receipted >= row.allowance_cumulative);
    if holds {
        Ok(())
    } else {
        Err(StoreError::Corrupt("the newest receipt contradicts the log or the accounts"))
    }
}

fn verify_money(connection: &Connection) -> Result<(), StoreError> {
    let totals = accounts::totals(connection)?;
    let (charged, earned) = accounts::sums(connection)?;
    if charged != totals.charged {
        return Err(StoreError::Corrupt("accounts were not charged what receipts say"));
    }
    if earned.checked_add(totals.fees) != Some(totals.charged) {
        return Err(StoreError::Corrupt("earnings and fees are not what was charged"));
    }
    Ok(())
}
