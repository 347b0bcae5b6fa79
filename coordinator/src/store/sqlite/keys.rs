//! API keys and the nonces of the commands that manage them.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, PublicKey};
use pinaivu_protocol::units::UnixMillis;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row};

use super::codec::{get_bytes, get_millis, integer};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{ApiKey, ApiKeyId};

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.hash, k.owner, a.allowance, k.label, k.created, k.revoked
             FROM api_keys k JOIN accounts a ON a.id = k.account ",
            $rest
        )
    };
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let revoked: Option<i64> = row.get(6)?;
    Ok(ApiKey {
        id: get_bytes(row, 0, ApiKeyId)?,
        hash: get_bytes(row, 1, Hash32)?,
        owner: get_bytes(row, 2, PublicKey)?,
        allowance: get_bytes(row, 3, AllowanceId)?,
        label: row.get(4)?,
        created: get_millis(row, 5)?,
        revoked: revoked.map(|_| get_millis(row, 6)).transpose()?,
    })
}

pub(super) fn by_hash(
    connection: &Connection,
    hash: &Hash32,
) -> Result<Option<ApiKey>, StoreError> {
    connection
        .prepare_cached(select_keys!("WHERE k.hash = ?1"))
        .and_then(|mut statement| statement.query_row([hash.0], key).optional())
        .map_err(while_doing("reading an API key"))
}

pub(super) fn of_owner(
    connection: &Connection,
    owner: &PublicKey,
) -> Result<Vec<ApiKey>, StoreError> {
    connection
        .prepare_cached(select_keys!("WHERE k.owner = ?1 ORDER BY k.created, k.id"))
        .and_then(|mut statement| statement.query_map([owner.0], key)?.collect())
        .map_err(while_doing("listing API keys"))
}

pub(super) fn insert(connection: &Connection, key: &ApiKey) -> Result<(), StoreError> {
    let created = integer(key.created.0, "a time")?;
    let revoked = key.revoked.map(|at| integer(at.0, "a time")).transpose()?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO api_keys (id, hash, owner, account, label, created, revoked)
             SELECT ?1, ?2, ?3, id, ?5, ?6, ?7 FROM accounts WHERE allowance = ?4",
        )
        .and_then(|mut statement| {
            statement.execute((
                key.id.0,
                key.hash.0,
                key.owner.0,
                key.allowance.0,
                &key.label,
                created,
                revoked,
            ))
        });
    match inserted {
        Ok(0) => Err(StoreError::Missing("account")),
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            Err(StoreError::Exists("the API key"))
        }
        Err(error) => Err(while_doing("adding an API key")(error)),
    }
}

pub(super) fn revoke(
    connection: &Connection,
    id: &ApiKeyId,
    owner: &PublicKey,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let now = integer(now.0, "a time")?;
    connection
        .prepare_cached(
            "UPDATE api_keys SET revoked = ?3 WHERE id = ?1 AND owner = ?2 AND revoked IS NULL",
        )
        .and_then(|mut statement| statement.execute((id.0, owner.0, now)))
        .map(|changed| changed > 0)
        .map_err(while_doing("revoking an API key"))
}

pub(super) fn take_nonce(
    connection: &Connection,
    owner: &PublicKey,
    nonce: &[u8; 16],
    expires: UnixMillis,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let (expires, now) = (integer(expires.0, "a time")?, integer(now.0, "a time")?);
    connection
        .prepare_cached("DELETE FROM key_nonces WHERE expires < ?1")
        .and_then(|mut statement| statement.execute([now]))
        .map_err(while_doing("forgetting nonces"))?;
    connection
        .prepare_cached(
            "INSERT INTO key_nonces (owner, nonce, expires) VALUES (?1, ?2, ?3)
             ON CONFLICT (owner, nonce) DO NOTHING",
        )
        .and_then(|mut statement| statement.execute((owner.0, *nonce, expires)))
        .map(|inserted| inserted > 0)
        .map_err(while_doing("taking a nonce"))
}
