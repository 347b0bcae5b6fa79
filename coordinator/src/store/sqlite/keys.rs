//! API keys and the nonces of the commands that manage them.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, PublicKey};
use pinaivu_protocol::units::{Amount, UnixMillis};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row};

use super::codec::{get_bytes, get_fine, get_millis, integer, unsigned};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{AccountHandle, ApiKey, ApiKeyId, KeyLimits};

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.id, k.hash, k.owner, a.allowance, k.label, k.created, k.revoked, k.handle,
                    k.budget, k.expires, k.models, k.requests_per_minute, k.tokens_per_minute,
                    k.revision, k.spent, k.requests, k.last_used
             FROM api_keys k JOIN accounts a ON a.id = k.account ",
            $rest
        )
    };
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let models: Option<String> = row.get(10)?;
    let models = models.map(|text| {
        serde_json::from_str(&text).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                10,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
    });
    Ok(ApiKey {
        handle: get_bytes(row, 7, AccountHandle)?,
        limits: KeyLimits {
            budget: optional(row, 8)?.map(Amount),
            expires: optional(row, 9)?.map(UnixMillis),
            models: models.transpose()?,
            requests_per_minute: row.get(11)?,
            tokens_per_minute: row.get(12)?,
        },
        revision: row.get(13)?,
        spent: get_fine(row, 14)?,
        requests: unsigned(row, 15)?,
        last_used: optional(row, 16)?.map(UnixMillis),
        id: get_bytes(row, 0, ApiKeyId)?,
        hash: get_bytes(row, 1, Hash32)?,
        owner: get_bytes(row, 2, PublicKey)?,
        allowance: get_bytes(row, 3, AllowanceId)?,
        label: row.get(4)?,
        created: get_millis(row, 5)?,
        revoked: optional(row, 6)?.map(UnixMillis),
    })
}

fn optional(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|_| unsigned(row, column)).transpose()
}

/// As the columns hold them, in the order of the table.
struct LimitColumns {
    budget: Option<i64>,
    expires: Option<i64>,
    models: Option<String>,
}

fn columns(limits: &KeyLimits) -> Result<LimitColumns, StoreError> {
    Ok(LimitColumns {
        budget: limits.budget.map(|budget| integer(budget.0, "a budget")).transpose()?,
        expires: limits.expires.map(|at| integer(at.0, "a time")).transpose()?,
        models: limits.models.as_ref().map(|models| serde_json::Value::from(&**models).to_string()),
    })
}

pub(super) fn by_id(connection: &Connection, id: &ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    connection
        .prepare_cached(select_keys!("WHERE k.id = ?1"))
        .and_then(|mut statement| statement.query_row([id.0], key).optional())
        .map_err(while_doing("reading an API key"))
}

pub(super) fn change(
    connection: &Connection,
    id: &ApiKeyId,
    owner: &PublicKey,
    label: &str,
    limits: &KeyLimits,
) -> Result<Option<ApiKey>, StoreError> {
    let LimitColumns { budget, expires, models } = columns(limits)?;
    let changed = connection
        .prepare_cached(
            "UPDATE api_keys SET label = ?3, budget = ?4, expires = ?5, models = ?6,
                 requests_per_minute = ?7, tokens_per_minute = ?8, revision = revision + 1
             WHERE id = ?1 AND owner = ?2 AND revoked IS NULL",
        )
        .and_then(|mut statement| {
            statement.execute((
                id.0,
                owner.0,
                label,
                budget,
                expires,
                models,
                limits.requests_per_minute,
                limits.tokens_per_minute,
            ))
        })
        .map_err(while_doing("changing an API key"))?;
    if changed == 0 { Ok(None) } else { by_id(connection, id) }
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
    let LimitColumns { budget, expires, models } = columns(&key.limits)?;
    let inserted = connection
        .prepare_cached(
            "INSERT INTO api_keys (id, hash, owner, account, label, created, revoked, handle, budget,
                                   expires, models, requests_per_minute, tokens_per_minute)
             SELECT ?1, ?2, ?3, id, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
             FROM accounts WHERE allowance = ?4",
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
                key.handle.0,
                budget,
                expires,
                models,
                key.limits.requests_per_minute,
                key.limits.tokens_per_minute,
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
