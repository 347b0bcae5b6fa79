//! The order book as it was, and what clearings were asked: all that is needed to run an auction again.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_auction::Terms;
use pinaivu_openai::ApiError;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::receipt::Receipt;
use serde::Deserialize;
use serde_json::json;

use super::App;
use super::error::of_store;
use super::query::PathParts;
use super::routes::Failure;
use super::table::Table;
use crate::store::StoreError;

/// Most entries in one answer.
const PAGE: u16 = 1_000;

/// The routes of this module.
pub(super) fn routes() -> Table {
    Table::default()
        .route("/v1/book/{book}", get(entries))
        .route("/v1/receipts/{request}/auction", get(auction))
}

fn public() -> [(header::HeaderName, &'static str); 1] {
    [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")]
}

#[derive(Deserialize)]
struct EntriesQuery {
    #[serde(default = "first")]
    from: u64,
}

const fn first() -> u64 {
    1
}

async fn entries(
    State(app): State<Arc<App>>,
    PathParts(book): PathParts<String>,
    query: Result<Query<EntriesQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Failure> {
    let book: u64 =
        book.parse().map_err(|_| ApiError::not_found("GET", &format!("/v1/book/{book}")))?;
    let Query(EntriesQuery { from }) =
        query.map_err(|_| ApiError::invalid_value("from", "a version of the book"))?;
    let found = app
        .store
        .read(move |look| look.book_entries(book, from, PAGE))
        .await
        .map_err(|error: StoreError| of_store(&error))?;
    let data: Vec<_> = (from..)
        .zip(&found)
        .map(|(version, entry)| json!({ "version": version, "entry": STANDARD.encode(entry) }))
        .collect();
    let next = (found.len() == usize::from(PAGE)).then(|| from.saturating_add(u64::from(PAGE)));
    let list = json!({ "object": "list", "book": book, "data": data, "next": next });
    Ok((public(), Json(list)))
}

async fn auction(
    State(app): State<Arc<App>>,
    PathParts(request): PathParts<String>,
) -> Result<impl IntoResponse, Failure> {
    let unknown = || Failure(ApiError::receipt_not_found(&request));
    let id: RequestId = request.parse().map_err(|_| unknown())?;
    let found = app
        .store
        .read(move |look| {
            let Some(stored) = look.receipts_of(&id)?.into_iter().next() else { return Ok(None) };
            let receipt = Receipt::decode(&stored.bytes)
                .map_err(|_| StoreError::Corrupt("a receipt does not decode"))?;
            let head: Hash32 = receipt.body.auction.book_head;
            Ok(look.clearing(&id)?.zip(look.book_place(&head)?))
        })
        .await
        .map_err(|error: StoreError| of_store(&error))?;
    let (bytes, place) = found.ok_or_else(unknown)?;
    let terms = Terms::decode(&bytes)
        .ok_or_else(|| of_store(&StoreError::Corrupt("a clearing does not decode")))?;
    let auction = json!({
        "request_id": request,
        "book": place.book,
        "book_version": place.version,
        "book_head": place.head.to_string(),
        "terms": STANDARD.encode(&bytes),
        "model": terms.model,
        "input_tokens": terms.input_tokens,
        "max_output": terms.max_output,
        "features": terms.features,
        "now": terms.now,
        "busy": terms.busy,
    });
    Ok((public(), Json(auction)))
}
