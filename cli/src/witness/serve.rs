//! `POST /add-checkpoint` (C2SP `tlog-witness`): logs bring their heads and get a cosignature back.
//!
//! Which logs: the coordinator of `--url`, whose key and head are read from the chain for every request,
//! and the keys given with `--log`. The status of every refusal is the specification's. A signed head that
//! is no extension of what was cosigned is kept in a file beside the state.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use pinaivu_log::cosignature::cosign;
use pinaivu_log::note::{MAX_NOTE_BYTES, NoteKey, SignatureType};
use pinaivu_log::origin;
use pinaivu_log::witness::{AddCheckpoint, Refusal, SIZE_TYPE, judge, opened};
use pinaivu_protocol::signed::SigningKey;
use tokio::net::TcpListener;

use super::memory::Memory;
use super::now;
use crate::network::Network;

/// What answers.
pub(super) struct Witness {
    /// The witness's name.
    pub(super) name: String,
    /// Its key.
    pub(super) key: SigningKey,
    /// Keys of logs that are not the coordinator's.
    pub(super) logs: Vec<NoteKey>,
    /// The coordinator and its chain.
    pub(super) network: Option<Network>,
    /// What was cosigned.
    pub(super) memory: Arc<Memory>,
}

/// Why there is no cosignature.
enum Fault {
    /// The request's.
    Refused(Refusal),
    /// Ours: the chain or the disk.
    Broken(anyhow::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Fault {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// Answers until the process ends.
pub(super) async fn run(listener: TcpListener, witness: Witness) -> anyhow::Result<()> {
    Ok(axum::serve(listener, router(Arc::new(witness))).await?)
}

fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(2 * MAX_NOTE_BYTES))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Bytes) -> Response {
    match witness.cosign(&body).await {
        Ok(line) => (StatusCode::OK, line).into_response(),
        Err(Fault::Refused(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            match refusal {
                Refusal::Behind(size) => {
                    (status, [(header::CONTENT_TYPE, SIZE_TYPE)], format!("{size}\n"))
                        .into_response()
                }
                other => (status, format!("{other}\n")).into_response(),
            }
        }
        Err(Fault::Broken(error)) => {
            eprintln!("  not cosigned: {error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, "the witness cannot look just now\n")
                .into_response()
        }
    }
}

impl Witness {
    /// The signature line for a request.
    async fn cosign(&self, body: &[u8]) -> Result<String, Fault> {
        let text = std::str::from_utf8(body).map_err(|error| Refusal::Format(error.to_string()))?;
        let request =
            AddCheckpoint::parse(text).map_err(|error| Refusal::Format(error.to_string()))?;
        let mut keys = self.logs.clone();
        if let Some(network) = &self.network {
            keys.push(coordinator_key(network).await?);
        }
        let checkpoint = opened(&request, &keys)?;
        let mut memory = self.memory.lock().await?;
        let seen = memory.of(&checkpoint.origin)?;
        let next = judge(&request, &checkpoint, seen).inspect_err(|refusal| {
            if refusal.is_contradiction() {
                let why = refusal.to_string();
                match memory.keep_contradiction(&why, seen, &request.checkpoint) {
                    Ok(path) => eprintln!("  {why}; both sides are in {}", path.display()),
                    Err(error) => eprintln!("  {why}; it could not be kept: {error}"),
                }
            }
        })?;
        memory.store(&checkpoint.origin, next)?;
        drop(memory);
        let line = cosign(&checkpoint, &self.name, &self.key, now()?)
            .context("the witness's name cannot sign")?;
        Ok(format!("{line}\n"))
    }
}

/// The key of the coordinator's open log, from the chain.
async fn coordinator_key(network: &Network) -> anyhow::Result<NoteKey> {
    let account = network.coordinator().await?;
    let origin = origin(account.id, account.log.epoch);
    Ok(NoteKey::new(origin, account.signer, SignatureType::Ed25519)?)
}

#[cfg(test)]
mod tests;
