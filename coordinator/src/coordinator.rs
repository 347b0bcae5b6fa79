//! A whole coordinator: puts the parts together, in the order in which they rely on each other, and takes
//! them apart in the reverse.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_attestation::{AttestError, Attester, Binding, configuration_hash};
use pinaivu_chain::{Allowance, Chain, ChainError, Commitment};
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, MarketId, ProgramId, PublicKey};
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_protocol::units::Bps;
use serde::Serialize;
use tokio_util::task::TaskTracker;

use crate::accounts::{Accounts, ApiKeys, Domains, KeyService, Sessions};
use crate::attestation::{Attestation, bound_configuration};
use crate::clock::SharedClock;
use crate::config::{Config, ConfigError};
use crate::engine::{self, Engine, EngineEvidence};
use crate::http::{
    Addresses, App, BodyRoom, ListenError, Listener, Network, TlsError as ApiTlsError, Web,
    WebError,
};
use crate::receipts::{
    KeyFileError, Observer, PublicLog, Receipted, Receipts, ReceiptsConfig, Signer, WitnessDesk,
    archive, submit,
};
use crate::recount::Tokenizers;
use crate::settlement::{ChainObserver, Settlement, SettlementConfig, SettlementError};
use crate::store::{Identity, Store, StoreConfig, StoreError};
use crate::tasks::{TaskEnded, Tasks};
use crate::tunnel::{self, Directory, Door, Nodes, TlsError, TlsIdentity};

/// File name of the database in the data directory.
const DATABASE: &str = "coordinator.sqlite";

/// The directory, in the data directory, of the evidence that receipts name.
const EVIDENCE: &str = "attestation";

/// How much longer than its own waiting a task may take to end.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(10);

/// Why a coordinator does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The signer's key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The chain cannot be read.
    #[error("cannot read the chain at {url}")]
    Chain {
        /// The RPC server as configured.
        url: String,
        /// Why.
        #[source]
        source: ChainError,
    },
    /// The chain runs another program than configured.
    #[error("the chain client is for program {found}, configured is {configured}")]
    Program {
        /// Asked.
        found: ProgramId,
        /// Configured.
        configured: ProgramId,
    },
    /// The data directory cannot be made.
    #[error("cannot make the data directory {path}")]
    DataDir {
        /// Which one.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The configured market is not on chain.
    #[error("there is no market {0}")]
    NoMarket(MarketId),
    /// The web application cannot be served.
    #[error(transparent)]
    Web(#[from] WebError),
    /// The database cannot be used.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
    /// The account on chain does not fit this coordinator, or its log does not.
    #[error("this coordinator may not serve: {0}")]
    Settlement(#[from] SettlementError),
    /// The nodes' door cannot be opened.
    #[error(transparent)]
    Tunnel(#[from] tunnel::OpenError),
    /// The attester that was asked for is not there.
    #[error("attestation")]
    Attestation(#[from] AttestError),
    /// The configuration has no canonical form to be bound in.
    #[error("the configuration cannot be hashed")]
    Configuration(#[from] pinaivu_protocol::jcs::JsonError),
    /// A model's tokenizer that was configured is not there.
    #[error("cannot count tokens (models.tokenizers)")]
    Tokenizer(#[from] pinaivu_tokenizer::LoadError),
    /// There is no certificate for the tunnel.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The API cannot be served.
    #[error(transparent)]
    Http(#[from] ListenError),
    /// The API cannot offer TLS.
    #[error(transparent)]
    ApiTls(#[from] ApiTlsError),
    /// The process is ending.
    #[error("interrupted while starting")]
    Interrupted,
}

/// What others need to know of a coordinator that is ready; the content of the ready file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadyReport {
    /// Base URL for OpenAI clients, ending in `/v1`.
    pub base_url: String,
    /// Where the API listens.
    pub http: SocketAddr,
    /// Where nodes dial.
    pub tunnel: SocketAddr,
    /// The coordinator's account.
    pub coordinator: CoordinatorId,
    /// The key that signs receipts.
    pub signer: PublicKey,
    /// The operating system's id of this process.
    pub pid: u32,
}

/// A running coordinator. It goes on until [`Coordinator::shutdown`].
#[derive(Debug)]
pub struct Coordinator {
    report: ReadyReport,
    tasks: Tasks,
    longest: Duration,
    engine: Engine,
    nodes: Arc<Nodes>,
    accounts: Accounts,
    receipts: Receipts,
    store: Store,
}

impl Coordinator {
    /// Starts everything. When this returns, clients and nodes can connect.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(
        config: Config,
        chain: Arc<dyn Chain>,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        config.check()?;
        let attester =
            config.attestation.attester.find(config.attestation.collateral.as_deref())?;
        Self::start_with(config, chain, clock, attester).await
    }

    /// The same with an attester that the caller brings.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start_with(
        config: Config,
        chain: Arc<dyn Chain>,
        clock: SharedClock,
        attester: Option<Box<dyn Attester>>,
    ) -> Result<Self, StartError> {
        let tasks = Tasks::new();
        let longest = config.http.drain.max(config.receipts.interrupted_wait) + SHUTDOWN_MARGIN;
        let started = start(config, chain, clock, attester, &tasks, longest).await;
        if started.is_err() {
            tasks.shutdown(longest).await;
        }
        started
    }

    /// What others need to know.
    #[must_use]
    pub const fn report(&self) -> &ReadyReport {
        &self.report
    }

    /// The request path, for tests and metrics.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The connected nodes.
    #[must_use]
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// The allowances.
    #[must_use]
    pub const fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The receipts.
    #[must_use]
    pub const fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// The database.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Waits until a part has ended that should not have; the process should then start again.
    pub async fn failure(&self) -> TaskEnded {
        self.tasks.failure().await
    }

    /// Accepts nothing more, lets running answers end within the drain time, commits the receipts that
    /// are under way, and ends.
    pub async fn shutdown(self) {
        self.tasks.shutdown(self.longest).await;
    }
}

async fn start(
    config: Config,
    chain: Arc<dyn Chain>,
    clock: SharedClock,
    attester: Option<Box<dyn Attester>>,
    tasks: &Tasks,
    longest: Duration,
) -> Result<Coordinator, StartError> {
    config.check()?;
    let signer = Arc::new(Signer::from_file(&config.signer_key_file)?);
    let deployment = chain
        .deployment()
        .await
        .map_err(|source| StartError::Chain { url: config.chain.rpc_url.clone(), source })?;
    if deployment.program != config.chain.program_id {
        return Err(StartError::Program {
            found: deployment.program,
            configured: config.chain.program_id,
        });
    }
    let identity = Identity { deployment: deployment.id(), coordinator: config.chain.coordinator };
    let store = open_store(&config, identity).await?;
    let settlement = Settlement::open(
        SettlementConfig {
            interval: config.settlement.interval,
            watch_interval: config.settlement.watch_interval,
            ..SettlementConfig::default()
        },
        identity,
        config.chain.market,
        Arc::clone(&chain),
        store.clone(),
        Arc::clone(&signer),
        Arc::clone(&clock),
    )
    .await?;
    let tls = TlsIdentity::generate()?;
    let bound = bound_configuration(&config);
    let binding = Binding {
        deployment: identity.deployment,
        coordinator: identity.coordinator,
        signer: signer.public(),
        tls_key: tls.key_hash()?,
        configuration: configuration_hash(&bound)?,
    };
    let attestation = Attestation::new(attester, binding, bound, config.data_dir.join(EVIDENCE));
    // Receipts name evidence from the first one on, where there is any.
    attestation.renew().await.unwrap_or_else(|error| {
        tracing::error!(%error, "receipts name no attestation evidence yet");
    });
    let fee = settlement.fee_rate();
    let settlement_status = settlement.status();

    let accounts = Accounts::new(Arc::clone(&clock));
    for account in store.read(|look| look.accounts()).await? {
        accounts.open(&account);
    }
    if let Err(error) = read_allowances(chain.as_ref(), &accounts).await {
        tracing::warn!(%error, "allowances are not known yet; the watcher goes on asking");
    }
    let nodes = Arc::new(Nodes::new(
        identity,
        store.read(|look| look.newest_book()).await?,
        config.tunnel.requests_per_node,
        config.models.clone(),
        Arc::clone(&clock),
        store.clone(),
    ));

    // From here on in the order of reliance: what is started later ends earlier.
    let keys = ApiKeys::new(store.clone(), Arc::clone(&clock));
    let observer = Arc::new(Books {
        accounts: accounts.clone(),
        keys: keys.clone(),
        nodes: Arc::clone(&nodes),
    });
    let tokenizers = Tokenizers::load(&config.models)?;
    let (receipts, pipeline) = Receipts::start(
        ReceiptsConfig {
            capacity: config.limits.concurrent_requests,
            evidence_wait: config.receipts.evidence_wait,
            commit_interval: config.receipts.group_interval,
            attestation: attestation.named(),
            tokenizers: tokenizers.clone(),
            choices: config.limits.choices.into(),
            ..ReceiptsConfig::default()
        },
        identity,
        Arc::clone(&signer),
        store.clone(),
        Arc::clone(&clock),
        Arc::clone(&observer) as Arc<dyn Observer>,
        fee,
    );
    tasks.spawn("receipts", |stop| pipeline.run(stop));
    {
        let (receipts, observer) = (receipts.clone(), Arc::clone(&observer));
        tasks.spawn("settlement", |stop| settlement.run(receipts, observer, stop));
    }
    {
        let (attestation, renew) = (attestation.clone(), config.attestation.renew);
        tasks.spawn("attestation", |stop| attestation.run(renew, stop));
    }
    let engine = Engine::new(engine::Parts {
        deployment: identity.deployment,
        coordinator: identity.coordinator,
        signer: Arc::clone(&signer),
        accounts: accounts.clone(),
        receipts: receipts.clone(),
        nodes: Arc::clone(&nodes),
        tokenizers,
        limits: config.limits.clone(),
        timeouts: config.timeouts,
        interrupted_wait: config.receipts.interrupted_wait,
        clock: Arc::clone(&clock),
    });
    let tunnel_address = tunnel::open(
        Door {
            deployment: identity.deployment,
            coordinator: identity.coordinator,
            signer: Arc::clone(&signer),
            tls,
            attestation: attestation.clone(),
            directory: Directory::new(Arc::clone(&chain), config.chain.market),
            nodes: Arc::clone(&nodes),
            evidence: Arc::new(EngineEvidence(engine.clone())),
            config: config.tunnel.clone(),
            clock: Arc::clone(&clock),
            tracker: TaskTracker::new(),
        },
        tasks,
    )
    .await?;
    engine.watch(tasks);

    let listener = Listener::bind(config.http.listen).await?;
    let (listener, scheme) = match (&config.http.tls_cert_file, &config.http.tls_key_file) {
        (Some(certificate), Some(key)) => (listener.with_tls(certificate, key)?, "https"),
        _ => (listener, "http"),
    };
    let http = listener.address();
    let base_url = match &config.http.public_url {
        Some(url) => format!("{}/v1", url.trim_end_matches('/')),
        None => format!("{scheme}://{http}/v1"),
    };
    if config.receipts.keep_hot > 0 {
        let (receipts, store, keep) = (receipts.clone(), store.clone(), config.receipts.keep_hot);
        tasks.spawn("receipt archive", |stop| archive(receipts, store, keep, stop));
    }
    let desks: Vec<WitnessDesk> = config
        .receipts
        .submit
        .iter()
        .map(|to| WitnessDesk { url: to.url.trim_end_matches('/').to_owned(), key: to.key.clone() })
        .collect();
    let mut witnesses = config.receipts.witnesses.clone();
    witnesses.extend(desks.iter().map(|desk| desk.key.clone()));
    let log = PublicLog::new(identity, Arc::clone(&signer), store.clone(), witnesses);
    if !desks.is_empty() {
        let (log, interval) = (log.clone(), config.receipts.submit_interval);
        tasks.spawn("witness submission", |stop| submit(log, desks, interval, stop));
    }
    let app = App {
        engine: engine.clone(),
        key_service: KeyService::new(
            identity,
            store.clone(),
            Arc::clone(&chain),
            accounts.clone(),
            keys.clone(),
            Domains::new(&base_url, &config.http.domains),
            Arc::clone(&clock),
        ),
        keys,
        sessions: Sessions::new(Arc::clone(&clock)),
        accounts: accounts.clone(),
        web: config.web.dir.as_deref().map(Web::open).transpose()?,
        receipts: receipts.clone(),
        log,
        attestation,
        store: store.clone(),
        nodes: Arc::clone(&nodes),
        bodies: BodyRoom::new(config.limits.bodies_bytes),
        addresses: Arc::new(Addresses::new(
            config.limits.address_requests_per_minute,
            config.http.trusted_proxies.clone(),
        )),
        limits: config.limits.clone(),
        timeouts: config.timeouts,
        clock,
        network: network(&config, &deployment, signer.public(), &base_url, tunnel_address, fee)
            .with_mint(mint(chain.as_ref(), &config).await?),
        settlement: settlement_status,
    };
    listener.serve(app, config.http.drain, tasks);
    let report = ReadyReport {
        base_url,
        http,
        tunnel: tunnel_address,
        coordinator: identity.coordinator,
        signer: signer.public(),
        pid: std::process::id(),
    };
    let tasks = tasks.clone();
    Ok(Coordinator { report, tasks, longest, engine, nodes, accounts, receipts, store })
}

/// What the chain says of every known allowance, so that the first request finds it.
async fn read_allowances(chain: &dyn Chain, accounts: &Accounts) -> Result<(), ChainError> {
    let ids = accounts.watched();
    let finalized = chain.allowances_by_id(&ids, Commitment::Finalized).await?;
    let processed = chain.allowances_by_id(&ids, Commitment::Processed).await?;
    for (id, (finalized, processed)) in ids.iter().zip(finalized.iter().zip(&processed)) {
        accounts.apply_chain(id, finalized.as_ref(), processed.as_ref());
    }
    Ok(())
}

async fn open_store(config: &Config, identity: Identity) -> Result<Store, StartError> {
    let path = config.data_dir.clone();
    tokio::fs::create_dir_all(&path)
        .await
        .map_err(|source| StartError::DataDir { path: path.clone(), source })?;
    let archive = config.receipts.archive.clone();
    let opening = tokio::task::spawn_blocking(move || {
        let database = StoreConfig { archive, ..StoreConfig::at(path.join(DATABASE)) };
        Store::open(&database, identity)
    });
    Ok(opening.await.map_err(|_| StartError::Interrupted)??)
}

fn network(
    config: &Config,
    deployment: &pinaivu_chain::Deployment,
    signer: PublicKey,
    base_url: &str,
    tunnel: SocketAddr,
    fee: Bps,
) -> Network {
    Network {
        coordinator: config.chain.coordinator,
        market: config.chain.market,
        program: deployment.program,
        cluster: deployment.cluster,
        deployment: deployment.id(),
        signer,
        endpoint: base_url.to_owned(),
        tunnel,
        fee,
        mint: None,
        web: config.web.clone(),
    }
}

/// The token that is paid with.
async fn mint(chain: &dyn Chain, config: &Config) -> Result<PublicKey, StartError> {
    let read = chain.market(config.chain.market, Commitment::Finalized).await;
    let market = read
        .map_err(|source| StartError::Chain { url: config.chain.rpc_url.clone(), source })?
        .ok_or(StartError::NoMarket(config.chain.market))?;
    Ok(PublicKey(market.mint.to_bytes()))
}

/// Keeps the books in memory true to what becomes durable and to what the chain says.
struct Books {
    accounts: Accounts,
    keys: ApiKeys,
    nodes: Arc<Nodes>,
}

impl Observer for Books {
    fn receipted(&self, receipt: &Receipted) {
        self.accounts.receipted(&receipt.allowance, receipt.allowance_cumulative);
        if let Some((key, spent)) = receipt.api_key {
            self.keys.receipted(key, spent, receipt.tokens);
        }
        let acknowledgement =
            CoordinatorMessage::Receipted { ticket: receipt.ticket, head: receipt.head.clone() };
        self.nodes.send(&receipt.node, acknowledgement);
    }
}

impl ChainObserver for Books {
    fn watched(&self) -> Vec<AllowanceId> {
        self.accounts.watched()
    }

    fn allowance(
        &self,
        id: &AllowanceId,
        finalized: Option<&Allowance>,
        processed: Option<&Allowance>,
    ) {
        self.accounts.apply_chain(id, finalized, processed);
    }
}
