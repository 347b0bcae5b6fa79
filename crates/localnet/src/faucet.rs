//! Gives away SOL and test USDC, to Rust callers and over HTTP on loopback.
//!
//! Every gift is an ordinary transaction signed with the faucet's key, so explorers and balances treat it
//! like any other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use pinaivu_chain::addresses::associated_token_account;
use pinaivu_chain::{
    Chain as _, ChainError, Commitment, ConfirmOptions, Instruction, RpcChain, TOKEN_PROGRAM,
    ToAddress as _, public_key,
};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::Amount;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::decimal;
use crate::error::LocalnetError;
use crate::genesis::USDC_DECIMALS;
use crate::keys;
use crate::ready::Ready;

/// Decimals of SOL.
const SOL_DECIMALS: u8 = 9;

/// The most one request may ask for, in base units of each: a million whole ones.
const MOST_LAMPORTS: u64 = 1_000_000_000_000_000;
const MOST_USDC: Amount = Amount(1_000_000_000_000);

/// Gives away money.
pub struct Faucet {
    chain: Arc<RpcChain>,
    key: Keypair,
}

impl Faucet {
    pub(crate) fn new(chain: Arc<RpcChain>) -> Self {
        Self { chain, key: keys::faucet() }
    }

    /// Sends `lamports` and `usdc` to `address`, whose associated token account is made when it does
    /// not exist. Gives the transaction's signature once it is confirmed.
    ///
    /// # Errors
    /// [`ChainError`] when the local chain refuses or cannot be reached.
    pub async fn give(
        &self,
        address: &PublicKey,
        lamports: u64,
        usdc: Amount,
    ) -> Result<pinaivu_chain::Signature, ChainError> {
        let instructions = self.instructions(address, lamports, usdc);
        let prepared = self.chain.prepare(&instructions, &[&self.key]).await?;
        let options = ConfirmOptions {
            commitment: Commitment::Confirmed,
            poll: std::time::Duration::from_millis(20),
            ..ConfirmOptions::default()
        };
        self.chain.confirm(&prepared, options, &|_| ()).await?;
        Ok(prepared.signature)
    }

    fn instructions(&self, address: &PublicKey, lamports: u64, usdc: Amount) -> Vec<Instruction> {
        let faucet = self.key.pubkey();
        let to = address.to_address();
        let mut instructions = Vec::new();
        if lamports > 0 {
            instructions
                .push(solana_system_interface::instruction::transfer(&faucet, &to, lamports));
        }
        if usdc > Amount::ZERO {
            let mint = keys::mint().pubkey();
            let account = associated_token_account(address, &mint, &TOKEN_PROGRAM);
            instructions.push(pinaivu_chain::token::create_associated_account(
                &public_key(&faucet),
                address,
                &mint,
                &TOKEN_PROGRAM,
            ));
            // `MintToChecked`: number 14, amount, decimals; mint, account, authority.
            let mut data = vec![14];
            data.extend_from_slice(&usdc.0.to_le_bytes());
            data.push(USDC_DECIMALS);
            instructions.push(Instruction {
                program_id: TOKEN_PROGRAM,
                accounts: vec![
                    pinaivu_chain::AccountMeta::new(mint, false),
                    pinaivu_chain::AccountMeta::new(account, false),
                    pinaivu_chain::AccountMeta::new_readonly(faucet, true),
                ],
                data,
            });
        }
        instructions
    }
}

/// Body of `POST /faucet`. Amounts are whole units with decimals, as numbers or strings: `"sol": 1.5`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GiftRequest {
    address: PublicKey,
    #[serde(default)]
    sol: Option<Value>,
    #[serde(default)]
    usdc: Option<Value>,
}

/// Answer to `POST /faucet`.
#[derive(Debug, Serialize)]
struct Gift {
    signature: String,
    lamports: u64,
    usdc: Amount,
}

#[derive(Debug, thiserror::Error)]
enum GiftError {
    #[error("the body is not valid: {0}")]
    Body(#[from] serde_json::Error),
    #[error("{field} must be a number from 0 to {most} with at most {decimals} decimals")]
    Amount { field: &'static str, most: u64, decimals: u8 },
    #[error("ask for sol, usdc or both")]
    Nothing,
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl IntoResponse for GiftError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Body(_) | Self::Amount { .. } | Self::Nothing => StatusCode::BAD_REQUEST,
            Self::Chain(_) => StatusCode::BAD_GATEWAY,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

/// What the HTTP side needs.
struct Desk {
    faucet: Arc<Faucet>,
    about: Ready,
}

/// A listener for the faucet, on `port` or any.
pub(crate) async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), LocalnetError> {
    let failed = |cause| LocalnetError::Listen { port, cause };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Serves until `stop`. `GET /` describes the chain.
pub(crate) async fn serve(
    listener: TcpListener,
    faucet: Arc<Faucet>,
    about: Ready,
    stop: CancellationToken,
) {
    let routes = Router::new()
        .route("/", get(describe))
        .route("/faucet", post(gift).options(preflight))
        .with_state(Arc::new(Desk { faucet, about }));
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the faucet stopped");
    }
}

/// Pages of any origin may ask: there is nothing here that anybody may not have.
const OPEN_TO_ALL: (HeaderName, HeaderValue) =
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));

async fn describe(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    ([OPEN_TO_ALL], Json(desk.about.clone()))
}

async fn preflight() -> impl IntoResponse {
    let allowed = (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    (StatusCode::NO_CONTENT, [OPEN_TO_ALL, allowed])
}

async fn gift(State(desk): State<Arc<Desk>>, body: axum::body::Bytes) -> impl IntoResponse {
    ([OPEN_TO_ALL], give(&desk.faucet, &body).await)
}

async fn give(faucet: &Faucet, body: &[u8]) -> Result<Json<Gift>, GiftError> {
    let request: GiftRequest = serde_json::from_slice(body)?;
    let lamports = amount("sol", request.sol.as_ref(), SOL_DECIMALS, MOST_LAMPORTS)?;
    let usdc = Amount(amount("usdc", request.usdc.as_ref(), USDC_DECIMALS, MOST_USDC.0)?);
    if lamports == 0 && usdc == Amount::ZERO {
        return Err(GiftError::Nothing);
    }
    let signature = faucet.give(&request.address, lamports, usdc).await?;
    Ok(Json(Gift { signature: signature.to_string(), lamports, usdc }))
}

fn amount(
    field: &'static str,
    value: Option<&Value>,
    decimals: u8,
    most: u64,
) -> Result<u64, GiftError> {
    let text = match value {
        None | Some(Value::Null) => return Ok(0),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => String::new(),
    };
    decimal::parse(&text, decimals).filter(|amount| *amount <= most).ok_or_else(|| {
        GiftError::Amount { field, most: most / 10_u64.pow(u32::from(decimals)), decimals }
    })
}
