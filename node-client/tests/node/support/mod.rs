//! A coordinator's side of the tunnel, a chain in memory and a scripted backend around a real node.

pub(crate) mod chain;
pub(crate) mod coordinator;

use std::path::PathBuf;
use std::sync::Arc;

use pinaivu_node_client::clock::SystemClock;
use pinaivu_node_client::{Config, Foundations, Node};
use pinaivu_protocol::ids::{ClusterId, CoordinatorId, DeploymentId, NodeId, ProgramId};
use pinaivu_testkit::ScriptedServer;
use tempfile::TempDir;

use chain::MemoryChain;
use coordinator::TestCoordinator;

pub(crate) const NODE: NodeId = NodeId([0x11; 32]);
pub(crate) const COORDINATOR: CoordinatorId = CoordinatorId([0x22; 32]);
pub(crate) const PROGRAM: ProgramId = ProgramId([0x44; 32]);
/// What the node asks, in millionths of a USDC for a million weighted tokens.
pub(crate) const PRICE: u64 = 250_000;

pub(crate) fn deployment() -> DeploymentId {
    DeploymentId::new(&ClusterId([0x33; 32]), &PROGRAM)
}

/// Everything around one node; the node itself is started and stopped by the test.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) backend: ScriptedServer,
    pub(crate) chain: Arc<MemoryChain>,
    pub(crate) coordinator: TestCoordinator,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_backend(ScriptedServer::start().await.unwrap()).await
    }

    pub(crate) async fn with_backend(backend: ScriptedServer) -> Self {
        let coordinator = TestCoordinator::listen(COORDINATOR, 0xc0).await;
        let chain = Arc::new(MemoryChain::default());
        chain.register(COORDINATOR, coordinator.key.public(), &coordinator.address.to_string());
        Self { folder: tempfile::tempdir().unwrap(), backend, chain, coordinator }
    }

    pub(crate) fn config(&self) -> Config {
        self.config_with("")
    }

    /// The usual configuration and more TOML at its end.
    pub(crate) fn config_with(&self, more: &str) -> Config {
        let folder = self.folder.path().display();
        let url = self.backend.url();
        let text = format!(
            r#"
            node = "{NODE}"
            key_file = "{folder}/node-key.json"
            data_dir = "{folder}/data"
            [chain]
            rpc_url = "http://127.0.0.1:1"
            program = "{PROGRAM}"
            poll_seconds = 1
            [[coordinators]]
            id = "{COORDINATOR}"
            [backend]
            url = "{url}"
            probe_millis = 50
            [pricing]
            usdc_per_million_tokens = "0.25"
            {more}
            "#
        );
        let config = Config::parse(&text, self.folder.path()).unwrap();
        config.validate().unwrap();
        config
    }

    pub(crate) fn foundations(&self) -> Foundations {
        let chain = Arc::clone(&self.chain) as _;
        Foundations { chain, clock: Arc::new(SystemClock), nitro_root: None }
    }

    /// Where the node keeps its data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) async fn start(&self) -> Node {
        self.start_with(self.config()).await
    }

    pub(crate) async fn start_with(&self, config: Config) -> Node {
        Node::start_on(config, self.foundations()).await.unwrap()
    }
}
