//! Blobs: what a browser keeps here encrypted under keys that never leave it.
//!
//! A namespace is an Ed25519 public key, and every request is signed by it, reading included: whoever
//! knows an address has nothing. This module knows neither wallets nor what is inside.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use pinaivu_openai::ApiError;
use pinaivu_protocol::hash::sha256;
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use serde_json::{Value, json};

use super::App;
use super::error::{of_key, of_store};
use super::query::PathParts;
use super::routes::Failure;
use crate::accounts::verifies;
use crate::store::{
    BlobExpectation, BlobId, BlobNamespace, BlobOutcome, NewBlob, Store, StoreError,
};

/// Longest blob.
pub(super) const MAX_BLOB_BYTES: usize = 1024 * 1024;

/// All blobs of a namespace together.
const NAMESPACE_BYTES: u64 = 16 * 1024 * 1024;

/// How far a request's clock may be off.
const WINDOW_MILLIS: u64 = 5 * 60 * 1000;

/// The API key that vouches for a new namespace.
const VOUCHER: HeaderName = HeaderName::from_static("x-pinaivu-key");

const SCHEME: &str = "Pinaivu-Blob ";

/// What the `authorization` header says.
struct Authorization {
    time: u64,
    nonce: [u8; 16],
    signature: [u8; 64],
}

impl Authorization {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix(SCHEME)?;
        let (mut time, mut nonce, mut signature) = (None, None, None);
        for part in text.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            match name {
                "time" => time = Some(value.parse().ok()?),
                "nonce" => {
                    let mut bytes = [0; 16];
                    hex::decode_to_slice(value, &mut bytes).ok()?;
                    nonce = Some(bytes);
                }
                "sig" => {
                    let parsed: solana_signature::Signature = value.parse().ok()?;
                    signature = Some(parsed.into());
                }
                _ => return None,
            }
        }
        Some(Self { time: time?, nonce: nonce?, signature: signature? })
    }
}

/// Checks that a request is signed by the key of its namespace, and takes its nonce.
async fn authorise(
    app: &App,
    namespace: &str,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<BlobNamespace, ApiError> {
    let refused = ApiError::blob_unauthorized;
    let namespace: BlobNamespace =
        namespace.parse().map_err(|_| refused("the namespace is not a key in base58"))?;
    let Authorization { time, nonce, signature } = Authorization::read(headers)
        .ok_or_else(|| refused("expected 'authorization: Pinaivu-Blob time=…,nonce=…,sig=…'"))?;
    let now = app.clock.now();
    if time.abs_diff(now.0) > WINDOW_MILLIS {
        return Err(refused("it was signed more than five minutes ago or ahead"));
    }
    let signed = format!(
        "pinaivu/blob/v1\n{method}\n{}\n{}\n{}\n{time}\n{}\n{}",
        uri.path(),
        app.network.deployment,
        app.network.coordinator,
        hex::encode(nonce),
        sha256(&[body]),
    );
    if !verifies(&namespace, signed.as_bytes(), &signature) {
        return Err(refused("the signature is not the namespace's over this request"));
    }
    let expires = UnixMillis(time.saturating_add(WINDOW_MILLIS));
    let taken = app
        .store
        .write(move |state| state.take_nonce(&namespace, &nonce, expires, now))
        .await
        .map_err(|error: StoreError| of_store(&error))?;
    if taken { Ok(namespace) } else { Err(refused("its nonce was used before")) }
}

fn blob_id(text: &str) -> Result<BlobId, ApiError> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| ApiError::invalid_value("id", "32 hexadecimal digits"))?;
    Ok(BlobId(bytes))
}

fn absent(method: &Method, uri: &Uri) -> ApiError {
    ApiError::not_found(method.as_str(), uri.path())
}

async fn read<T: Send + 'static>(
    store: &Store,
    look: impl FnOnce(&dyn crate::store::Read) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    store.read(look).await.map_err(|error: StoreError| of_store(&error))
}

/// `GET /v1/blobs/{namespace}`. One that does not exist is empty: it exists with its first blob.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    PathParts(namespace): PathParts<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let namespace = authorise(&app, &namespace, &method, &uri, &headers, &[]).await?;
    let found = read(&app.store, move |look| look.blobs(&namespace)).await?;
    let (blobs, used) = found.unwrap_or_default();
    let data: Vec<Value> = blobs
        .iter()
        .map(|blob| {
            json!({
                "id": hex::encode(blob.id.0),
                "version": blob.version,
                "bytes": blob.bytes,
                "updated": blob.updated,
            })
        })
        .collect();
    Ok(Json(json!({ "data": data, "used": used, "limit": NAMESPACE_BYTES })))
}

/// `GET /v1/blobs/{namespace}/{id}`.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    PathParts((namespace, id)): PathParts<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let namespace = authorise(&app, &namespace, &method, &uri, &headers, &[]).await?;
    let id = blob_id(&id)?;
    let found = read(&app.store, move |look| look.blob(&namespace, &id)).await?;
    let (bytes, version) = found.ok_or_else(|| absent(&method, &uri))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::ETAG, etag(version)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, bytes).into_response())
}

fn etag(version: u64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What a change expects, by `if-match` or `if-none-match`; nothing when it does not say.
fn expectation(headers: &HeaderMap) -> Result<Option<BlobExpectation>, ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, Some("*")) => Ok(Some(BlobExpectation::Absent)),
        (Some(tag), None) => {
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let version = version.unwrap_or(tag).parse();
            let expected = ApiError::invalid_value("if-match", "a version");
            version.map(|version| Some(BlobExpectation::Version(version))).map_err(|_| expected)
        }
        (None, None) => Ok(None),
        _ => Err(ApiError::invalid_value("if-none-match", "*, and without if-match")),
    }
}

/// `PUT /v1/blobs/{namespace}/{id}`.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    PathParts((namespace, id)): PathParts<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body = body.map_err(|_| ApiError::body_too_large(MAX_BLOB_BYTES))?;
    let namespace = authorise(&app, &namespace, &method, &uri, &headers, &body).await?;
    let id = blob_id(&id)?;
    let expected = expectation(&headers)?.ok_or_else(|| ApiError::missing_parameter("if-match"))?;
    vouch(&app, &namespace, &headers).await?;
    let blob = NewBlob {
        namespace,
        id,
        expected,
        bytes: body.to_vec(),
        limit: NAMESPACE_BYTES,
        now: app.clock.now(),
    };
    let stored = app.store.write(move |state| state.put_blob(&blob)).await;
    match stored.map_err(|error: StoreError| of_store(&error))? {
        BlobOutcome::Done(version) => Ok(Json(json!({ "version": version }))),
        BlobOutcome::Conflict => Err(ApiError::version_conflict().into()),
        BlobOutcome::Full => Err(ApiError::storage_full(NAMESPACE_BYTES).into()),
        BlobOutcome::NoNamespace => {
            Err(ApiError::blob_unauthorized("a new namespace needs an API key in x-pinaivu-key")
                .into())
        }
    }
}

/// Opens the namespace when the request carries a key whose allowance is in good standing, so that
/// strangers cannot fill the disk.
async fn vouch(app: &App, namespace: &BlobNamespace, headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(key) = headers.get(VOUCHER) else { return Ok(()) };
    let key = key.to_str().map_err(|_| ApiError::invalid_api_key())?;
    let caller = app.keys.look_up(key).await.map_err(of_key)?;
    let balance = app.accounts.balance(&caller.allowance());
    let good = balance.is_some_and(|balance| {
        balance.available() > FineAmount::ZERO
            && balance.expires.is_some_and(|expires| expires > app.clock.now())
    });
    if !good {
        return Err(ApiError::blob_unauthorized("the allowance behind x-pinaivu-key is used up"));
    }
    let (namespace, allowance, now) = (*namespace, caller.allowance(), app.clock.now());
    app.store
        .write(move |state| state.open_blob_namespace(&namespace, &allowance, now))
        .await
        .map_err(|error: StoreError| of_store(&error))
}

/// `DELETE /v1/blobs/{namespace}/{id}`.
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    PathParts((namespace, id)): PathParts<(String, String)>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let namespace = authorise(&app, &namespace, &method, &uri, &headers, &[]).await?;
    let id = blob_id(&id)?;
    let expected = expectation(&headers)?.unwrap_or(BlobExpectation::Any);
    let deleted = app.store.write(move |state| state.delete_blob(&namespace, &id, expected)).await;
    match deleted.map_err(|error: StoreError| of_store(&error))? {
        BlobOutcome::Conflict => Err(ApiError::version_conflict().into()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}
