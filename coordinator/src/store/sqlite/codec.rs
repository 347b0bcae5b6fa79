//! How protocol types are laid out in columns.

use pinaivu_protocol::units::{Amount, FineAmount, UnixMillis};
use rusqlite::Row;

use crate::store::StoreError;

/// A non-negative number as SQLite's signed integer.
pub(super) fn integer(value: u64, what: &'static str) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Range(what))
}

/// Sixteen big-endian bytes: compares as the number does.
pub(super) fn fine(value: FineAmount) -> [u8; 16] {
    value.0.to_be_bytes()
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(super) fn get_amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Amount> {
    unsigned(row, column).map(Amount)
}

pub(super) fn get_millis(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMillis> {
    unsigned(row, column).map(UnixMillis)
}

pub(super) fn get_fine(row: &Row<'_>, column: usize) -> rusqlite::Result<FineAmount> {
    row.get::<_, [u8; 16]>(column).map(|bytes| FineAmount(u128::from_be_bytes(bytes)))
}

/// An id or hash of fixed length, in whichever type wraps it.
pub(super) fn get_bytes<const N: usize, T>(
    row: &Row<'_>,
    column: usize,
    wrap: impl FnOnce([u8; N]) -> T,
) -> rusqlite::Result<T> {
    row.get::<_, [u8; N]>(column).map(wrap)
}
