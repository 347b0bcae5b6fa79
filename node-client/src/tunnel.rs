//! The tunnel: dials a coordinator, and answers on the dialled connection what it asks.
//!
//! TLS 1.3 with the hot key as client certificate, ALPN `pinaivu/1`. Until the coordinator has proved with
//! its on-chain key over this session's exporter who it is, and where that is required with evidence
//! about the key of its certificate what it runs, nothing but those proofs is served. The other side is the coordinator's `tunnel` module, the contract
//! is `pinaivu_protocol::tunnel`.

mod attestation;
mod backoff;
mod control;
mod dial;
mod door;
mod goodbye;
mod tls;

pub use attestation::{AttestationFault, AttestationRule};
pub use backoff::Backoff;
pub use dial::{DialError, Endpoint, EndpointError, seen_tls_key};
pub use tls::{TlsError, client_config};

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pinaivu_chain::ChainError;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::tunnel::Goodbye;
use rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::chain::{CoordinatorFacts, NodeChain};
use crate::clock::Clock;
use crate::counterparty::Counterparty;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::report::error_chain;
use crate::serving::Server;
use door::Door;

/// A coordinator that has not proved itself within this time is hung up on.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// What a closing connection gets to send what it holds.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// A session that lasted this long starts the backoff anew.
const STABLE: Duration = Duration::from_secs(10);

/// After a silence of this length the coordinator is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Why there is no tunnel, or no more.
#[derive(Debug, thiserror::Error)]
pub enum TunnelEnd {
    /// The chain cannot be read and nothing is known of the coordinator from before.
    #[error("the coordinator's account cannot be read")]
    Chain(#[source] ChainError),
    /// There is no such account.
    #[error("there is no coordinator account {0}; check [[coordinators]] and [chain]")]
    NoCoordinator(CoordinatorId),
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It did not prove itself in time.
    #[error("the peer did not prove to be the coordinator")]
    Unproven,
    /// The coordinator said why.
    #[error("the coordinator refuses this node ({}): {}", .0.code, .0.message)]
    Refused(Goodbye),
    /// The connection broke.
    #[error("the connection failed")]
    Connection(#[source] pinaivu_tunnel::Error),
    /// The coordinator closed the connection.
    #[error("the coordinator closed the connection")]
    Closed,
    /// This node is stopping.
    #[error("stopping")]
    Stopped,
}

/// Keeps one coordinator's tunnel open.
pub struct Tunnel {
    /// Who dials.
    pub identity: Arc<Identity>,
    /// Who is dialled.
    pub counterparty: Arc<Counterparty>,
    /// Where, if the operator says; otherwise what the account says.
    pub endpoint: Option<String>,
    /// Answers requests.
    pub server: Arc<Server>,
    /// Where receipts go.
    pub journal: Journal,
    /// Names the coordinator's key.
    pub chain: Arc<dyn NodeChain>,
    /// For the skew.
    pub clock: Arc<dyn Clock>,
    /// See [`client_config`].
    pub tls: Arc<ClientConfig>,
    /// What it must prove about its code.
    pub attestation: AttestationRule,
    /// Where redirected clients reach this node, if they do.
    pub public: Option<Arc<str>>,
}

impl Tunnel {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut known = None;
        loop {
            let began = tokio::time::Instant::now();
            let end = self.once(&mut known, &stop).await;
            let coordinator = self.counterparty.id();
            match &end {
                TunnelEnd::Stopped => return,
                TunnelEnd::Refused(goodbye) => {
                    let advice = goodbye::advice(&goodbye.code, &self.identity);
                    tracing::error!(
                        %coordinator, code = goodbye.code, message = goodbye.message, advice,
                        "the coordinator refuses this node"
                    );
                }
                other => {
                    tracing::warn!(%coordinator, reason = error_chain(other), "no tunnel");
                }
            }
            if began.elapsed() >= STABLE {
                backoff.reset();
            }
            let pause = match end {
                TunnelEnd::Refused(_) | TunnelEnd::NoCoordinator(_) => backoff.next_long(),
                _ => backoff.next_delay(),
            };
            tracing::info!(%coordinator, ?pause, "dialling again after a pause");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn once(
        &self,
        known: &mut Option<CoordinatorFacts>,
        stop: &CancellationToken,
    ) -> TunnelEnd {
        let dialled = tokio::select! {
            () = stop.cancelled() => return TunnelEnd::Stopped,
            dialled = self.dial(known) => dialled,
        };
        match dialled {
            Ok((dialled, facts)) => self.serve(dialled, facts, stop).await,
            Err(end) => end,
        }
    }

    async fn dial(
        &self,
        known: &mut Option<CoordinatorFacts>,
    ) -> Result<(dial::Dialled, CoordinatorFacts), TunnelEnd> {
        let id = self.counterparty.id();
        let facts = match self.chain.coordinator(id).await {
            Ok(Some(facts)) => known.insert(facts).clone(),
            Ok(None) => return Err(TunnelEnd::NoCoordinator(id)),
            // Serving goes on while the chain is away; the key was right a while ago.
            Err(error) => known.clone().ok_or(TunnelEnd::Chain(error))?,
        };
        let endpoint = self.endpoint.as_deref().unwrap_or(&facts.endpoint);
        let endpoint: Endpoint = endpoint.parse().map_err(DialError::from)?;
        tracing::debug!(coordinator = %id, %endpoint, "dialling");
        Ok((dial::dial(&endpoint, &self.tls).await?, facts))
    }

    /// Answers on the connection until it ends.
    async fn serve(
        &self,
        dialled: dial::Dialled,
        facts: CoordinatorFacts,
        stop: &CancellationToken,
    ) -> TunnelEnd {
        let door = Arc::new(Door {
            identity: Arc::clone(&self.identity),
            counterparty: Arc::clone(&self.counterparty),
            server: Arc::clone(&self.server),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.clock),
            keys: dialled.keys,
            signer: facts.signer,
            attestation: self.attestation.clone(),
            attested: Mutex::new(Err(AttestationFault::Missing)),
            facts,
            proven: CancellationToken::new(),
            goodbye: Mutex::default(),
            public: self.public.clone(),
        });
        let mut connection = {
            let door = Arc::clone(&door);
            let handler = move |request| Arc::clone(&door).handle(request);
            pinaivu_tunnel::Server::new(dialled.stream, KEEP_ALIVE, handler)
        };
        let unproven = async {
            tokio::time::sleep(HELLO_TIMEOUT).await;
            if door.proven.is_cancelled() {
                std::future::pending::<()>().await;
            }
        };
        let end = tokio::select! {
            ended = &mut connection => match ended {
                Ok(()) => TunnelEnd::Closed,
                Err(error) => TunnelEnd::Connection(error),
            },
            () = unproven => TunnelEnd::Unproven,
            () = stop.cancelled() => TunnelEnd::Stopped,
        };
        if matches!(end, TunnelEnd::Stopped) {
            // What waits in the events stream still goes out.
            self.counterparty.end_session();
            connection.shut_down();
            if tokio::time::timeout(CLOSE_TIMEOUT, connection).await.is_err() {
                tracing::debug!("the coordinator did not close the tunnel in time");
            }
        }
        match door.goodbye.lock().take() {
            Some(goodbye) => TunnelEnd::Refused(goodbye),
            None => end,
        }
    }
}
