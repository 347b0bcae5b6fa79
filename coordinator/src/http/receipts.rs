//! Receipts as lists: everybody's without who paid, and a payer's own with what opens its commitments.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use pinaivu_openai::ApiError;
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::UnixMillis;
use serde_json::{Value, json};

use super::App;
use super::account::Viewer;
use super::error::of_store;
use super::query::{Extracted, Parameters};
use super::routes::Failure;
use crate::receipts::Anchor;
use crate::store::{ApiKeyId, ReceiptCursor, ReceiptFilter, StoreError, StoredReceipt};

const PARAMETERS: [&str; 6] = ["limit", "before", "after", "node", "model", "outcome"];

/// `GET /v1/receipts`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    query: Extracted,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::read(query, &PARAMETERS)?;
    let filter = filter(&query)?;
    Ok(Json(page(&app, filter, query.limit()?, false).await?))
}

/// `GET /v1/account/receipts`: of a key, what was charged through it; of a signed-in wallet, what its
/// allowance was charged in all.
pub(super) async fn own(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Extracted,
) -> Result<Json<Value>, Failure> {
    let known = [&PARAMETERS[..], &["allowance", "key", "from", "to"]].concat();
    let query = Parameters::read(query, &known)?;
    let viewer = Viewer::of(&app, &headers, query.text("allowance")).await?;
    let time = "milliseconds since 1970";
    let key = query.value::<ApiKeyId>("key", "the id of a key: key_…")?;
    if viewer.key.is_some_and(|own| key.is_some_and(|key| key != own)) {
        let expected = "this key's own id; a wallet's session sees all of its keys";
        return Err(ApiError::invalid_value("key", expected).into());
    }
    let filter = ReceiptFilter {
        allowance: Some(viewer.account.allowance),
        api_key: viewer.key.or(key),
        from: query.value("from", time)?.map(UnixMillis),
        to: query.value("to", time)?.map(UnixMillis),
        ..filter(&query)?
    };
    Ok(Json(page(&app, filter, query.limit()?, true).await?))
}

fn filter(query: &Parameters) -> Result<ReceiptFilter, ApiError> {
    let cursor = "a cursor EPOCH.INDEX";
    let outcome = match query.text("outcome") {
        None => None,
        Some("completed") => Some(Outcome::Completed),
        Some("cancelled") => Some(Outcome::Cancelled),
        Some("failed") => Some(Outcome::Failed),
        Some(_) => {
            return Err(ApiError::invalid_value("outcome", "completed, cancelled or failed"));
        }
    };
    Ok(ReceiptFilter {
        before: query.value::<ReceiptCursor>("before", cursor)?,
        after: query.value::<ReceiptCursor>("after", cursor)?,
        node: query.value::<NodeId>("node", "a node's address")?,
        model: query.text("model").map(Into::into),
        outcome,
        ..ReceiptFilter::default()
    })
}

async fn page(
    app: &App,
    filter: ReceiptFilter,
    limit: usize,
    own: bool,
) -> Result<Value, ApiError> {
    let anchor = app.receipts.anchor();
    let (mut receipts, head) = app
        .store
        // One more than asked for tells whether there is another page.
        .read(move |look| {
            Ok((look.list_receipts(&filter, limit.saturating_add(1))?, look.log_head()?))
        })
        .await
        .map_err(|error: StoreError| of_store(&error))?;
    let more = receipts.len() > limit;
    receipts.truncate(limit);
    let next = receipts.last().filter(|_| more).map(|last| cursor(last).to_string());
    let head = head
        .size
        .checked_sub(1)
        .map(|index| ReceiptCursor { epoch: head.epoch, index }.to_string());
    let data: Result<Vec<Value>, StoreError> =
        receipts.iter().map(|receipt| show(receipt, anchor.as_deref(), own)).collect();
    let data = data.map_err(|error| of_store(&error))?;
    Ok(json!({ "object": "list", "data": data, "next": next, "head": head }))
}

const fn cursor(receipt: &StoredReceipt) -> ReceiptCursor {
    ReceiptCursor { epoch: receipt.epoch, index: receipt.index }
}

fn show(stored: &StoredReceipt, anchor: Option<&Anchor>, own: bool) -> Result<Value, StoreError> {
    let receipt = Receipt::decode(&stored.bytes)
        .map_err(|_| StoreError::Corrupt("a receipt does not decode"))?;
    let body = receipt.body;
    let anchored =
        anchor.is_some_and(|head| head.epoch == stored.epoch && stored.index < head.size);
    let mut shown = json!({
        "request_id": stored.request,
        "segment": stored.segment,
        "epoch": stored.epoch,
        "index": stored.index,
        "created": body.created,
        "model": body.model,
        "node": stored.node,
        "input_tokens": body.input_tokens,
        "output_tokens": body.output_tokens,
        "amount": body.amount.to_string(),
        "fee": body.fee.to_string(),
        "price": body.tariff.price,
        "outcome": body.outcome,
        "candidates": body.auction.candidates,
        "anchored": anchored,
    });
    if own && let Some(members) = shown.as_object_mut() {
        let salts = &stored.salts;
        members.insert("key".into(), json!(stored.api_key.map(|key| key.to_string())));
        members.insert("allowance".into(), json!(stored.allowance));
        members
            .insert("allowance_cumulative".into(), stored.allowance_cumulative.to_string().into());
        members.insert(
            "salts".into(),
            json!({
                // The client has it, from the answer; it opens what was said and is not kept here.
                "request": null,
                "escrow": salts.escrow.to_string(),
                "allowance": salts.allowance.to_string(),
                "cumulative": salts.cumulative.to_string(),
            }),
        );
    }
    Ok(shown)
}
