//! A payer's own view: by an API key, or by a session that a wallet signed in to.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use pinaivu_openai::ApiError;
use pinaivu_protocol::ids::{AllowanceId, PublicKey};
use serde_json::{Value, json};

use super::App;
use super::ask::{authenticate, bearer};
use super::error::{of_command, of_store};
use super::keys::{self, show_key};
use super::query::{Extracted, Parameters};
use super::routes::Failure;
use crate::accounts::SESSION_PREFIX;
use crate::store::{Account, ApiKeyId, StoreError};

/// Who looks, and at which account.
pub(super) struct Viewer {
    pub(super) account: Account,
    /// The key it looks with; none with a session.
    pub(super) key: Option<ApiKeyId>,
    /// All accounts of the wallet, newest first; only with a session.
    pub(super) accounts: Vec<Account>,
}

impl Viewer {
    /// By the `Authorization` header. A session may name one of its wallet's allowances; else it sees
    /// the newest.
    pub(super) async fn of(
        app: &App,
        headers: &HeaderMap,
        allowance: Option<&str>,
    ) -> Result<Self, ApiError> {
        if bearer(headers)?.starts_with(SESSION_PREFIX) {
            let owner = signed_in(app, headers)?;
            return Self::of_owner(app, owner, allowance).await;
        }
        let caller = authenticate(&app.keys, headers).await?;
        let id = caller.allowance();
        let account = app.store.read(move |look| look.account_of(&id)).await;
        let account = account.map_err(|error: StoreError| of_store(&error))?;
        let account = account.ok_or_else(ApiError::allowance_missing)?;
        Ok(Self { account, key: Some(caller.key()), accounts: Vec::new() })
    }

    async fn of_owner(
        app: &App,
        owner: PublicKey,
        allowance: Option<&str>,
    ) -> Result<Self, ApiError> {
        let wanted = allowance
            .map(|text| {
                text.parse::<AllowanceId>()
                    .map_err(|_| ApiError::invalid_value("allowance", "an allowance's address"))
            })
            .transpose()?;
        let accounts = app.store.read(move |look| look.accounts_of(&owner)).await;
        let accounts = accounts.map_err(|error: StoreError| of_store(&error))?;
        let mut chosen = accounts
            .iter()
            .filter(|account| wanted.is_none_or(|wanted| wanted == account.allowance));
        let account = chosen.next().cloned().ok_or_else(ApiError::allowance_missing)?;
        Ok(Self { account, key: None, accounts })
    }
}

/// The wallet of the session in the `Authorization` header.
pub(super) fn signed_in(app: &App, headers: &HeaderMap) -> Result<PublicKey, ApiError> {
    app.sessions.owner(bearer(headers)?).ok_or_else(ApiError::invalid_session)
}

/// `GET /v1/account`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Extracted,
) -> Result<Json<Value>, Failure> {
    let query = Parameters::read(query, &["allowance"])?;
    let Viewer { account, key, accounts } =
        Viewer::of(&app, &headers, query.text("allowance")).await?;
    let balance =
        app.accounts.balance(&account.allowance).ok_or_else(ApiError::allowance_missing)?;
    let key = match key {
        None => None,
        Some(id) => app
            .store
            .read(move |look| look.api_key_by_id(&id))
            .await
            .map_err(|error: StoreError| of_store(&error))?,
    };
    let others: Vec<String> =
        accounts.iter().map(|account| account.allowance.to_string()).collect();
    Ok(Json(json!({
        "owner": account.owner,
        "allowance": account.allowance,
        "allowances": others,
        "escrow": account.escrow,
        "reserved": balance.reserved.0.to_string(),
        "limit": balance.limit.0.to_string(),
        "debited": balance.debited.0.to_string(),
        "held": balance.held.to_string(),
        "charged": account.receipted.to_string(),
        "available": balance.available().to_string(),
        "expires": balance.expires,
        "key": key.as_ref().map(show_key),
    })))
}

/// `POST /v1/sessions`.
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let signed = keys::read_text(body)?;
    let owner = app
        .key_service
        .sign_in(&signed.text, &signed.owner, &signed.signature)
        .await
        .map_err(of_command)?;
    let (token, expires) = app.sessions.open(owner).map_err(|_| ApiError::unavailable())?;
    Ok(Json(json!({ "token": token.as_str(), "expires": expires })))
}
