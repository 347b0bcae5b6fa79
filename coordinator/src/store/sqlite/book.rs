//! The order book's entries and the terms of clearings.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::RequestId;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::codec::{get_bytes, integer, unsigned};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{BookPlace, NewBookEntry};

fn place_of(row: &Row<'_>) -> rusqlite::Result<BookPlace> {
    Ok(BookPlace {
        book: unsigned(row, 0)?,
        version: unsigned(row, 1)?,
        head: get_bytes(row, 2, Hash32)?,
    })
}

pub(super) fn newest(connection: &Connection) -> Result<Option<BookPlace>, StoreError> {
    connection
        .prepare_cached(
            "SELECT book, version, head FROM book_entries ORDER BY book DESC, version DESC LIMIT 1",
        )
        .and_then(|mut statement| statement.query_row([], place_of).optional())
        .map_err(while_doing("reading the book's head"))
}

pub(super) fn place(
    connection: &Connection,
    head: &Hash32,
) -> Result<Option<BookPlace>, StoreError> {
    connection
        .prepare_cached("SELECT book, version, head FROM book_entries WHERE head = ?1")
        .and_then(|mut statement| statement.query_row([head.0], place_of).optional())
        .map_err(while_doing("looking for a head of the book"))
}

pub(super) fn entries(
    connection: &Connection,
    book: u64,
    first: u64,
    count: u16,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let (book, first) = (integer(book, "a book")?, integer(first, "a version")?);
    connection
        .prepare_cached(
            "SELECT entry FROM book_entries WHERE book = ?1 AND version >= ?2
             ORDER BY version LIMIT ?3",
        )
        .and_then(|mut statement| {
            statement.query_map((book, first, count), |row| row.get(0))?.collect()
        })
        .map_err(while_doing("reading the book"))
}

pub(super) fn append(connection: &Connection, entry: &NewBookEntry) -> Result<(), StoreError> {
    let follows = match newest(connection)? {
        Some(last) if last.book == entry.book => last.version.checked_add(1) == Some(entry.version),
        Some(last) => last.book < entry.book && entry.version == 1,
        None => entry.version == 1,
    };
    if !follows {
        return Err(StoreError::Corrupt("an entry does not continue the book"));
    }
    let (book, version) = (integer(entry.book, "a book")?, integer(entry.version, "a version")?);
    connection
        .prepare_cached(
            "INSERT INTO book_entries (book, version, head, entry) VALUES (?1, ?2, ?3, ?4)",
        )
        .and_then(|mut statement| {
            statement.execute((book, version, entry.head.0, entry.entry.as_slice()))
        })
        .map_err(while_doing("writing the book"))?;
    Ok(())
}

pub(super) fn clearing(
    connection: &Connection,
    request: &RequestId,
) -> Result<Option<Vec<u8>>, StoreError> {
    connection
        .prepare_cached("SELECT terms FROM clearings WHERE request = ?1")
        .and_then(|mut statement| statement.query_row([request.0], |row| row.get(0)).optional())
        .map_err(while_doing("reading a clearing"))
}

pub(super) fn put_clearing(
    connection: &Connection,
    request: &RequestId,
    terms: &[u8],
) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO clearings (request, terms) VALUES (?1, ?2)")
        .and_then(|mut statement| statement.execute((request.0, terms)))
        .map_err(while_doing("writing a clearing"))?;
    Ok(())
}
