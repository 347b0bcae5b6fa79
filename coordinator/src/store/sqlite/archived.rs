//! Receipts whose bytes have left the database: their rows hold no bytes, their bundle's file does.

use std::path::Path;

use pinaivu_protocol::receipt::Receipt;
use rusqlite::{Connection, OptionalExtension as _};

use super::codec::integer;
use super::{log, while_doing};
use crate::store::StoreError;
use crate::store::archive::{Archive, BUNDLE};
use crate::store::records::StoredReceipt;

/// The archive beside this connection's database.
fn archive(connection: &Connection) -> Result<Archive, StoreError> {
    let path = connection.path().filter(|path| !path.is_empty());
    path.map(|path| Archive::beside(Path::new(path))).ok_or(StoreError::Missing("archive"))
}

fn position(connection: &Connection, epoch: u32, index: u64) -> Result<i64, StoreError> {
    let missing = StoreError::Missing("receipt");
    let Some(epoch) = log::epoch(connection, epoch)? else { return Err(missing) };
    if index >= epoch.head.size {
        return Err(missing);
    }
    let position = epoch.first.checked_add(index).ok_or(StoreError::Range("a position"))?;
    integer(position, "a position")
}

pub(super) fn is_archived(
    connection: &Connection,
    epoch: u32,
    index: u64,
) -> Result<bool, StoreError> {
    let position = position(connection, epoch, index)?;
    connection
        .prepare_cached("SELECT length(bytes) = 0 FROM receipts WHERE position = ?1")
        .and_then(|mut statement| statement.query_row([position], |row| row.get(0)).optional())
        .map_err(while_doing("looking for a receipt in the archive"))?
        .ok_or(StoreError::Missing("receipt"))
}

pub(super) fn copy(connection: &Connection, epoch: u32, bundle: u64) -> Result<(), StoreError> {
    let first = first_of(bundle)?;
    let receipts = log::receipt_run(connection, epoch, first, BUNDLE)?;
    archive(connection)?.write(epoch, bundle, &receipts)
}

fn first_of(bundle: u64) -> Result<u64, StoreError> {
    bundle.checked_mul(BUNDLE.into()).ok_or(StoreError::Range("a bundle"))
}

pub(super) fn let_go(connection: &Connection, epoch: u32, bundle: u64) -> Result<(), StoreError> {
    let first = first_of(bundle)?;
    let leaves = log::nodes(connection, epoch, 0, first, BUNDLE)?;
    let receipts = archive(connection)?.read(epoch, bundle)?;
    let found = receipts.iter().map(|bytes| Receipt::decode(bytes).map(|receipt| receipt.leaf()));
    if !found.zip(&leaves).all(|(found, leaf)| found.as_ref() == Ok(leaf)) {
        return Err(StoreError::Corrupt("a file of the archive holds other receipts"));
    }
    let start = position(connection, epoch, first)?;
    let end = start.checked_add(BUNDLE.into()).ok_or(StoreError::Range("a position"))?;
    connection
        .prepare_cached("UPDATE receipts SET bytes = x'' WHERE position >= ?1 AND position < ?2")
        .and_then(|mut statement| statement.execute((start, end)))
        .map_err(while_doing("letting go of archived receipts"))?;
    Ok(())
}

/// Bundles that were read for one operation: neighbours are asked for together.
#[derive(Default)]
pub(super) struct Reader {
    last: Option<(u32, u64, Vec<Vec<u8>>)>,
}

impl Reader {
    /// The bytes of an archived receipt.
    pub(super) fn bytes(
        &mut self,
        connection: &Connection,
        epoch: u32,
        index: u64,
    ) -> Result<Vec<u8>, StoreError> {
        let bundle = index.checked_div(BUNDLE.into()).unwrap_or_default();
        let place = usize::try_from(index.checked_rem(BUNDLE.into()).unwrap_or_default());
        let known = self.last.as_ref().is_some_and(|(e, b, _)| (*e, *b) == (epoch, bundle));
        if !known {
            let receipts = archive(connection)?.read(epoch, bundle)?;
            self.last = Some((epoch, bundle, receipts));
        }
        let receipts = self.last.as_ref().map(|(_, _, receipts)| receipts);
        receipts
            .and_then(|receipts| receipts.get(place.ok()?).cloned())
            .ok_or(StoreError::Missing("receipt"))
    }

    /// The receipt with its bytes, wherever they are.
    pub(super) fn whole(
        &mut self,
        connection: &Connection,
        mut stored: StoredReceipt,
    ) -> Result<StoredReceipt, StoreError> {
        if stored.bytes.is_empty() {
            stored.bytes = self.bytes(connection, stored.epoch, stored.index)?;
        }
        Ok(stored)
    }

    /// The same for all of them.
    pub(super) fn all(
        connection: &Connection,
        stored: Vec<StoredReceipt>,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        let mut reader = Self::default();
        stored.into_iter().map(|receipt| reader.whole(connection, receipt)).collect()
    }
}
