//! Every route but the hot ones, and the short handlers among them. Keys are asked for only where money is
//! spent or somebody's own usage is shown.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use pinaivu_openai::{ApiError, Endpoint, Model, ModelList};
use pinaivu_protocol::ask::Features;
use pinaivu_protocol::ids::RequestId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::authenticate;
use super::error::{of_store, status};
use super::query::{Extracted, Parameters, PathParts};
use super::responses::RESPONSES_PATH;
use super::table::Table;
use super::{App, account, blobs, figures, keys, nodes, receipts};
use crate::receipts::ReceiptsView;
use crate::store::{SettlementId, SettlementKind, SettlementRecord, SettlementState, StoreError};

/// Digits of a USDC behind the point, which `Amount` counts in.
const USDC_DECIMALS: u8 = 6;

/// An error of a route.
pub(super) struct Failure(pub(super) ApiError);

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let json = [(header::CONTENT_TYPE, "application/json")];
        let headers: HeaderMap = self
            .0
            .headers()
            .filter_map(|(name, value)| {
                Some((header::HeaderName::from_static(name), value.parse().ok()?))
            })
            .collect();
        (status(&self.0), json, headers, self.0.to_json()).into_response()
    }
}

/// The document of all routes, as clients' tools read it.
const DOCUMENT: &str = include_str!("../../openapi.json");

/// The router.
pub(super) fn router(app: Arc<App>) -> Router {
    table()
        .into_router()
        .fallback(elsewhere)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// Every path there is, as axum writes them.
#[must_use]
pub fn paths() -> Vec<&'static str> {
    table().paths()
}

fn table() -> Table {
    Table::default()
        // Only reached with another method; what models serve is taken before the router.
        .route(Endpoint::Chat.path(), post(not_found))
        .route(Endpoint::Completions.path(), post(not_found))
        .route(Endpoint::Embeddings.path(), post(not_found))
        .route(RESPONSES_PATH, post(not_found))
        .route("/v1/models", get(models))
        .route("/v1/models/{*model}", get(model))
        .route("/v1/receipts", get(receipts::list))
        .route("/v1/receipts/{request}", get(receipt))
        .route(
            "/v1/keys",
            post(keys::command)
                .get(keys::list)
                .layer(DefaultBodyLimit::max(keys::MAX_COMMAND_BYTES)),
        )
        .route(
            "/v1/sessions",
            post(account::sign_in).layer(DefaultBodyLimit::max(keys::MAX_COMMAND_BYTES)),
        )
        .route("/v1/account", get(account::show))
        .route("/v1/account/receipts", get(receipts::own))
        .route("/v1/account/figures", get(figures::own))
        .route("/v1/figures", get(figures::all))
        .route("/v1/nodes", get(nodes::list))
        .route("/v1/nodes/{node}", get(nodes::one))
        .route("/v1/settlements", get(settlements))
        .route("/v1/blobs/{namespace}", get(blobs::list))
        .route(
            "/v1/blobs/{namespace}/{id}",
            get(blobs::get)
                .put(blobs::put)
                .delete(blobs::delete)
                .layer(DefaultBodyLimit::max(blobs::MAX_BLOB_BYTES)),
        )
        .merge(super::attestation::routes())
        .merge(super::log::routes())
        .merge(super::book::routes())
        .route("/v1/network", get(network))
        .route("/v1/openapi.json", get(document))
        .route("/healthz", get(health))
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

/// The web application's files, and nothing else.
async fn elsewhere(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let path = uri.path();
    let ours = path == "/v1" || path.starts_with("/v1/") || path == "/metrics";
    if let Some(web) = app.web.as_ref().filter(|_| !ours)
        && let Some(file) = web.serve(&method, path, &headers).await
    {
        return Ok(file);
    }
    Err(ApiError::not_found(method.as_str(), path).into())
}

async fn not_found(method: Method, uri: Uri) -> Failure {
    ApiError::not_found(method.as_str(), uri.path()).into()
}

async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    ApiError::method_not_allowed(method.as_str(), uri.path()).into()
}

/// A key is not needed here; one that is given must be good, so that people can try theirs.
async fn check_given_key(app: &App, headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key(header::AUTHORIZATION) {
        authenticate(&app.keys, headers).await?;
    }
    Ok(())
}

/// What features are called in lists.
const FEATURES: [(Features, &str); 8] = [
    (Features::CHAT, "chat"),
    (Features::TOOLS, "tools"),
    (Features::STRUCTURED, "structured_outputs"),
    (Features::LOGPROBS, "logprobs"),
    (Features::IMAGES, "images"),
    (Features::EMBEDDINGS, "embeddings"),
    (Features::COMPLETIONS, "completions"),
    (Features::CONTINUATION, "continuation"),
];

fn names(features: Features) -> Vec<&'static str> {
    let known = FEATURES.iter().filter(|(feature, _)| features.contains(*feature));
    known.map(|(_, name)| *name).collect()
}

fn offered(app: &App) -> Vec<Model> {
    let (book, now) = (app.nodes.book(), app.clock.now());
    book.models(now)
        .filter(|summary| summary.offers > 0)
        .map(|summary| {
            let offers = || {
                let model = book.model(summary.model).into_iter();
                model.flat_map(|offers| offers.offers()).filter(|offer| offer.expires > now)
            };
            // A model is as old here as the longest connection of a node that offers it.
            let since = offers().filter_map(|offer| app.nodes.since(&offer.node)).min();
            let created = since.unwrap_or(now).0.checked_div(1_000).unwrap_or_default();
            let mut model = Model::new(summary.model, "pinaivu", created);
            model.extra.insert("context_length".into(), summary.context_length.into());
            model.extra.insert("nodes".into(), summary.offers.into());
            model.extra.insert("features".into(), names(summary.features).into());
            let lowest = summary.lowest_ask.map(|price| price.get());
            let highest = offers().map(|offer| offer.price.get()).max();
            let pricing = json!({
                "currency": "USDC",
                "unit": "millionths of a USDC for one million weighted tokens",
                "lowest_ask": lowest,
                "highest_ask": highest,
                "input_weight": summary.weights.input,
                "output_weight": summary.weights.output,
            });
            model.extra.insert("pricing".into(), pricing);
            model
        })
        .collect()
}

async fn models(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<ModelList>, Failure> {
    check_given_key(&app, &headers).await?;
    Ok(Json(ModelList::new(offered(&app))))
}

async fn model(
    State(app): State<Arc<App>>,
    PathParts(name): PathParts<String>,
    headers: HeaderMap,
) -> Result<Json<Model>, Failure> {
    check_given_key(&app, &headers).await?;
    let found = offered(&app).into_iter().find(|model| model.id == name);
    found.map(Json).ok_or_else(|| ApiError::model_not_found(&name).into())
}

/// What a receipt may be asked for.
#[derive(Deserialize)]
struct ReceiptQuery {
    /// The log size whose root the inclusion path should lead to, such as the one on chain.
    size: Option<u64>,
}

async fn receipt(
    State(app): State<Arc<App>>,
    PathParts(request): PathParts<String>,
    query: Result<Query<ReceiptQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) =
        query.map_err(|_| ApiError::invalid_value("size", "a number of leaves in the log"))?;
    let unknown = || Failure(ApiError::receipt_not_found(&request));
    let id: RequestId = request.parse().map_err(|_| unknown())?;
    let view = app.receipts.view(id, query.size).await.map_err(|error| of_store(&error))?;
    match view {
        ReceiptsView::Found(found) => Ok(Json(found).into_response()),
        ReceiptsView::Pending => {
            let body = json!({ "request_id": request, "status": "pending" });
            Ok((StatusCode::ACCEPTED, [(header::RETRY_AFTER, "1")], Json(body)).into_response())
        }
        ReceiptsView::Unknown => Err(unknown()),
    }
}

async fn health(State(app): State<Arc<App>>) -> Json<Value> {
    let models = offered(&app).len();
    let status = if models > 0 { "ready" } else { "waiting_for_nodes" };
    Json(json!({ "status": status, "nodes": app.nodes.connected(), "models": models }))
}

async fn network(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let info = &app.network;
    let (log, totals) = app
        .store
        .read(|look| Ok((look.log_head()?, look.totals()?)))
        .await
        .map_err(|error: crate::store::StoreError| of_store(&error))?;
    let book = app.nodes.book();
    Ok(Json(json!({
        "coordinator": info.coordinator,
        "market": info.market,
        "program": info.program,
        "cluster": info.cluster,
        "deployment": info.deployment.to_string(),
        "signer": info.signer,
        "endpoint": info.endpoint,
        "tunnel": info.tunnel,
        "fee_bps": info.fee,
        "nodes": app.nodes.connected(),
        "models": offered(&app),
        "book": { "head": book.head().to_string(), "version": book.version() },
        "log": { "epoch": log.epoch, "size": log.size, "root": log.root.to_string() },
        "totals": { "charged": totals.charged.to_string(), "fees": totals.fees.to_string() },
        "settlement": *app.settlement.borrow(),
        "rpc": match &info.web.rpc_url {
            Some(url) => json!({ "url": url, "ws_url": info.web.rpc_ws_url }),
            None => Value::Null,
        },
        "mint": info.mint,
        "decimals": USDC_DECIMALS,
        "local": info.web.local,
        "faucet": info.web.faucet,
        "software": concat!("pinaivu-coordinator ", env!("CARGO_PKG_VERSION")),
        "attestation": super::attestation::summary(&app.attestation),
    })))
}

/// `GET /v1/settlements`: what this coordinator has put on chain, for when RPC servers have forgotten.
async fn settlements(
    State(app): State<Arc<App>>,
    query: Extracted,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::read(query, &["limit", "before"])?;
    let limit = query.limit()?;
    let before = query.value("before", "a cursor of an earlier page")?.map(SettlementId);
    let mut found = app
        .store
        .read(move |look| look.list_settlements(before, limit.saturating_add(1)))
        .await
        .map_err(|error: StoreError| of_store(&error))?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.0.to_string());
    let data: Vec<Value> = found.iter().map(show_settlement).collect();
    Ok(Json(json!({ "object": "list", "data": data, "next": next })))
}

fn show_settlement(record: &SettlementRecord) -> Value {
    let kind = match record.kind {
        SettlementKind::LogExtend => "log_extend",
        SettlementKind::Debit => "debit",
        SettlementKind::PayoutOpen => "payout_open",
        SettlementKind::Credit => "credit",
    };
    json!({
        "signature": solana_signature::Signature::from(record.signature).to_string(),
        "slot": record.slot,
        "at": record.created,
        "finalized": record.state == SettlementState::Finalized,
        "kinds": [kind],
    })
}
