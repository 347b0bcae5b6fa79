//! The log's files, as C2SP `tlog-tiles` lays them out below `/v1/log/{epoch}`. All of them are public
//! and the same for everybody; tiles and entries never change and say so to caches.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::{QueryRejection, StringRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{StreamExt as _, stream};
use pinaivu_log::note::{MAX_NOTE_BYTES, Note};
use pinaivu_log::tile::Resource;
use pinaivu_openai::{ApiError, ErrorCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::error::of_store;
use super::query::PathParts;
use super::routes::Failure;
use super::table::Table;
use crate::receipts::{CosignatureError, EntryChunks, LogError};

/// A tile or bundle is the same for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// A head moves.
const A_MOMENT: &str = "public, max-age=1";

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// The routes of this module.
pub(super) fn routes() -> Table {
    Table::default().route("/v1/log", get(logs)).route("/v1/log/{epoch}/{*path}", get(file)).route(
        "/v1/log/{epoch}/cosignatures",
        post(cosignatures).layer(DefaultBodyLimit::max(MAX_NOTE_BYTES)),
    )
}

/// Headers of a file.
fn headers(kind: &'static str, cache: &'static str) -> [(HeaderName, &'static str); 3] {
    [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, cache),
        // A page elsewhere that verifies for itself must be able to read it.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ]
}

fn of_log(error: LogError) -> Failure {
    match error {
        LogError::Store(error) => of_store(&error).into(),
        other => {
            tracing::error!(error = %other, "a part of the log cannot be shown");
            ApiError::unavailable().into()
        }
    }
}

async fn logs(State(app): State<Arc<App>>) -> Result<Json<Value>, Failure> {
    let newest = app.log.newest().await.map_err(|error| of_store(&error))?;
    let mut epochs = Vec::new();
    for epoch in 0..=newest.epoch {
        // An epoch can be left out: the chain numbers them.
        let Some(head) = app.log.head(epoch).await.map_err(|error| of_store(&error))? else {
            continue;
        };
        let key = app.log.key(epoch).map_err(|error| {
            tracing::error!(%error, "the log has no name");
            ApiError::unavailable()
        })?;
        epochs.push(json!({
            "epoch": epoch,
            "open": epoch == newest.epoch,
            "origin": key.name(),
            "key": key.to_string(),
            "size": head.size,
            "root": head.root.to_string(),
        }));
    }
    Ok(Json(json!({ "object": "list", "data": epochs })))
}

/// Which head a proof should lead to.
#[derive(Deserialize)]
struct FileQuery {
    size: Option<u64>,
}

async fn file(
    State(app): State<Arc<App>>,
    PathParts((epoch, path)): PathParts<(String, String)>,
    query: Result<Query<FileQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    let missing = || Failure(ApiError::not_found("GET", &format!("/v1/log/{epoch}/{path}")));
    let Query(query) =
        query.map_err(|_| ApiError::invalid_value("size", "a number of leaves in the log"))?;
    // One spelling a file, so that a cache holds it once.
    let number: u32 = epoch.parse().map_err(|_| missing())?;
    if number.to_string() != epoch {
        return Err(missing());
    }
    let note = match path.as_str() {
        "checkpoint" => Some(app.log.checkpoint(number).await.map_err(of_log)?),
        "witnessed" => Some(app.log.witnessed(number).await.map_err(of_log)?),
        _ => None,
    };
    if let Some(note) = note {
        let note = note.ok_or_else(missing)?.to_string();
        return Ok((headers(TEXT, A_MOMENT), note).into_response());
    }
    if let Some(index) = path.strip_prefix("proof/") {
        let index: u64 = index.parse().map_err(|_| missing())?;
        let proof = app.log.proof(number, index, query.size).await.map_err(of_log)?;
        let proof = proof.ok_or_else(missing)?.to_string();
        return Ok((headers(TEXT, A_MOMENT), proof).into_response());
    }
    match path.parse::<Resource>().map_err(|_| missing())? {
        Resource::Tile { level, span } => {
            let tile = app.log.tile(number, level, span).await.map_err(of_log)?;
            Ok((headers(BYTES, FOR_EVER), tile.ok_or_else(missing)?).into_response())
        }
        Resource::Entries(span) => {
            let entries = app.log.entries(number, span).await.map_err(of_log)?;
            let entries = entries.ok_or_else(missing)?;
            Ok((StatusCode::OK, headers(BYTES, FOR_EVER), body(entries).await.map_err(of_log)?)
                .into_response())
        }
    }
}

/// A head of this log with a witness's line below it.
async fn cosignatures(
    State(app): State<Arc<App>>,
    PathParts(epoch): PathParts<String>,
    body: Result<String, StringRejection>,
) -> Result<Json<Value>, Failure> {
    let epoch: u32 = epoch
        .parse()
        .map_err(|_| ApiError::not_found("POST", &format!("/v1/log/{epoch}/cosignatures")))?;
    let refused = |why: &dyn std::fmt::Display| {
        let message = format!("The cosignature is refused: {why}.");
        Failure(ApiError::new(ErrorCode::InvalidValue, message))
    };
    let body = body.map_err(|error| refused(&error))?;
    let note = Note::parse(&body).map_err(|error| refused(&error))?;
    match app.log.cosigned(epoch, &note).await {
        Ok(taken) => Ok(Json(json!({ "accepted": taken }))),
        Err(CosignatureError::Store(error)) => Err(of_store(&error).into()),
        Err(error) => Err(refused(&error)),
    }
}

/// A few entries at a time, as fast as they are taken. A store that fails at once is an error like any
/// other; one that fails later cuts the body short, which the reader sees.
async fn body(mut entries: EntryChunks) -> Result<Body, LogError> {
    let first = entries.next().await?.unwrap_or_default();
    let rest = stream::unfold(Some(entries), |entries| async move {
        let mut entries = entries?;
        match entries.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(entries))),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(%error, "entries could not be read to the end");
                Some((Err(error), None))
            }
        }
    });
    Ok(Body::from_stream(stream::once(async { Ok(first) }).chain(rest)))
}
