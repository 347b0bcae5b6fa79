//! `POST /add-checkpoint` (C2SP `tlog-witness`): logs bring their heads and get a cosignature back.
//!
//! Which logs: the coordinator of `--url`, whose key and head are read from the chain for every request,
//! and the keys given with `--log`. A head of the coordinator's must extend the one on chain, which the witness
//! shows itself from the log's tiles. The status of every refusal is the specification's.
//!
//! Evidence, kept in a file beside the state: two signed heads of one size, and a head of which the log's own
//! tiles show that it does not extend the chain's or the cosigned one. A proof that does not hold is none:
//! anybody can bring a genuine head with a wrong proof.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::cosign;
use pinaivu_log::note::{MAX_NOTE_BYTES, NoteKey, SignatureType};
use pinaivu_log::origin;
use pinaivu_log::source::{LogSource, ReadError, consistency};
use pinaivu_log::witness::{AddCheckpoint, Observed, Refusal, SIZE_TYPE, judge, opened};
use pinaivu_protocol::ids::{CoordinatorId, PublicKey};
use pinaivu_protocol::signed::SigningKey;
use tokio::net::TcpListener;

use super::memory::Memory;
use super::now;
use crate::log::HttpLog;
use crate::network::Network;

/// A coordinator's open log as the chain has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenLog {
    /// Whose.
    pub(super) coordinator: CoordinatorId,
    /// Which epoch.
    pub(super) epoch: u32,
    /// The key that signs it.
    pub(super) signer: PublicKey,
    /// The head on chain.
    pub(super) anchored: Observed,
}

/// The coordinator that the witness follows, and its chain.
pub(super) trait Followed: Send + Sync + 'static {
    /// The open log, from the chain.
    fn open_log(&self) -> impl Future<Output = anyhow::Result<OpenLog>> + Send;

    /// The log's files, from the coordinator.
    fn files(&self) -> impl LogSource + Send;
}

impl Followed for Network {
    async fn open_log(&self) -> anyhow::Result<OpenLog> {
        let account = self.coordinator().await?;
        Ok(OpenLog {
            coordinator: account.id,
            epoch: account.log.epoch,
            signer: account.signer,
            anchored: Observed { size: account.log.size, root: account.log.root },
        })
    }

    fn files(&self) -> impl LogSource + Send {
        HttpLog::of(self)
    }
}

/// What answers.
pub(super) struct Witness<F> {
    /// The witness's name.
    pub(super) name: String,
    /// Its key.
    pub(super) key: SigningKey,
    /// Keys of logs that are not the coordinator's.
    pub(super) logs: Vec<NoteKey>,
    /// The coordinator and its chain.
    pub(super) followed: Option<F>,
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
pub(super) async fn run<F: Followed>(
    listener: TcpListener,
    witness: Witness<F>,
) -> anyhow::Result<()> {
    Ok(axum::serve(listener, router(Arc::new(witness))).await?)
}

fn router<F: Followed>(witness: Arc<Witness<F>>) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint::<F>))
        .layer(DefaultBodyLimit::max(2 * MAX_NOTE_BYTES))
        .with_state(witness)
}

async fn add_checkpoint<F: Followed>(
    State(witness): State<Arc<Witness<F>>>,
    body: Bytes,
) -> Response {
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

impl<F: Followed> Witness<F> {
    /// The signature line for a request.
    async fn cosign(&self, body: &[u8]) -> Result<String, Fault> {
        let text = std::str::from_utf8(body).map_err(|error| Refusal::Format(error.to_string()))?;
        let request =
            AddCheckpoint::parse(text).map_err(|error| Refusal::Format(error.to_string()))?;
        let mut keys = self.logs.clone();
        let mut own = None;
        if let Some(followed) = &self.followed {
            let log = followed.open_log().await?;
            let origin = origin(log.coordinator, log.epoch);
            keys.push(
                NoteKey::new(origin.clone(), log.signer, SignatureType::Ed25519)
                    .context("the coordinator's log has no name")?,
            );
            own = Some((followed, log, origin));
        }
        let checkpoint = opened(&request, &keys)?;
        let own = own.filter(|(.., origin)| *origin == checkpoint.origin);
        let seen = self.memory.lock().await?.of(&checkpoint.origin)?;
        if let Err(refusal) = judge(&request, &checkpoint, seen) {
            // Whoever brought it may have made the proof badly: the witness makes one itself.
            let shown = match (&refusal, &own) {
                (Refusal::Proof, Some((followed, log, _))) => {
                    let made = extends(*followed, log.epoch, seen, &checkpoint).await;
                    matches!(made, Err(ReadError::Forked { .. }))
                }
                _ => refusal.is_contradiction(),
            };
            if shown {
                self.keep(&refusal, seen, &request, &checkpoint);
            }
            return Err(refusal.into());
        }
        if let Some((followed, log, _)) = &own {
            match extends(*followed, log.epoch, log.anchored, &checkpoint).await {
                Ok(()) => {}
                // A head from before the chain's: anybody has it who ever read the log.
                Err(ReadError::Shrunk { before, .. }) => {
                    return Err(Refusal::Chain(before).into());
                }
                Err(ReadError::Forked { size, .. }) => {
                    let refusal = Refusal::Chain(size);
                    self.keep(&refusal, log.anchored, &request, &checkpoint);
                    return Err(refusal.into());
                }
                Err(other) => {
                    let why = "whether the head extends the one on chain cannot be seen";
                    return Err(anyhow::Error::from(other).context(why).into());
                }
            }
        }
        // Others may have advanced the log meanwhile.
        let mut memory = self.memory.lock().await?;
        let next = judge(&request, &checkpoint, memory.of(&checkpoint.origin)?)?;
        memory.store(&checkpoint.origin, next)?;
        drop(memory);
        let line = cosign(&checkpoint, &self.name, &self.key, now()?)
            .context("the witness's name cannot sign")?;
        Ok(format!("{line}\n"))
    }

    /// Keeps evidence for whoever wants to see it.
    fn keep(&self, why: &Refusal, seen: Observed, request: &AddCheckpoint, head: &Checkpoint) {
        let why = why.to_string();
        match self.memory.keep_contradiction(&why, seen, &request.checkpoint, head) {
            Ok(path) => eprintln!("  {why}; both sides are in {}", path.display()),
            Err(error) => eprintln!("  {why}; it could not be kept: {error}"),
        }
    }
}

/// Whether the log's own tiles show that `head` extends `before`.
async fn extends(
    followed: &impl Followed,
    epoch: u32,
    before: Observed,
    head: &Checkpoint,
) -> Result<(), ReadError> {
    consistency(&followed.files(), epoch, (before.size, before.root), head).await.map(drop)
}

#[cfg(test)]
mod tests;
