//! Receipts whose bytes have left the database: their rows hold no bytes, their bundle's object does.

use pinaivu_protocol::hash::Hash32;
use rusqlite::{Connection, OptionalExtension as _};

use super::codec::integer;
use super::{log, while_doing};
use crate::store::StoreError;
use crate::store::archive::{Archive, BUNDLE, Bundle, Copied};
use crate::store::records::StoredReceipt;

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

/// The receipts of a full bundle and the leaves they are in the tree.
pub(super) fn bundle(
    connection: &Connection,
    archive: &Archive,
    epoch: u32,
    bundle: u64,
) -> Result<(Vec<Vec<u8>>, Vec<Hash32>), StoreError> {
    let first = first_of(bundle)?;
    let receipts = log::receipt_run(connection, archive, epoch, first, BUNDLE)?;
    Ok((receipts, log::nodes(connection, epoch, 0, first, BUNDLE)?))
}

fn first_of(bundle: u64) -> Result<u64, StoreError> {
    bundle.checked_mul(BUNDLE.into()).ok_or(StoreError::Range("a bundle"))
}

pub(super) fn let_go(connection: &Connection, copied: &Copied) -> Result<(), StoreError> {
    let (epoch, bundle) = copied.place();
    let start = position(connection, epoch, first_of(bundle)?)?;
    let end = start.checked_add(BUNDLE.into()).ok_or(StoreError::Range("a position"))?;
    connection
        .prepare_cached("UPDATE receipts SET bytes = x'' WHERE position >= ?1 AND position < ?2")
        .and_then(|mut statement| statement.execute((start, end)))
        .map_err(while_doing("letting go of archived receipts"))?;
    Ok(())
}

/// Bundles that were read for one operation: neighbours are asked for together.
pub(super) struct Reader<'a> {
    archive: &'a Archive,
    last: Option<(u32, u64, Bundle)>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(archive: &'a Archive) -> Self {
        Self { archive, last: None }
    }

    /// The bytes of an archived receipt.
    pub(super) fn bytes(&mut self, epoch: u32, index: u64) -> Result<Vec<u8>, StoreError> {
        let bundle = index.checked_div(BUNDLE.into()).unwrap_or_default();
        let place = usize::try_from(index.checked_rem(BUNDLE.into()).unwrap_or_default());
        let known = self.last.as_ref().is_some_and(|(e, b, _)| (*e, *b) == (epoch, bundle));
        if !known {
            let receipts = self.archive.read(epoch, bundle)?;
            self.last = Some((epoch, bundle, receipts));
        }
        let receipts = self.last.as_ref().map(|(_, _, receipts)| receipts);
        receipts
            .and_then(|receipts| receipts.get(place.ok()?).cloned())
            .ok_or(StoreError::Missing("receipt"))
    }

    /// The receipt with its bytes, wherever they are.
    pub(super) fn whole(&mut self, mut stored: StoredReceipt) -> Result<StoredReceipt, StoreError> {
        if stored.bytes.is_empty() {
            stored.bytes = self.bytes(stored.epoch, stored.index)?;
        }
        Ok(stored)
    }

    /// The same for all of them.
    pub(super) fn all(
        archive: &'a Archive,
        stored: Vec<StoredReceipt>,
    ) -> Result<Vec<StoredReceipt>, StoreError> {
        let mut reader = Self::new(archive);
        stored.into_iter().map(|receipt| reader.whole(receipt)).collect()
    }
}
