//! Sums over receipts by time, node and key.
//!
//! Kept by adding what each commit comes to, so that no page ever scans receipts. What is settled is
//! never read from here.

use std::collections::HashMap;

use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::{FineAmount, TokenPrice, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::codec::{fine, get_fine, get_millis, integer, unsigned};
use super::{accounts, while_doing};
use crate::store::StoreError;
use crate::store::records::{
    ApiKeyId, FIGURE_MINUTES_KEPT, FigureQuery, FigureRow, FigureStep, FiguresOf, NewFigure,
    NodeFigures,
};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 3_600_000;

const fn width(step: FigureStep) -> i64 {
    match step {
        FigureStep::Minute => 60_000,
        FigureStep::Hour => 3_600_000,
    }
}

/// As large as a column takes: what is shown may stop growing, what is settled is kept elsewhere.
fn saturated(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

pub(super) fn model_row(connection: &Connection, model: &str) -> Result<i64, StoreError> {
    let known = connection
        .prepare_cached("SELECT id FROM models WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([model], |row| row.get(0)).optional())
        .map_err(while_doing("reading a model"))?;
    match known {
        Some(id) => Ok(id),
        None => connection
            .prepare_cached("INSERT INTO models (name) VALUES (?1) RETURNING id")
            .and_then(|mut statement| statement.query_row([model], |row| row.get(0)))
            .map_err(while_doing("adding a model")),
    }
}

fn row_of(
    connection: &Connection,
    sql: &'static str,
    id: &[u8; 32],
    what: &'static str,
) -> Result<i64, StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([*id], |row| row.get(0)).optional())
        .map_err(while_doing("looking up who a figure is about"))?
        .ok_or(StoreError::Missing(what))
}

/// What receipts of one key, or of one node, come to.
#[derive(Default)]
struct Sum {
    requests: i64,
    failed: i64,
    input: i64,
    output: i64,
    charged: FineAmount,
    last: u64,
}

impl Sum {
    fn add(&mut self, figure: &NewFigure) -> Result<(), StoreError> {
        self.requests = self.requests.saturating_add(figure.requests.into());
        self.failed = self.failed.saturating_add(figure.failed.into());
        self.input = self.input.saturating_add(saturated(figure.input_tokens));
        self.output = self.output.saturating_add(saturated(figure.output_tokens));
        let charged = self.charged.checked_add(figure.charged);
        self.charged = charged.ok_or(StoreError::Range("what a key spent"))?;
        self.last = self.last.max(figure.at.0);
        Ok(())
    }
}

pub(super) fn add(connection: &Connection, figures: &[NewFigure]) -> Result<(), StoreError> {
    let mut keys: HashMap<ApiKeyId, Sum> = HashMap::new();
    let mut nodes: HashMap<i64, Sum> = HashMap::new();
    let mut total = Sum::default();
    let mut newest = 0;
    for figure in figures {
        const NODE: &str = "SELECT id FROM nodes WHERE node = ?1";
        const ACCOUNT: &str = "SELECT id FROM accounts WHERE allowance = ?1";
        let node = row_of(connection, NODE, &figure.node.0, "node")?;
        let account = row_of(connection, ACCOUNT, &figure.allowance.0, "account")?;
        let model = model_row(connection, &figure.model)?;
        for step in [MINUTE, HOUR] {
            upsert(connection, figure, step, account, node, model)?;
        }
        nodes.entry(node).or_default().add(figure)?;
        if let Some(key) = figure.api_key {
            keys.entry(key).or_default().add(figure)?;
        }
        total.add(figure)?;
        newest = newest.max(figure.at.0);
    }
    for (node, sum) in &nodes {
        connection
            .prepare_cached(
                "UPDATE nodes SET requests = requests + ?2, failed = failed + ?3,
                     input_tokens = input_tokens + ?4, output_tokens = output_tokens + ?5,
                     last_served = max(coalesce(last_served, 0), ?6)
                 WHERE id = ?1",
            )
            .and_then(|mut statement| {
                statement.execute((
                    node,
                    sum.requests,
                    sum.failed,
                    sum.input,
                    sum.output,
                    saturated(sum.last),
                ))
            })
            .map_err(while_doing("adding to a node's figures"))?;
    }
    for (key, sum) in &keys {
        spend(connection, key, sum)?;
    }
    connection
        .prepare_cached(
            "UPDATE totals SET requests = requests + ?1, input_tokens = input_tokens + ?2,
                 output_tokens = output_tokens + ?3",
        )
        .and_then(|mut statement| statement.execute((total.requests, total.input, total.output)))
        .map_err(while_doing("adding to the totals"))?;
    forget_minutes(connection, newest)
}

fn upsert(
    connection: &Connection,
    figure: &NewFigure,
    step: u64,
    account: i64,
    node: i64,
    model: i64,
) -> Result<(), StoreError> {
    let past = figure.at.0.checked_rem(step).unwrap_or(0);
    let at = integer(figure.at.0.saturating_sub(past), "a time")?;
    let key: &[u8] = figure.api_key.as_ref().map_or(&[], |key| &key.0);
    let weights = figure.tariff;
    let weighted = figure
        .input_tokens
        .saturating_mul(weights.input_weight.into())
        .saturating_add(figure.output_tokens.saturating_mul(weights.output_weight.into()));
    connection
        .prepare_cached(
            "INSERT INTO figures (step, at, account, api_key, node, model, price, requests, failed,
                                  input_tokens, output_tokens, weighted, fees)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT DO UPDATE SET
                 requests = requests + excluded.requests,
                 failed = failed + excluded.failed,
                 input_tokens = input_tokens + excluded.input_tokens,
                 output_tokens = output_tokens + excluded.output_tokens,
                 weighted = min(weighted + excluded.weighted, 9223372036854775807),
                 fees = min(fees + excluded.fees, 9223372036854775807)",
        )
        .and_then(|mut statement| {
            statement.execute((
                saturated(step),
                at,
                account,
                key,
                node,
                model,
                saturated(weights.price.0),
                figure.requests,
                figure.failed,
                saturated(figure.input_tokens),
                saturated(figure.output_tokens),
                saturated(weighted),
                saturated(figure.fees.0),
            ))
        })
        .map_err(while_doing("adding to the figures"))?;
    Ok(())
}

/// What a key spent rises by exactly its receipts: its budget depends on it.
fn spend(connection: &Connection, key: &ApiKeyId, sum: &Sum) -> Result<(), StoreError> {
    let spent: Option<FineAmount> = connection
        .prepare_cached("SELECT spent FROM api_keys WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([key.0], |row| get_fine(row, 0)).optional())
        .map_err(while_doing("reading what a key spent"))?;
    let spent = spent.ok_or(StoreError::Missing("API key"))?;
    let spent = spent.checked_add(sum.charged).ok_or(StoreError::Range("what a key spent"))?;
    connection
        .prepare_cached(
            "UPDATE api_keys SET spent = ?2, requests = requests + ?3,
                 last_used = max(coalesce(last_used, 0), ?4)
             WHERE id = ?1",
        )
        .and_then(|mut statement| {
            statement.execute((key.0, fine(spent), sum.requests, saturated(sum.last)))
        })
        .map_err(while_doing("raising what a key spent"))?;
    Ok(())
}

fn forget_minutes(connection: &Connection, newest: u64) -> Result<(), StoreError> {
    let before = saturated(newest.saturating_sub(FIGURE_MINUTES_KEPT));
    connection
        .prepare_cached("DELETE FROM figures WHERE step = 60000 AND at < ?1")
        .and_then(|mut statement| statement.execute([before]))
        .map_err(while_doing("forgetting figures by the minute"))?;
    Ok(())
}

macro_rules! select_figures {
    ($key:literal, $from:literal, $group:literal) => {
        concat!(
            "SELECT f.at - (f.at - ?2) % ?4 AS bucket, m.name, f.price, ",
            $key,
            ", sum(f.requests), sum(f.failed), sum(f.input_tokens), sum(f.output_tokens),
                 sum(f.weighted), sum(f.fees)
             FROM figures f JOIN models m ON m.id = f.model ",
            $from,
            " f.step = ?1 AND f.at >= ?2 AND f.at < ?3 GROUP BY bucket, f.model, f.price",
            $group,
            " ORDER BY bucket, m.name, f.price"
        )
    };
}

fn figure(row: &Row<'_>) -> rusqlite::Result<FigureRow> {
    let key: Vec<u8> = row.get(3)?;
    let price = TokenPrice(unsigned(row, 2)?);
    Ok(FigureRow {
        at: get_millis(row, 0)?,
        model: row.get(1)?,
        price,
        api_key: key.try_into().ok().map(ApiKeyId),
        requests: unsigned(row, 4)?,
        failed: unsigned(row, 5)?,
        input_tokens: unsigned(row, 6)?,
        output_tokens: unsigned(row, 7)?,
        charged: FineAmount(u128::from(price.0).saturating_mul(unsigned(row, 8)?.into())),
        fees: FineAmount(unsigned(row, 9)?.into()),
    })
}

pub(super) fn query(
    connection: &Connection,
    query: &FigureQuery,
) -> Result<Vec<FigureRow>, StoreError> {
    let (from, to) = (integer(query.from.0, "a time")?, saturated(query.to.0));
    let (step, bucket) = (width(query.step), integer(query.width, "a bucket")?);
    let doing = while_doing("reading figures");
    match query.of {
        FiguresOf::All => connection.prepare_cached(select_figures!("x''", "WHERE", "")).and_then(
            |mut statement| statement.query_map((step, from, to, bucket), figure)?.collect(),
        ),
        FiguresOf::Allowance(allowance) => connection
            .prepare_cached(select_figures!(
                "f.api_key",
                "JOIN accounts a ON a.id = f.account WHERE a.allowance = ?5 AND",
                ", f.api_key"
            ))
            .and_then(|mut statement| {
                statement.query_map((step, from, to, bucket, allowance.0), figure)?.collect()
            }),
        FiguresOf::Node(node) => connection
            .prepare_cached(select_figures!(
                "x''",
                "JOIN nodes n ON n.id = f.node WHERE n.node = ?5 AND",
                ""
            ))
            .and_then(|mut statement| {
                statement.query_map((step, from, to, bucket, node.0), figure)?.collect()
            }),
    }
    .map_err(doing)
}

pub(super) fn nodes(connection: &Connection) -> Result<Vec<NodeFigures>, StoreError> {
    let read = |row: &Row<'_>| {
        let last: Option<i64> = row.get(7)?;
        Ok(NodeFigures {
            total: accounts::node_total_of(row)?,
            requests: unsigned(row, 3)?,
            failed: unsigned(row, 4)?,
            input_tokens: unsigned(row, 5)?,
            output_tokens: unsigned(row, 6)?,
            last_served: last.and_then(|at| u64::try_from(at).ok()).map(UnixMillis),
        })
    };
    connection
        .prepare_cached(
            "SELECT node, earned, credited, requests, failed, input_tokens, output_tokens,
                    last_served
             FROM nodes ORDER BY id",
        )
        .and_then(|mut statement| statement.query_map([], read)?.collect())
        .map_err(while_doing("listing nodes"))
}

/// The row of a node.
pub(super) fn node_row(connection: &Connection, node: &NodeId) -> Result<Option<i64>, StoreError> {
    connection
        .prepare_cached("SELECT id FROM nodes WHERE node = ?1")
        .and_then(|mut statement| statement.query_row([node.0], |row| row.get(0)).optional())
        .map_err(while_doing("reading a node"))
}
