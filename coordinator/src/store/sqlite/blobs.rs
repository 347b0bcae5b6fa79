//! Boxes of blobs. What is in them is their owners' business; how much is ours.

use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::units::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _};

use super::codec::{get_bytes, get_millis, integer, unsigned};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{
    BlobEntry, BlobExpectation, BlobId, BlobNamespace, BlobOutcome, NewBlob,
};

pub(super) fn open(
    connection: &Connection,
    namespace: &BlobNamespace,
    allowance: &AllowanceId,
    now: UnixMillis,
) -> Result<(), StoreError> {
    if used(connection, namespace)?.is_some() {
        return Ok(());
    }
    let now = integer(now.0, "a time")?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO blob_namespaces (namespace, account, used, created)
             SELECT ?1, id, 0, ?3 FROM accounts WHERE allowance = ?2",
        )
        .and_then(|mut statement| statement.execute((namespace.0, allowance.0, now)))
        .map_err(while_doing("opening a box of blobs"))?;
    match inserted {
        0 => Err(StoreError::Missing("account")),
        _ => Ok(()),
    }
}

fn used(connection: &Connection, namespace: &BlobNamespace) -> Result<Option<u64>, StoreError> {
    connection
        .prepare_cached("SELECT used FROM blob_namespaces WHERE namespace = ?1")
        .and_then(|mut statement| {
            statement.query_row([namespace.0], |row| unsigned(row, 0)).optional()
        })
        .map_err(while_doing("reading a box of blobs"))
}

pub(super) fn list(
    connection: &Connection,
    namespace: &BlobNamespace,
) -> Result<Option<(Vec<BlobEntry>, u64)>, StoreError> {
    let Some(used) = used(connection, namespace)? else { return Ok(None) };
    let blobs = connection
        .prepare_cached(
            "SELECT id, version, length(bytes), updated FROM blobs WHERE namespace = ?1 ORDER BY id",
        )
        .and_then(|mut statement| {
            statement
                .query_map([namespace.0], |row| {
                    Ok(BlobEntry {
                        id: get_bytes(row, 0, BlobId)?,
                        version: unsigned(row, 1)?,
                        bytes: unsigned(row, 2)?,
                        updated: get_millis(row, 3)?,
                    })
                })?
                .collect()
        })
        .map_err(while_doing("listing blobs"))?;
    Ok(Some((blobs, used)))
}

pub(super) fn read(
    connection: &Connection,
    namespace: &BlobNamespace,
    id: &BlobId,
) -> Result<Option<(Vec<u8>, u64)>, StoreError> {
    connection
        .prepare_cached("SELECT bytes, version FROM blobs WHERE namespace = ?1 AND id = ?2")
        .and_then(|mut statement| {
            statement
                .query_row((namespace.0, id.0), |row| Ok((row.get(0)?, unsigned(row, 1)?)))
                .optional()
        })
        .map_err(while_doing("reading a blob"))
}

/// Version and length of what is there.
fn present(
    connection: &Connection,
    namespace: &BlobNamespace,
    id: &BlobId,
) -> Result<Option<(u64, u64)>, StoreError> {
    connection
        .prepare_cached("SELECT version, length(bytes) FROM blobs WHERE namespace = ?1 AND id = ?2")
        .and_then(|mut statement| {
            statement
                .query_row((namespace.0, id.0), |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
                .optional()
        })
        .map_err(while_doing("reading a blob"))
}

fn meets(expected: BlobExpectation, version: Option<u64>) -> bool {
    match expected {
        BlobExpectation::Absent => version.is_none(),
        BlobExpectation::Version(expected) => version == Some(expected),
        BlobExpectation::Any => true,
    }
}

pub(super) fn put(connection: &Connection, blob: &NewBlob) -> Result<BlobOutcome, StoreError> {
    let Some(used) = used(connection, &blob.namespace)? else {
        return Ok(BlobOutcome::NoNamespace);
    };
    let present = present(connection, &blob.namespace, &blob.id)?;
    if !meets(blob.expected, present.map(|(version, _)| version)) {
        return Ok(BlobOutcome::Conflict);
    }
    let (version, before) = present.unwrap_or((0, 0));
    let length = u64::try_from(blob.bytes.len()).unwrap_or(u64::MAX);
    let total = used.saturating_sub(before).saturating_add(length);
    if total > blob.limit && total > used {
        return Ok(BlobOutcome::Full);
    }
    let version = version.saturating_add(1);
    let (number, now) = (integer(version, "a version")?, integer(blob.now.0, "a time")?);
    connection
        .prepare_cached(
            "INSERT INTO blobs (namespace, id, version, updated, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (namespace, id) DO UPDATE
                 SET version = excluded.version, updated = excluded.updated, bytes = excluded.bytes",
        )
        .and_then(|mut statement| {
            statement.execute((
                blob.namespace.0,
                blob.id.0,
                number,
                now,
                blob.bytes.as_slice(),
            ))
        })
        .map_err(while_doing("storing a blob"))?;
    set_used(connection, &blob.namespace, total)?;
    Ok(BlobOutcome::Done(version))
}

pub(super) fn delete(
    connection: &Connection,
    namespace: &BlobNamespace,
    id: &BlobId,
    expected: BlobExpectation,
) -> Result<BlobOutcome, StoreError> {
    let Some(used) = used(connection, namespace)? else { return Ok(BlobOutcome::NoNamespace) };
    let present = present(connection, namespace, id)?;
    if !meets(expected, present.map(|(version, _)| version)) {
        return Ok(BlobOutcome::Conflict);
    }
    if let Some((_, length)) = present {
        connection
            .prepare_cached("DELETE FROM blobs WHERE namespace = ?1 AND id = ?2")
            .and_then(|mut statement| statement.execute((namespace.0, id.0)))
            .map_err(while_doing("deleting a blob"))?;
        set_used(connection, namespace, used.saturating_sub(length))?;
    }
    Ok(BlobOutcome::Done(0))
}

fn set_used(
    connection: &Connection,
    namespace: &BlobNamespace,
    used: u64,
) -> Result<(), StoreError> {
    let used = integer(used, "the size of a box")?;
    connection
        .prepare_cached("UPDATE blob_namespaces SET used = ?2 WHERE namespace = ?1")
        .and_then(|mut statement| statement.execute((namespace.0, used)))
        .map_err(while_doing("counting a box of blobs"))?;
    Ok(())
}
