//! The operations in SQL, for SQLite.
//!
//! Every statement is a constant and prepared once per connection. Functions take a connection that is
//! inside a transaction; who begins and ends it is the writer's and the readers' business.

mod accounts;
mod archived;
mod backfill;
mod blobs;
mod book;
mod charges;
mod codec;
mod figures;
mod keys;
mod log;
mod open;
mod settlements;
mod transaction;
mod verify;

pub(super) use open::{claim, lock, migrate, open_reader, open_writer};
pub(super) use transaction::{ReadTransaction, WriteTransaction};
pub(super) use verify::verify;

use super::StoreError;

/// Names what was being done when the database failed.
fn while_doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |cause| StoreError::Database { doing, cause }
}
