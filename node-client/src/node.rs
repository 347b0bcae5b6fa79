//! One running node: every part put together, and taken down in the right order.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::{ChainError, RpcChain};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::asks::AskDesk;
use crate::backend::{Backend, TransportError};
use crate::chain::{NodeChain, SolanaView};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError, CoordinatorConfig};
use crate::counterparty::Counterparty;
use crate::demands::{DemandPolicy, Demands};
use crate::earnings::{ClaimPolicy, Earnings};
use crate::evidence::EvidenceSigner;
use crate::housekeeping::Housekeeping;
use crate::identity::Identity;
use crate::journal::{Journal, JournalError};
use crate::key::{HotKey, KeyError};
use crate::offer::{Offers, PriceList};
use crate::public::{PublicDoor, PublicError, PublicServing};
use crate::report::error_chain;
use crate::represent::Representer;
use crate::serving::Server;
use crate::tasks::Stage;
use crate::tunnel::{AttestationRule, TlsError, Tunnel, client_config};

/// What a stage gets to end.
const STAGE_LIMIT: Duration = Duration::from_secs(5);
/// Between attempts to learn which cluster this is.
const CHAIN_RETRY: Duration = Duration::from_secs(1);

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
    /// The key of `claims.fee_payer` cannot be used.
    #[error("claims.fee_payer")]
    FeePayer(#[source] KeyError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The backend's URL or key cannot be used.
    #[error(transparent)]
    Backend(#[from] TransportError),
    /// The RPC server answers, but not as a Solana RPC does.
    #[error("chain.rpc_url")]
    Chain(#[source] ChainError),
    /// There is no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// There is no public door.
    #[error(transparent)]
    Public(#[from] PublicError),
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

/// What a node stands on, for those who bring their own.
pub struct Foundations {
    /// The chain.
    pub chain: Arc<dyn NodeChain>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Another root of Nitro documents than AWS's; for tests.
    pub nitro_root: Option<Vec<u8>>,
}

/// A running node. Dropping it without [`Node::shutdown`] is like killing the process: nothing that was
/// promised is lost, running answers are.
pub struct Node {
    identity: Arc<Identity>,
    counterparties: Vec<Arc<Counterparty>>,
    offers: watch::Receiver<Arc<Offers>>,
    server: Arc<Server>,
    grace: Duration,
    failed: CancellationToken,
    asks: Stage,
    evidence: Stage,
    public: Stage,
    tunnels: Stage,
    background: Stage,
    journal: Journal,
}

impl Node {
    /// Starts a node on a real cluster. Returns once everything runs, not once everything is
    /// connected; waits for the chain to answer once.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let program = config.chain.program;
        let rpc = Arc::new(RpcChain::new(&config.chain.rpc_url, program));
        let chain = Arc::new(SolanaView::new(rpc, program));
        Self::start_on(
            config,
            Foundations { chain, clock: Arc::new(SystemClock), nitro_root: None },
        )
        .await
    }

    /// The same on other foundations.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start_on(config: Config, foundations: Foundations) -> Result<Self, StartError> {
        config.validate()?;
        let Foundations { chain, clock, nitro_root } = foundations;
        let key = Arc::new(HotKey::load_or_create(&config.key_file)?);
        let fee_payer = fee_payer(config.claims.fee_payer.as_ref(), &key)?;
        let journal = Journal::open(&config.data_dir, config.node)?;
        let backend = Arc::new(Backend::new(&config.backend)?);
        let tls = Arc::new(client_config(&key)?);
        let deployment = deployment(chain.as_ref()).await?;
        let identity = Arc::new(Identity { deployment, node: config.node, key });
        warn_of_account(chain.as_ref(), &identity).await;

        let (offers_sender, offers) = watch::channel(Arc::new(Offers::default()));
        let server = Arc::new(Server::new(
            Arc::clone(&identity),
            Arc::clone(&backend),
            offers.clone(),
            Arc::clone(&clock),
            &config.serving,
            &config.journal,
        ));
        let failed = CancellationToken::new();
        let mut node = Self {
            identity,
            counterparties: Vec::new(),
            offers,
            server,
            grace: Duration::from_secs(config.serving.grace_seconds),
            asks: Stage::new(&failed),
            evidence: Stage::new(&failed),
            public: Stage::new(&failed),
            tunnels: Stage::new(&failed),
            background: Stage::new(&failed),
            failed,
            journal,
        };
        let backend_state = backend.subscribe();
        let prices = PriceList::new(&config);
        node.background.spawn("backend watch", |stop| backend.watch(stop));
        node.background.spawn("offers", |stop| prices.follow(backend_state, offers_sender, stop));
        let attestation = AttestationRule { require: config.attestation.require, nitro_root };
        let door = match &config.public {
            Some(public) => Some(PublicDoor::open(public).await?),
            None => None,
        };
        let public = door.as_ref().map(|door| Arc::from(door.address()));
        for coordinator in &config.coordinators {
            let serving = Serving {
                config: &config,
                chain: &chain,
                clock: &clock,
                tls: &tls,
                attestation: &attestation,
                public: &public,
            };
            node.serve(coordinator, &serving).await?;
        }
        if let Some(door) = door {
            let serving = PublicServing {
                server: Arc::clone(&node.server),
                counterparties: node.counterparties.clone(),
                max_request_bytes: config.serving.max_request_bytes,
            };
            node.public.spawn("public door", |stop| door.run(serving, stop));
        }
        let housekeeping = Housekeeping {
            journal: node.journal.clone(),
            counterparties: node.counterparties.clone(),
            clock: Arc::clone(&clock),
            max_age_days: config.journal.max_age_days,
        };
        node.background.spawn("housekeeping", |stop| housekeeping.run(stop));
        let demands = Demands::new(
            config.node,
            Arc::clone(&chain),
            node.journal.clone(),
            DemandPolicy {
                enabled: config.demands.enabled,
                patience: Duration::from_secs(config.demands.after_seconds),
            },
            Arc::clone(&node.identity.key),
            Arc::clone(&fee_payer),
        );
        let earnings = Earnings {
            node: config.node,
            counterparties: node.counterparties.clone(),
            chain,
            journal: node.journal.clone(),
            clock,
            policy: ClaimPolicy {
                enabled: config.claims.enabled,
                threshold: config.claims.threshold_usdc,
                interval: Duration::from_secs(config.claims.interval_seconds),
            },
            demands,
            fee_payer,
            poll: Duration::from_secs(config.chain.poll_seconds),
        };
        node.background.spawn("earnings", |stop| earnings.run(stop));
        Ok(node)
    }

    async fn serve(
        &mut self,
        coordinator: &CoordinatorConfig,
        with: &Serving<'_>,
    ) -> Result<(), StartError> {
        let Serving { config, chain, clock, tls, attestation, public } = *with;
        let holdings = self.journal.holdings(coordinator.id).await?;
        let (work_sender, work) = mpsc::unbounded_channel();
        let counterparty = Arc::new(Counterparty::new(coordinator.id, &holdings, work_sender));
        let signer = EvidenceSigner {
            identity: Arc::clone(&self.identity),
            counterparty: Arc::clone(&counterparty),
            journal: self.journal.clone(),
        };
        self.evidence.spawn("evidence", |stop| signer.run(work, stop));
        let representer = Representer {
            counterparty: Arc::clone(&counterparty),
            journal: self.journal.clone(),
            clock: Arc::clone(clock),
            patience: Duration::from_secs(config.journal.represent_seconds),
        };
        self.background.spawn("representer", |stop| representer.run(stop));
        let tunnel = Tunnel {
            identity: Arc::clone(&self.identity),
            counterparty: Arc::clone(&counterparty),
            endpoint: coordinator.endpoint.clone(),
            server: Arc::clone(&self.server),
            journal: self.journal.clone(),
            chain: Arc::clone(chain),
            clock: Arc::clone(clock),
            tls: Arc::clone(tls),
            attestation: attestation.clone(),
            public: public.clone(),
        };
        self.tunnels.spawn("tunnel", |stop| tunnel.run(stop));
        let desk = AskDesk {
            identity: Arc::clone(&self.identity),
            counterparty: Arc::clone(&counterparty),
            offers: self.offers.clone(),
            journal: self.journal.clone(),
            clock: Arc::clone(clock),
            lifetime: Duration::from_secs(config.serving.ask_seconds),
        };
        self.asks.spawn("asks", |stop| desk.run(stop));
        self.counterparties.push(counterparty);
        Ok(())
    }

    /// The hot key's public half.
    #[must_use]
    pub fn signer(&self) -> PublicKey {
        self.identity.key.public()
    }

    /// The coordinators it serves.
    #[must_use]
    pub fn counterparties(&self) -> &[Arc<Counterparty>] {
        &self.counterparties
    }

    /// Waits until the backend answers and every configured coordinator has taken an ask.
    pub async fn ready(&self) -> ReadyReport {
        for counterparty in &self.counterparties {
            // The counterparty holds the sender, so that the wait cannot fail.
            let _ = counterparty.terms().wait_for(|terms| !terms.is_empty()).await;
        }
        let offers = Arc::clone(&self.offers.borrow());
        let label = offers.backend.as_ref().map(|backend| backend.label.clone());
        ReadyReport {
            node: self.identity.node,
            signer: self.signer(),
            pid: std::process::id(),
            backend: label.unwrap_or_default(),
            models: offers.models.keys().cloned().collect(),
            coordinators: self
                .counterparties
                .iter()
                .map(|counterparty| counterparty.id())
                .collect(),
        }
    }

    /// Completes when a part of the node has failed for good, which no part should.
    pub async fn failure(&self) {
        self.failed.cancelled().await;
    }

    /// Stops: withdraws the asks, lets running answers finish for a while, signs and sends their
    /// proofs, closes tunnels and journal.
    pub async fn shutdown(self) {
        tracing::info!("stopping: asks are withdrawn, running answers may finish");
        self.asks.end(STAGE_LIMIT).await;
        self.server.stop(self.grace).await;
        self.public.end(STAGE_LIMIT).await;
        if tokio::time::timeout(STAGE_LIMIT, self.server.finish_afterwork()).await.is_err() {
            tracing::warn!("some cancelled answers were not counted in time");
        }
        self.evidence.end(STAGE_LIMIT).await;
        self.tunnels.end(STAGE_LIMIT).await;
        self.background.end(STAGE_LIMIT).await;
        tracing::info!("stopped");
    }
}

/// What serving a coordinator takes.
#[derive(Clone, Copy)]
struct Serving<'a> {
    config: &'a Config,
    chain: &'a Arc<dyn NodeChain>,
    clock: &'a Arc<dyn Clock>,
    tls: &'a Arc<rustls::ClientConfig>,
    attestation: &'a AttestationRule,
    public: &'a Option<Arc<str>>,
}

fn fee_payer(path: Option<&PathBuf>, hot: &Arc<HotKey>) -> Result<Arc<HotKey>, StartError> {
    match path {
        Some(path) => Ok(Arc::new(HotKey::load(path).map_err(StartError::FeePayer)?)),
        None => Ok(Arc::clone(hot)),
    }
}

/// Nothing can be signed before the cluster is known.
async fn deployment(chain: &dyn NodeChain) -> Result<DeploymentId, StartError> {
    let mut said = false;
    loop {
        match chain.deployment().await {
            Ok(deployment) => return Ok(deployment),
            Err(error) if error.is_retryable() => {
                if !said {
                    tracing::warn!(error = error_chain(&error), "waiting for the chain");
                    said = true;
                }
                tokio::time::sleep(CHAIN_RETRY).await;
            }
            Err(error) => return Err(StartError::Chain(error)),
        }
    }
}

/// A coordinator will refuse a node whose account is wrong; its operator should hear it here first.
async fn warn_of_account(chain: &dyn NodeChain, identity: &Identity) {
    let (node, signer) = (identity.node, identity.key.public());
    match chain.node(node).await {
        Ok(Some(account)) if account.signer != signer => tracing::error!(
            %node, %signer, registered = %account.signer,
            "the account names another signer than key_file holds"
        ),
        Ok(Some(account)) => {
            tracing::info!(%node, %signer, stake = account.stake.to_usdc_string(), "node account");
        }
        Ok(None) => tracing::error!(
            %node, %signer, "there is no such node account; register it with this signer"
        ),
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "the node's account cannot be read");
        }
    }
}
