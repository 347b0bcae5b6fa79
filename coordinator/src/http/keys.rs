//! Key commands over HTTP: as a signed record, or as text a wallet shows.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_openai::ApiError;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::key_command::KeyCommand;
use pinaivu_protocol::signed::Signed;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::account::signed_in;
use super::error::{of_command, of_store};
use super::routes::Failure;
use crate::accounts::CommandResult;
use crate::store::ApiKey;

/// Longest body of a key command.
pub(super) const MAX_COMMAND_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(untagged)]
enum Request {
    Record(RecordRequest),
    Text(TextRequest),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordRequest {
    /// base64 of `Signed<KeyCommand>`.
    command: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextRequest {
    text: String,
    /// base58.
    signature: String,
    /// base58.
    owner: String,
}

/// A text and who signed it, not verified yet.
pub(super) struct SignedText {
    pub(super) text: String,
    pub(super) owner: PublicKey,
    pub(super) signature: [u8; 64],
}

impl TextRequest {
    fn decode(self) -> Result<SignedText, ApiError> {
        let signature = solana_signature::Signature::from_str(&self.signature)
            .map_err(|_| ApiError::invalid_value("signature", "a signature in base58"))?;
        let owner = self
            .owner
            .parse()
            .map_err(|_| ApiError::invalid_value("owner", "a wallet's key in base58"))?;
        Ok(SignedText { text: self.text, owner, signature: signature.into() })
    }
}

fn short(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|_| ApiError::body_too_large(MAX_COMMAND_BYTES))
}

/// A body that is a signed text.
pub(super) fn read_text(body: Result<Bytes, BytesRejection>) -> Result<SignedText, ApiError> {
    let request: TextRequest = serde_json::from_slice(&short(body)?).map_err(|_| {
        ApiError::invalid_json("expected an object with 'text', 'signature' and 'owner'.")
    })?;
    request.decode()
}

/// `POST /v1/keys`.
pub(super) async fn command(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let request: Request = serde_json::from_slice(&short(body)?).map_err(|_| {
        ApiError::invalid_json(
            "expected an object with the field 'command', or with 'text', 'signature' and 'owner'.",
        )
    })?;
    let result = match request {
        Request::Record(RecordRequest { command }) => {
            let not_a_command =
                || ApiError::invalid_value("command", "base64 of a signed key command");
            let bytes = STANDARD.decode(&command).map_err(|_| not_a_command())?;
            let command = Signed::<KeyCommand>::decode(&bytes).map_err(|_| not_a_command())?;
            app.key_service.execute(&command).await
        }
        Request::Text(request) => {
            let SignedText { text, owner, signature } = request.decode()?;
            app.key_service.execute_text(&text, &owner, &signature).await
        }
    };
    Ok(Json(match result.map_err(of_command)? {
        CommandResult::Created { key, secret } => {
            let mut shown = show_key(&key);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("key".into(), Value::from(secret.as_str()));
            }
            shown
        }
        CommandResult::Listed(keys) => show_keys(&keys),
        CommandResult::Revoked(id) => json!({ "id": id.to_string(), "revoked": true }),
        CommandResult::Changed(key) => show_key(&key),
    }))
}

/// `GET /v1/keys`, for a wallet that signed in.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let owner = signed_in(&app, &headers)?;
    let keys = app.key_service.keys_of(owner).await.map_err(|error| of_store(&error))?;
    Ok(Json(show_keys(&keys)))
}

fn show_keys(keys: &[ApiKey]) -> Value {
    json!({ "object": "list", "data": keys.iter().map(show_key).collect::<Vec<_>>() })
}

/// A key without its secret.
pub(super) fn show_key(key: &ApiKey) -> Value {
    let limits = &key.limits;
    json!({
        "id": key.id.to_string(),
        "label": key.label,
        "allowance": key.allowance.to_string(),
        "created": key.created,
        "revoked": key.revoked,
        "budget": limits.budget.map(|budget| budget.0.to_string()),
        "expires": limits.expires,
        "models": limits.models,
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "spent": key.spent.to_string(),
        "requests": key.requests,
        "last_used": key.last_used,
    })
}
