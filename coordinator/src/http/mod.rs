//! The public HTTP surface: OpenAI's routes, receipts, keys, health and network.
//!
//! What models serve (chat, completions, embeddings, responses) goes straight through hyper; everything else through an axum router on
//! the same listener. Handlers parse, call and map: decisions are the engine's.

mod account;
mod addresses;
mod ask;
mod attestation;
mod blobs;
mod body;
mod book;
mod cors;
mod error;
mod figures;
mod keys;
mod log;
mod nodes;
mod progress;
mod query;
mod receipts;
mod responses;
mod routes;
mod server;
mod table;
mod tls;
mod web;

pub use addresses::Addresses;
pub use body::BodyRoom;
pub use routes::paths;
pub use server::{ListenError, Listener};
pub use tls::TlsError;
pub use web::{Web, WebError};

use std::net::SocketAddr;
use std::sync::Arc;

use pinaivu_protocol::ids::{
    ClusterId, CoordinatorId, DeploymentId, MarketId, ProgramId, PublicKey,
};
use pinaivu_protocol::units::Bps;
use tokio::sync::watch;

use crate::accounts::{Accounts, ApiKeys, KeyService, Sessions};
use crate::attestation::Attestation;
use crate::clock::SharedClock;
use crate::config::{Limits, Timeouts};
use crate::engine::Engine;
use crate::receipts::{PublicLog, Receipts};
use crate::settlement::SettlementStatus;
use crate::store::Store;
use crate::tunnel::Nodes;

/// Where this coordinator is on chain and on the network; shown to everybody.
#[derive(Clone, Debug)]
pub struct Network {
    /// This coordinator's account.
    pub coordinator: CoordinatorId,
    /// The market it serves.
    pub market: MarketId,
    /// The program.
    pub program: ProgramId,
    /// The cluster.
    pub cluster: ClusterId,
    /// Program and cluster.
    pub deployment: DeploymentId,
    /// The key that signs receipts.
    pub signer: PublicKey,
    /// Base URL of the API, ending in `/v1`.
    pub endpoint: String,
    /// Where nodes dial.
    pub tunnel: SocketAddr,
    /// Its fee.
    pub fee: Bps,
    /// The token that is paid with.
    pub mint: Option<PublicKey>,
    /// What browsers are told.
    pub web: crate::config::Web,
}

impl Network {
    /// The same with the market's mint.
    #[must_use]
    pub fn with_mint(self, mint: PublicKey) -> Self {
        Self { mint: Some(mint), ..self }
    }
}

/// What handlers work with.
#[derive(Clone, Debug)]
pub struct App {
    /// Serves chat completions.
    pub engine: Engine,
    /// Looks API keys up.
    pub keys: ApiKeys,
    /// Carries out key commands.
    pub key_service: KeyService,
    /// Who has signed in.
    pub sessions: Sessions,
    /// What allowances can still take.
    pub accounts: Accounts,
    /// The web application, when there is one.
    pub web: Option<Web>,
    /// Shows receipts.
    pub receipts: Receipts,
    /// Shows the log to auditors.
    pub log: PublicLog,
    /// What vouches for this process.
    pub attestation: Attestation,
    /// Reads the log's head and totals.
    pub store: Store,
    /// The connected nodes.
    pub nodes: Arc<Nodes>,
    /// Room for the bodies of requests.
    pub bodies: BodyRoom,
    /// What addresses have used of what costs nothing.
    pub addresses: Arc<Addresses>,
    /// Limits of requests.
    pub limits: Limits,
    /// Time limits.
    pub timeouts: Timeouts,
    /// The time.
    pub clock: SharedClock,
    /// What `/v1/network` shows.
    pub network: Network,
    /// Where settlement stands.
    pub settlement: watch::Receiver<SettlementStatus>,
}
