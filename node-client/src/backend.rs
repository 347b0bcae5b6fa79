//! The inference server beside this node: found by probing, watched, asked.
//!
//! Adapters differ in how a server is recognised, where its context length stands and how it counts
//! tokens; answers themselves are passed through as they come. Health is polled, and checked at once
//! when a request finds the server gone. Knows nothing of tickets, prices or coordinators.

mod count;
mod http;
mod plain;
mod probe;

pub use http::{BackendBody, TransportError};
pub use plain::{PlainBody, PlainError};
pub use probe::ProbeError;

use std::sync::Arc;
use std::time::Duration;

use ::http::{Method, Response};
use bytes::Bytes;
use pinaivu_openai::Endpoint;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{BackendConfig, BackendKind};
use http::HttpClient;

/// Longest answer of a server to a probe.
const MAX_PROBE_BYTES: usize = 8 * 1024 * 1024;
/// How long a probe or a count may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// A busy server may be slow to answer a probe; this many time-outs in a row mean that it is gone.
const TIMEOUTS_UNTIL_DOWN: u32 = 3;

/// A model as the server offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendModel {
    /// The server's name for it.
    pub name: String,
    /// Prompt and answer together, in tokens, when the server says.
    pub context_length: Option<u32>,
}

/// What probing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendInfo {
    /// Which software; never [`BackendKind::Auto`].
    pub kind: BackendKind,
    /// Name and version for proofs and logs, for example `llama.cpp b10434`.
    pub label: String,
    /// What it serves.
    pub models: Vec<BackendModel>,
}

/// Whether there is a server to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendState {
    /// No probe has succeeded since the start or since it was last seen to fail.
    Down,
    /// It answers.
    Up(Arc<BackendInfo>),
}

/// The inference server.
#[derive(Debug)]
pub struct Backend {
    http: HttpClient,
    kind: BackendKind,
    interval: Duration,
    silence: Duration,
    state: watch::Sender<BackendState>,
    suspected: Notify,
}

impl Backend {
    /// A server that has not been probed yet.
    ///
    /// # Errors
    /// [`TransportError`] when no client can be made for its URL.
    pub fn new(config: &BackendConfig) -> Result<Self, TransportError> {
        Ok(Self {
            http: HttpClient::new(config)?,
            kind: config.kind,
            interval: Duration::from_millis(config.probe_millis),
            silence: Duration::from_secs(config.silence_seconds),
            state: watch::Sender::new(BackendState::Down),
            suspected: Notify::new(),
        })
    }

    /// Follows whether it is up and what it serves.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<BackendState> {
        self.state.subscribe()
    }

    /// What it is, when it is up.
    #[must_use]
    pub fn info(&self) -> Option<Arc<BackendInfo>> {
        match &*self.state.borrow() {
            BackendState::Up(info) => Some(Arc::clone(info)),
            BackendState::Down => None,
        }
    }

    /// Longest silence within an answer.
    #[must_use]
    pub const fn silence(&self) -> Duration {
        self.silence
    }

    /// Probes until `stop`, and at once when a request failed.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut timeouts: u32 = 0;
        loop {
            match self.probe().await {
                Ok(info) => {
                    timeouts = 0;
                    self.set_up(info);
                }
                Err(error) => {
                    timeouts = if error.is_timeout() { timeouts.saturating_add(1) } else { 0 };
                    if timeouts == 0 || timeouts >= TIMEOUTS_UNTIL_DOWN {
                        self.set_down(&error);
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.suspected.notified() => {}
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    fn set_up(&self, info: BackendInfo) {
        self.state.send_if_modified(|state| {
            if matches!(state, BackendState::Up(known) if **known == info) {
                return false;
            }
            tracing::info!(backend = info.label, models = ?info.models, "backend is up");
            *state = BackendState::Up(Arc::new(info));
            true
        });
    }

    fn set_down(&self, error: &ProbeError) {
        self.state.send_if_modified(|state| {
            if *state == BackendState::Down {
                return false;
            }
            let error = crate::report::error_chain(error);
            tracing::warn!(error, "backend is down; asks are withdrawn until it is back");
            *state = BackendState::Down;
            true
        });
    }

    /// A request found it gone: look now.
    pub fn suspect(&self) {
        self.suspected.notify_one();
    }

    /// Sends a request and waits for the head of its answer. Dropping the body, or the
    /// future, closes the connection, which is how servers learn that nobody listens.
    ///
    /// # Errors
    /// [`TransportError`]; nothing of an answer has been seen then.
    pub async fn ask_model(
        &self,
        endpoint: Endpoint,
        body: Bytes,
    ) -> Result<Response<BackendBody>, TransportError> {
        let head = self.http.send(Method::POST, endpoint.path(), body);
        match tokio::time::timeout(self.silence, head).await {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::Timeout),
        }
    }
}
