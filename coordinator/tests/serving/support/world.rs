//! A coordinator, its chain, an owner with an allowance and a key, and an HTTP client.

use std::sync::Arc;

use base64::Engine as _;
use pinaivu_attestation::Attester;
use pinaivu_coordinator::clock::SystemClock;
use pinaivu_coordinator::{Config, Coordinator};
use pinaivu_protocol::ids::{AllowanceId, NodeId, PublicKey, RequestId};
use pinaivu_protocol::key_command::{KeyAction, KeyCommand};
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_protocol::units::{Amount, FineAmount, TokenPrice, UnixMillis};
use pinaivu_testkit::{PATIENCE, wait_until};
use rand::RngCore as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chain::{COORDINATOR, MARKET, MIN_STAKE, MemoryChain, PROGRAM};
use super::node::{ScriptedNode, signing_key};

pub(crate) const MODEL: &str = "test-model";

/// Price of the cheapest node; the input weighs 1 and the output 4.
pub(crate) const PRICE: TokenPrice = TokenPrice(1_000);

/// What the owner reserves unless a test says otherwise: 10 USDC.
pub(crate) const RESERVED: Amount = Amount(10_000_000);

const SIGNER_SEED: u8 = 101;
const OWNER_SEED: u8 = 102;

/// Ends with the test: dropping it drops every socket and the runtime ends the rest.
pub(crate) struct World {
    pub(crate) chain: Arc<MemoryChain>,
    pub(crate) coordinator: Coordinator,
    pub(crate) allowance: AllowanceId,
    pub(crate) client: Client,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With an attester of the test's.
    pub(crate) async fn start_attested(attester: Box<dyn Attester>) -> Self {
        Self::start_as(|_| {}, Some(attester)).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_as(change, None).await
    }

    async fn start_as(
        change: impl FnOnce(&mut Config),
        attester: Option<Box<dyn Attester>>,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let chain = Arc::new(MemoryChain::default());
        let signer = signing_key(SIGNER_SEED).public();
        chain.set_coordinator(signer);
        let config = config(&directory, change);
        let (on, clock) = (Arc::clone(&chain) as _, Arc::new(SystemClock));
        let coordinator = match attester {
            Some(attester) => Coordinator::start_with(config, on, clock, Some(attester)).await,
            None => Coordinator::start(config, on, clock).await,
        };
        let coordinator = coordinator.unwrap();
        let mut world = Self {
            chain,
            allowance: AllowanceId([21; 32]),
            client: Client {
                // Tests of TLS check certificates themselves.
                http: reqwest::Client::builder()
                    .no_proxy()
                    .danger_accept_invalid_certs(true)
                    .build()
                    .unwrap(),
                base_url: coordinator.report().base_url.clone(),
                key: None,
            },
            coordinator,
            _directory: directory,
        };
        world.chain.set_allowance(world.allowance, owner().public(), RESERVED);
        world.client.key = Some(world.create_key().await);
        world
    }

    /// Ends the coordinator in good order and starts it again over the same database.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same with another configuration.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Config)) -> Self {
        let Self { chain, coordinator, allowance, client, _directory: directory } = self;
        coordinator.shutdown().await;
        let config = config(&directory, change);
        let coordinator =
            Coordinator::start(config, Arc::clone(&chain) as _, Arc::new(SystemClock))
                .await
                .unwrap();
        let client = Client { base_url: coordinator.report().base_url.clone(), ..client };
        Self { chain, coordinator, allowance, client, _directory: directory }
    }

    /// The coordinator's signer.
    pub(crate) fn signer(&self) -> PublicKey {
        signing_key(SIGNER_SEED).public()
    }

    /// A registered and staked node that offers [`MODEL`].
    pub(crate) async fn node(&self, seed: u8, price: TokenPrice) -> ScriptedNode {
        let node = self.silent_node(seed).await;
        let answer = node.offer(MODEL, price).await;
        assert!(matches!(answer, CoordinatorMessage::AskAccepted { .. }), "{answer:?}");
        node
    }

    /// A registered and staked node that offers [`MODEL`] with every feature.
    pub(crate) async fn able_node(&self, seed: u8, price: TokenPrice) -> ScriptedNode {
        let node = self.silent_node(seed).await;
        let answer = node.offer_everything(MODEL, price).await;
        assert!(matches!(answer, CoordinatorMessage::AskAccepted { .. }), "{answer:?}");
        node
    }

    /// A registered and staked node that offers nothing yet.
    pub(crate) async fn silent_node(&self, seed: u8) -> ScriptedNode {
        let id = NodeId([seed; 32]);
        self.chain.set_node(id, signing_key(seed).public(), MIN_STAKE);
        self.dial(id, seed).await
    }

    /// Dials with a key, whatever the chain says.
    pub(crate) async fn dial(&self, id: NodeId, seed: u8) -> ScriptedNode {
        ScriptedNode::dial(self.coordinator.report().tunnel, id, seed, self.signer()).await
    }

    /// A new key on the world's allowance.
    pub(crate) async fn create_key(&self) -> String {
        let action = KeyAction::Create { allowance: self.allowance, label: "test".into() };
        let (status, body) = self.client.command(&command(action)).await;
        assert_eq!(status, 200, "{body}");
        body["key"].as_str().unwrap().to_owned()
    }

    /// Money held for requests in flight.
    pub(crate) fn held(&self) -> FineAmount {
        self.coordinator.accounts().balance(&self.allowance).unwrap().held
    }

    /// Money charged so far.
    pub(crate) fn spent(&self) -> FineAmount {
        self.coordinator.accounts().balance(&self.allowance).unwrap().spent
    }

    /// Waits until nothing is held any more.
    pub(crate) async fn settled(&self) {
        wait_until("nothing is held", PATIENCE, async || {
            (self.held() == FineAmount::ZERO).then_some(())
        })
        .await;
    }

    /// Waits for the receipt of a request.
    pub(crate) async fn receipt(&self, request: &str) -> Receipt {
        let id: RequestId = request.parse().unwrap();
        let stored = wait_until("there is a receipt", PATIENCE, async || {
            let found = self.coordinator.store().read(move |look| look.receipts_of(&id)).await;
            found.unwrap().pop()
        })
        .await;
        let receipt = Receipt::decode(&stored.bytes).unwrap();
        receipt.verify(&self.signer()).unwrap();
        receipt
    }

    /// Waits for all `count` receipts of a request, by segment.
    pub(crate) async fn receipts_of(&self, request: &str, count: usize) -> Vec<Receipt> {
        let id: RequestId = request.parse().unwrap();
        let stored = wait_until("all receipts are there", PATIENCE, async || {
            let found = self.coordinator.store().read(move |look| look.receipts_of(&id)).await;
            Some(found.unwrap()).filter(|found| found.len() >= count)
        })
        .await;
        assert_eq!(stored.len(), count);
        stored
            .iter()
            .map(|stored| {
                let receipt = Receipt::decode(&stored.bytes).unwrap();
                receipt.verify(&self.signer()).unwrap();
                receipt
            })
            .collect()
    }

    /// How many receipts there are.
    pub(crate) async fn receipts(&self) -> u64 {
        self.coordinator.store().read(|look| look.log_head()).await.unwrap().size
    }

    /// Nothing was charged and nothing is held.
    pub(crate) async fn assert_untouched(&self) {
        self.settled().await;
        assert_eq!(self.spent(), FineAmount::ZERO);
        assert_eq!(self.receipts().await, 0);
    }
}

/// The owner of the allowance.
pub(crate) fn owner() -> SigningKey {
    signing_key(OWNER_SEED)
}

/// A command of the owner, as it should be.
pub(crate) fn command(action: KeyAction) -> Signed<KeyCommand> {
    owner().sign(unsigned(action))
}

pub(crate) fn unsigned(action: KeyAction) -> KeyCommand {
    let mut nonce = [0; 16];
    rand::rng().fill_bytes(&mut nonce);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis();
    KeyCommand {
        deployment: MemoryChain::deployment().id(),
        coordinator: COORDINATOR,
        owner: owner().public(),
        issued: UnixMillis(u64::try_from(now).unwrap()),
        nonce,
        action,
    }
}

fn config(directory: &TempDir, change: impl FnOnce(&mut Config)) -> Config {
    let key_file = directory.path().join("signer.json");
    let mut bytes = vec![SIGNER_SEED; 32];
    bytes.extend_from_slice(signing_key(SIGNER_SEED).public().as_bytes());
    std::fs::write(&key_file, serde_json::to_vec(&bytes).unwrap()).unwrap();
    let mut config = Config::parse(&format!(
        r#"
        data_dir = {:?}
        signer_key_file = {key_file:?}
        [chain]
        rpc_url = "http://127.0.0.1:1"
        program_id = "{PROGRAM}"
        market = "{MARKET}"
        coordinator = "{COORDINATOR}"
        [http]
        listen = "127.0.0.1:0"
        drain = "1s"
        [tunnel]
        listen = "127.0.0.1:0"
        recheck = "50ms"
        [receipts]
        group_interval = "1ms"
        evidence_wait = "300ms"
        interrupted_wait = "500ms"
        [settlement]
        watch_interval = "20ms"
        [limits]
        queue = 0
        "#,
        directory.path().join("data"),
    ))
    .unwrap();
    change(&mut config);
    config
}

/// An HTTP client with a key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) key: Option<String>,
}

impl Client {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// The smallest request.
    pub(crate) fn request(stream: bool) -> Value {
        json!({
            "model": MODEL,
            "messages": [{ "role": "user", "content": "Say hello." }],
            "max_tokens": 50,
            "stream": stream,
        })
    }

    pub(crate) async fn chat(&self, body: &Value) -> reqwest::Response {
        self.post("/chat/completions", body.to_string()).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        let mut request =
            self.http.post(self.url(path)).header("content-type", "application/json").body(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn command(&self, command: &Signed<KeyCommand>) -> (u16, Value) {
        let command = base64::engine::general_purpose::STANDARD.encode(command.encode());
        let body = json!({ "command": command }).to_string();
        let response = self.post("/keys", body).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

/// The request id in a response's header.
pub(crate) fn request_id(response: &reqwest::Response) -> String {
    response.headers()["x-request-id"].to_str().unwrap().to_owned()
}

/// The data of each event of a stream, `[DONE]` included.
pub(crate) fn events(body: &str) -> Vec<&str> {
    body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect()
}
