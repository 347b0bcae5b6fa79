//! The second half of the step to lists and figures: what they say of receipts that are stored already.

use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::Receipt;
use rusqlite::{Connection, Transaction};

use super::{figures, log, while_doing};
use crate::store::StoreError;
use crate::store::records::NewFigure;

/// Receipts worked on at a time.
const BATCH: i64 = 1_024;

/// Fills in what [`super::open`]'s second step added.
pub(super) fn views(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let mut position = 0_i64;
    loop {
        let batch = receipts(transaction, position)?;
        let Some(last) = batch.last() else { return Ok(()) };
        let next = last.0.saturating_add(1);
        let mut added = Vec::with_capacity(batch.len());
        for (position, bytes, allowance) in batch {
            let receipt = Receipt::decode(&bytes)
                .map_err(|_| StoreError::Corrupt("a receipt does not decode"))?;
            let body = &receipt.body;
            let model = figures::model_row(transaction, &body.model)?;
            transaction
                .prepare_cached("UPDATE receipts SET model = ?2, outcome = ?3 WHERE position = ?1")
                .and_then(|mut statement| {
                    statement.execute((position, model, log::outcome_number(body.outcome)))
                })
                .map_err(while_doing("filling in a receipt"))?;
            added.push(NewFigure {
                at: body.created,
                allowance: pinaivu_protocol::ids::AllowanceId(allowance),
                api_key: None,
                node: receipt.head.record.node,
                model: body.model.clone(),
                tariff: body.tariff,
                requests: 1,
                failed: u32::from(body.outcome == Outcome::Failed),
                input_tokens: body.input_tokens.0.into(),
                output_tokens: body.output_tokens.0.into(),
                charged: body.amount,
                fees: body.fee,
            });
        }
        figures::add(transaction, &added)?;
        position = next;
    }
}

type Stored = (i64, Vec<u8>, [u8; 32]);

fn receipts(connection: &Connection, from: i64) -> Result<Vec<Stored>, StoreError> {
    connection
        .prepare_cached(
            "SELECT r.position, r.bytes, a.allowance
             FROM receipts r JOIN accounts a ON a.id = r.account
             WHERE r.position >= ?1 ORDER BY r.position LIMIT ?2",
        )
        .and_then(|mut statement| {
            statement
                .query_map((from, BATCH), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
        .map_err(while_doing("reading receipts to fill in"))
}
