//! What vouches for this process: fresh evidence for whoever asks, and the evidence that receipts name.
//!
//! The answers say `unattested` in words where nothing proves anything. Nobody should believe the word
//! `evidence` either: it is for the asker to verify.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pinaivu_attestation::Nonce;
use pinaivu_openai::ApiError;
use pinaivu_protocol::hash::Hash32;
use serde_json::{Value, json};

use super::App;
use super::query::{Extracted, Parameters, PathParts};
use super::routes::Failure;
use super::table::Table;
use crate::attestation::{Attestation, AttestationError};

const NONCE: &str = "64 hexadecimal digits that you made up";

/// The routes of this module.
pub(super) fn routes() -> Table {
    Table::default().route("/v1/attestation", get(fresh)).route("/v1/attestation/{hash}", get(kept))
}

/// What `/v1/network` shows of it.
pub(super) fn summary(attestation: &Attestation) -> Value {
    json!({ "state": attestation.state(), "kind": attestation.kind() })
}

fn failed(error: &AttestationError) -> ApiError {
    tracing::error!(error = %error, "no attestation evidence");
    ApiError::unavailable()
}

/// `GET /v1/attestation?nonce=`.
async fn fresh(State(app): State<Arc<App>>, query: Extracted) -> Result<Json<Value>, Failure> {
    let query = Parameters::read(query, &["nonce"])?;
    let nonce: Option<Nonce> = query.value("nonce", NONCE)?;
    let nonce = nonce.ok_or_else(|| ApiError::invalid_value("nonce", NONCE))?;
    let attestation = &app.attestation;
    let evidence = attestation.answer(nonce).await.map_err(|error| failed(&error))?;
    let evidence = evidence
        .map(|bytes| serde_json::from_slice::<Value>(&bytes))
        .transpose()
        .map_err(|_| ApiError::internal())?;
    Ok(Json(json!({
        "object": "attestation",
        "state": attestation.state(),
        "kind": attestation.kind(),
        "configuration": attestation.configuration(),
        "evidence": evidence,
    })))
}

/// `GET /v1/attestation/{hash}`: the bytes whose SHA-256 a receipt names.
async fn kept(
    State(app): State<Arc<App>>,
    PathParts(name): PathParts<String>,
) -> Result<Response, Failure> {
    let missing = || ApiError::not_found("GET", &format!("/v1/attestation/{name}"));
    let hash: Hash32 = name.parse().map_err(|_| missing())?;
    let found = app.attestation.kept(hash).await.map_err(|error| failed(&error))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, found.ok_or_else(missing)?).into_response())
}
