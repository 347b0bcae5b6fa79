//! Every route but the hot one. All of them are public; keys are asked for only where money is spent.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_openai::{ApiError, Model, ModelList};
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::key_command::KeyCommand;
use pinaivu_protocol::signed::Signed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::chat::authenticate;
use super::error::{of_command, of_store, status};
use crate::accounts::CommandResult;
use crate::engine::CHAT_PATH;
use crate::receipts::ReceiptsView;
use crate::store::ApiKey;

/// Longest body of a key command.
const MAX_COMMAND_BYTES: usize = 16 * 1024;

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

/// The router.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        // Only reached with another method; the hot route is taken before the router.
        .route(CHAT_PATH, post(not_found))
        .route("/v1/models", get(models))
        .route("/v1/models/{*model}", get(model))
        .route("/v1/receipts/{request}", get(receipts))
        .merge(super::log::routes())
        .merge(super::book::routes())
        .route("/v1/keys", post(keys).layer(DefaultBodyLimit::max(MAX_COMMAND_BYTES)))
        .route("/v1/network", get(network))
        .route("/healthz", get(health))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
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

fn offered(app: &App) -> Vec<Model> {
    app.nodes
        .book()
        .models(app.clock.now())
        .filter(|summary| summary.offers > 0)
        .map(|summary| {
            let mut model = Model::new(summary.model, "pinaivu");
            model.extra.insert("context_length".into(), summary.context_length.into());
            model.extra.insert("nodes".into(), summary.offers.into());
            let lowest = summary.lowest_ask.map(|price| price.get());
            let pricing = json!({
                "currency": "USDC",
                "unit": "millionths of a USDC for one million weighted tokens",
                "lowest_ask": lowest,
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
    Path(name): Path<String>,
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

async fn receipts(
    State(app): State<Arc<App>>,
    Path(request): Path<String>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRequest {
    /// base64 of `Signed<KeyCommand>`.
    command: String,
}

async fn keys(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body = body.map_err(|_| ApiError::body_too_large(MAX_COMMAND_BYTES))?;
    let request: KeyRequest = serde_json::from_slice(&body)
        .map_err(|_| ApiError::invalid_json("expected an object with the field 'command'."))?;
    let not_a_command = || ApiError::invalid_value("command", "base64 of a signed key command");
    let bytes = STANDARD.decode(&request.command).map_err(|_| not_a_command())?;
    let command = Signed::<KeyCommand>::decode(&bytes).map_err(|_| not_a_command())?;
    let result = app.key_service.execute(&command).await.map_err(of_command)?;
    Ok(Json(match result {
        CommandResult::Created { key, secret } => {
            let mut shown = show_key(&key);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("key".into(), Value::from(secret.as_str()));
            }
            shown
        }
        CommandResult::Listed(keys) => {
            json!({ "object": "list", "data": keys.iter().map(show_key).collect::<Vec<_>>() })
        }
        CommandResult::Revoked(id) => json!({ "id": id.to_string(), "revoked": true }),
    }))
}

fn show_key(key: &ApiKey) -> Value {
    json!({
        "id": key.id.to_string(),
        "label": key.label,
        "allowance": key.allowance.to_string(),
        "created": key.created,
        "revoked": key.revoked,
    })
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
    })))
}
