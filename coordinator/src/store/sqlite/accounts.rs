//! Allowances that are charged, nodes that earn, and the totals of both.

use pinaivu_protocol::ids::{AllowanceId, EscrowId, NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, FineAmount};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::codec::{fine, get_amount, get_bytes, get_fine, get_millis, integer, unsigned};
use super::while_doing;
use crate::store::StoreError;
use crate::store::records::{
    Account, AccountHandle, ApiKeyId, Billed, NewAccount, NodeTotal, Totals,
};

macro_rules! select_accounts {
    ($rest:literal) => {
        concat!(
            "SELECT handle, allowance, escrow, owner, created, receipted, debited FROM accounts ",
            $rest
        )
    };
}

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        handle: get_bytes(row, 0, AccountHandle)?,
        allowance: get_bytes(row, 1, AllowanceId)?,
        escrow: get_bytes(row, 2, EscrowId)?,
        owner: get_bytes(row, 3, PublicKey)?,
        created: get_millis(row, 4)?,
        receipted: get_fine(row, 5)?,
        debited: get_amount(row, 6)?,
    })
}

/// Handles of keys first: tickets carry those of accounts only until keys had their own.
pub(super) fn billed(
    connection: &Connection,
    handle: &AccountHandle,
) -> Result<Option<Billed>, StoreError> {
    let through_key = connection
        .prepare_cached(
            "SELECT a.handle, a.allowance, a.escrow, a.owner, a.created, a.receipted, a.debited,
                    k.id
             FROM api_keys k JOIN accounts a ON a.id = k.account WHERE k.handle = ?1",
        )
        .and_then(|mut statement| {
            let billed = |row: &Row<'_>| {
                let api_key = Some(get_bytes(row, 7, ApiKeyId)?);
                Ok(Billed { account: account(row)?, api_key })
            };
            statement.query_row([handle.0], billed).optional()
        })
        .map_err(while_doing("reading who pays for a ticket"))?;
    if through_key.is_some() {
        return Ok(through_key);
    }
    connection
        .prepare_cached(select_accounts!("WHERE handle = ?1"))
        .and_then(|mut statement| {
            let billed = |row: &Row<'_>| Ok(Billed { account: account(row)?, api_key: None });
            statement.query_row([handle.0], billed).optional()
        })
        .map_err(while_doing("reading an account"))
}

pub(super) fn of_owner(
    connection: &Connection,
    owner: &PublicKey,
) -> Result<Vec<Account>, StoreError> {
    connection
        .prepare_cached(select_accounts!("WHERE owner = ?1 ORDER BY id DESC"))
        .and_then(|mut statement| statement.query_map([owner.0], account)?.collect())
        .map_err(while_doing("listing the accounts of a wallet"))
}

pub(super) fn by_allowance(
    connection: &Connection,
    allowance: &AllowanceId,
) -> Result<Option<Account>, StoreError> {
    connection
        .prepare_cached(select_accounts!("WHERE allowance = ?1"))
        .and_then(|mut statement| statement.query_row([allowance.0], account).optional())
        .map_err(while_doing("reading an account"))
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Account>, StoreError> {
    list(connection, select_accounts!("ORDER BY id"))
}

pub(super) fn to_debit(connection: &Connection) -> Result<Vec<Account>, StoreError> {
    list(connection, select_accounts!("WHERE owed > debited ORDER BY id"))
}

fn list(connection: &Connection, sql: &'static str) -> Result<Vec<Account>, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map([], account)?.collect())
        .map_err(while_doing("listing accounts"))
}

pub(super) fn open(connection: &Connection, new: &NewAccount) -> Result<Account, StoreError> {
    let baseline = fine(new.debited.to_fine());
    connection
        .prepare_cached(
            "INSERT INTO accounts
                 (handle, allowance, escrow, owner, created, baseline, receipted, owed, debited)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?7) ON CONFLICT (allowance) DO NOTHING",
        )
        .and_then(|mut statement| {
            statement.execute((
                new.handle.0,
                new.allowance.0,
                new.escrow.0,
                new.owner.0,
                integer(new.created.0, "a time").map_err(out_of_range)?,
                baseline,
                integer(new.debited.0, "a debit").map_err(out_of_range)?,
            ))
        })
        .map_err(while_doing("opening an account"))?;
    by_allowance(connection, &new.allowance)?.ok_or(StoreError::Missing("account"))
}

fn out_of_range(error: StoreError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

pub(super) fn ensure_node(connection: &Connection, node: &NodeId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO nodes (node, baseline, earned, due, credited)
             VALUES (?1, zeroblob(16), zeroblob(16), 0, 0) ON CONFLICT (node) DO NOTHING",
        )
        .and_then(|mut statement| statement.execute([node.0]))
        .map_err(while_doing("adding a node"))?;
    Ok(())
}

pub(super) fn ceil(value: FineAmount) -> Result<i64, StoreError> {
    let whole = value.to_amount_ceil().ok_or(StoreError::Range("a cumulative charge"))?;
    integer(whole.0, "a cumulative charge")
}

pub(super) fn floor(value: FineAmount) -> Result<i64, StoreError> {
    let whole = value.to_amount_floor().ok_or(StoreError::Range("a cumulative earning"))?;
    integer(whole.0, "a cumulative earning")
}

pub(super) fn node_total_of(row: &Row<'_>) -> rusqlite::Result<NodeTotal> {
    Ok(NodeTotal {
        node: get_bytes(row, 0, NodeId)?,
        earned: get_fine(row, 1)?,
        credited: get_amount(row, 2)?,
    })
}

pub(super) fn node_total(
    connection: &Connection,
    node: &NodeId,
) -> Result<Option<NodeTotal>, StoreError> {
    connection
        .prepare_cached("SELECT node, earned, credited FROM nodes WHERE node = ?1")
        .and_then(|mut statement| statement.query_row([node.0], node_total_of).optional())
        .map_err(while_doing("reading a node's earnings"))
}

pub(super) fn to_credit(connection: &Connection) -> Result<Vec<NodeTotal>, StoreError> {
    connection
        .prepare_cached("SELECT node, earned, credited FROM nodes WHERE due > credited ORDER BY id")
        .and_then(|mut statement| statement.query_map([], node_total_of)?.collect())
        .map_err(while_doing("listing nodes to credit"))
}

pub(super) fn totals(connection: &Connection) -> Result<Totals, StoreError> {
    connection
        .prepare_cached(
            "SELECT charged, fees, fees_baseline, requests, input_tokens, output_tokens FROM totals",
        )
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                Ok(Totals {
                    charged: get_fine(row, 0)?,
                    fees: get_fine(row, 1)?,
                    fees_baseline: get_fine(row, 2)?,
                    requests: unsigned(row, 3)?,
                    input_tokens: unsigned(row, 4)?,
                    output_tokens: unsigned(row, 5)?,
                })
            })
        })
        .map_err(while_doing("reading the totals"))
}

/// Sums of receipted − baseline over accounts, and of earned − baseline over nodes.
pub(super) fn sums(connection: &Connection) -> Result<(FineAmount, FineAmount), StoreError> {
    let sum = |sql: &str| -> rusqlite::Result<Option<FineAmount>> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut sum = Some(FineAmount::ZERO);
        while let Some(row) = rows.next()? {
            let part = get_fine(row, 0)?.checked_sub(get_fine(row, 1)?);
            sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        }
        Ok(sum)
    };
    let charged = sum("SELECT receipted, baseline FROM accounts")
        .map_err(while_doing("summing accounts"))?
        .ok_or(StoreError::Corrupt("an account is below its baseline"))?;
    let earned = sum("SELECT earned, baseline FROM nodes")
        .map_err(while_doing("summing nodes"))?
        .ok_or(StoreError::Corrupt("a node is below its baseline"))?;
    Ok((charged, earned))
}

/// Raises an account to at least `floor` and its baseline by as much.
pub(super) fn raise_account(
    connection: &Connection,
    allowance: &AllowanceId,
    at_least: FineAmount,
) -> Result<(), StoreError> {
    let row: Option<(FineAmount, FineAmount)> = connection
        .prepare_cached("SELECT receipted, baseline FROM accounts WHERE allowance = ?1")
        .and_then(|mut statement| {
            statement
                .query_row([allowance.0], |row| Ok((get_fine(row, 0)?, get_fine(row, 1)?)))
                .optional()
        })
        .map_err(while_doing("reading an account"))?;
    let (receipted, baseline) = row.ok_or(StoreError::Missing("account"))?;
    let Some(raised_baseline) = raised(receipted, baseline, at_least)? else { return Ok(()) };
    let owed = ceil(at_least)?;
    connection
        .prepare_cached(
            "UPDATE accounts SET receipted = ?2, baseline = ?3, owed = ?4 WHERE allowance = ?1",
        )
        .and_then(|mut statement| {
            statement.execute((allowance.0, fine(at_least), fine(raised_baseline), owed))
        })
        .map_err(while_doing("raising an account"))?;
    Ok(())
}

/// Raises a node to at least `floor` and its baseline by as much.
pub(super) fn raise_node(
    connection: &Connection,
    node: &NodeId,
    at_least: FineAmount,
) -> Result<(), StoreError> {
    ensure_node(connection, node)?;
    let (earned, baseline) = connection
        .prepare_cached("SELECT earned, baseline FROM nodes WHERE node = ?1")
        .and_then(|mut statement| {
            statement.query_row([node.0], |row| Ok((get_fine(row, 0)?, get_fine(row, 1)?)))
        })
        .map_err(while_doing("reading a node's earnings"))?;
    let Some(raised_baseline) = raised(earned, baseline, at_least)? else { return Ok(()) };
    let due = floor(at_least)?;
    connection
        .prepare_cached("UPDATE nodes SET earned = ?2, baseline = ?3, due = ?4 WHERE node = ?1")
        .and_then(|mut statement| {
            statement.execute((node.0, fine(at_least), fine(raised_baseline), due))
        })
        .map_err(while_doing("raising a node's earnings"))?;
    Ok(())
}

pub(super) fn raise_fees(connection: &Connection, at_least: FineAmount) -> Result<(), StoreError> {
    let now = totals(connection)?;
    let sum = now.fees.checked_add(now.fees_baseline).ok_or(StoreError::Range("the fees"))?;
    let Some(baseline) = raised(sum, now.fees_baseline, at_least)? else { return Ok(()) };
    connection
        .prepare_cached("UPDATE totals SET fees_baseline = ?1")
        .and_then(|mut statement| statement.execute([fine(baseline)]))
        .map_err(while_doing("raising the fees"))?;
    Ok(())
}

/// The baseline raised by what `value` lacks to `at_least`; nothing when it lacks nothing.
fn raised(
    value: FineAmount,
    baseline: FineAmount,
    at_least: FineAmount,
) -> Result<Option<FineAmount>, StoreError> {
    match at_least.checked_sub(value) {
        None | Some(FineAmount::ZERO) => Ok(None),
        Some(gap) => baseline.checked_add(gap).map(Some).ok_or(StoreError::Range("a baseline")),
    }
}

pub(super) fn set_debited(
    connection: &Connection,
    allowance: &AllowanceId,
    debited: Amount,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE accounts SET debited = ?2 WHERE allowance = ?1")
        .and_then(|mut statement| {
            let debited = integer(debited.0, "a debit").map_err(out_of_range)?;
            statement.execute((allowance.0, debited))
        })
        .map_err(while_doing("recording a debit"))?;
    Ok(())
}

pub(super) fn set_credited(
    connection: &Connection,
    node: &NodeId,
    credited: Amount,
) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE nodes SET credited = ?2 WHERE node = ?1")
        .and_then(|mut statement| {
            let credited = integer(credited.0, "a credit").map_err(out_of_range)?;
            statement.execute((node.0, credited))
        })
        .map_err(while_doing("recording a credit"))?;
    Ok(())
}
