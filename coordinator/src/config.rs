//! Everything a coordinator can be told, as one typed structure read once at start.
//!
//! The file is TOML; unknown keys are errors. Environment variables override single keys, and the
//! only ones read are those in [`ENVIRONMENT`], [`LOG_VARIABLE`] and, for a bucket, those that begin with
//! [`STORAGE_PREFIX`]. Times are written as a number and a unit: `250ms`,
//! `10s`, `5m`. The signer's key is not in here, only the path of its file.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinaivu_attestation::AttesterChoice;
use pinaivu_log::note::{NoteKey, SignatureType};
use pinaivu_protocol::ids::{CoordinatorId, MarketId, ProgramId};
use pinaivu_protocol::units::TokenCount;
use serde::{Deserialize, Deserializer, Serialize};

/// Environment variables that override the file: name, key, meaning. Beside them only
/// [`LOG_VARIABLE`] is read.
pub const ENVIRONMENT: [(&str, &str, &str); 5] = [
    ("PINAIVU_HTTP_LISTEN", "http.listen", "address of the OpenAI API"),
    ("PINAIVU_TUNNEL_LISTEN", "tunnel.listen", "address nodes dial"),
    ("PINAIVU_RPC_URL", "chain.rpc_url", "Solana RPC"),
    ("PINAIVU_SIGNER_KEY_FILE", "signer_key_file", "key file of the coordinator's signer"),
    ("PINAIVU_DATA_DIR", "data_dir", "directory of the database"),
];

/// The environment variable with the log filter, for example `info,pinaivu_coordinator=debug`.
pub const LOG_VARIABLE: &str = "RUST_LOG";

/// What the variables of S3 begin with: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
/// `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP` and the others that [`object_store::aws::AmazonS3ConfigKey`]
/// lists. Read by that library, and only when `receipts.archive` is a bucket.
pub const STORAGE_PREFIX: &str = "AWS_";

/// A file that documents every key with its default; `pinaivu-coordinator config` prints it.
pub const EXAMPLE: &str = include_str!("../coordinator.example.toml");

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, a missing key or a value of the wrong type.
    #[error("{path}: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// An environment variable holds something else than its key takes.
    #[error("environment variable {name}: {message}")]
    Environment {
        /// Which variable.
        name: &'static str,
        /// What is wrong.
        message: String,
    },
    /// Values that are each possible, but not together, or not sensible.
    #[error("{key}: {message}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// What is wrong.
        message: &'static str,
    },
}

/// The whole configuration.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Directory of the database; made when missing.
    pub data_dir: PathBuf,
    /// Solana key file (a JSON array of 64 numbers) of the coordinator's hot signer.
    pub signer_key_file: PathBuf,
    /// Threads that serve requests: 0 for one on each processor, but only one where there are no more
    /// than two, which is what serves most there.
    #[serde(default)]
    pub threads: usize,
    /// The chain.
    pub chain: Chain,
    /// The OpenAI API.
    #[serde(default)]
    pub http: Http,
    /// The web application.
    #[serde(default)]
    pub web: Web,
    /// The nodes' door.
    #[serde(default)]
    pub tunnel: Tunnel,
    /// Receipts.
    #[serde(default)]
    pub receipts: Receipts,
    /// Settlement.
    #[serde(default)]
    pub settlement: Settlement,
    /// Attestation evidence.
    #[serde(default)]
    pub attestation: Attestation,
    /// How tokens of the models weigh.
    #[serde(default)]
    pub models: Models,
    /// What one request may ask for.
    #[serde(default)]
    pub limits: Limits,
    /// How long things may take.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// The chain and the accounts on it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Solana JSON-RPC.
    pub rpc_url: String,
    /// The deployed program.
    pub program_id: ProgramId,
    /// The market this coordinator serves.
    pub market: MarketId,
    /// This coordinator's account, registered beforehand; its signer must be the key in
    /// `signer_key_file`.
    pub coordinator: CoordinatorId,
}

/// The OpenAI API.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Base URL shown to people when it is not `http://{listen}`.
    pub public_url: Option<String>,
    /// Hosts, with port if any, whose pages may sign wallets in, besides that of the base URL.
    pub domains: Vec<String>,
    /// PEM file of the certificate and those that lead to its root; absent: no TLS here.
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub tls_key_file: Option<PathBuf>,
    /// Proxies whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// How long running streams may take to end at shutdown.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub drain: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            domains: Vec::new(),
            tls_cert_file: None,
            tls_key_file: None,
            trusted_proxies: Vec::new(),
            drain: Duration::from_secs(30),
        }
    }
}

/// The web application and what it tells browsers.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// Directory of the built application; absent: none is served.
    pub dir: Option<PathBuf>,
    /// Solana JSON-RPC for browsers. Not the coordinator's own, when that has a secret in it.
    pub rpc_url: Option<String>,
    /// The same, for subscriptions.
    pub rpc_ws_url: Option<String>,
    /// Where a development chain gives away tokens.
    pub faucet: Option<String>,
    /// Whether the chain is one for development, whose money is worth nothing.
    pub local: bool,
}

/// The nodes' door.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tunnel {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Most requests in flight on one node.
    pub requests_per_node: u16,
    /// Most nodes connected at once.
    pub max_nodes: u32,
    /// After how long a silence to ping a node, and how long to wait for anything then.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub keep_alive: Duration,
    /// How often a connected node's account is read again.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub recheck: Duration,
}

impl Default for Tunnel {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            requests_per_node: 128,
            max_nodes: 4096,
            keep_alive: Duration::from_secs(10),
            recheck: Duration::from_secs(15),
        }
    }
}

/// Receipts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Receipts {
    /// How long drafts are gathered before one durable write.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub group_interval: Duration,
    /// How long to wait for the node's signed root before a receipt is made without it.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub evidence_wait: Duration,
    /// How long to wait for a node's own count of an answer that was cut off.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub interrupted_wait: Duration,
    /// How many of the newest receipts stay in the database; older ones that the chain covers go into the
    /// archive. 0: all stay.
    pub keep_hot: u64,
    /// The archive: `s3://BUCKET/PREFIX` on anything that speaks S3; absent: files beside the database.
    /// Credentials, region and endpoint come from the variables that begin with [`STORAGE_PREFIX`].
    pub archive: Option<String>,
    /// Witnesses whose cosignatures on the log's heads are taken and served: `NAME+ID+KEY`.
    #[serde(deserialize_with = "witnesses", serialize_with = "witness_texts")]
    pub witnesses: Vec<NoteKey>,
    /// Witnesses that are brought every new head; their cosignatures are taken too.
    pub submit: Vec<WitnessSubmission>,
    /// How often they are.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub submit_interval: Duration,
}

/// A witness that takes heads by HTTP (C2SP `tlog-witness`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSubmission {
    /// Its submission prefix: `/add-checkpoint` is below it.
    pub url: String,
    /// Its key: `NAME+ID+KEY`.
    #[serde(deserialize_with = "witness", serialize_with = "witness_text")]
    pub key: NoteKey,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            group_interval: Duration::from_millis(20),
            evidence_wait: Duration::from_secs(2),
            interrupted_wait: Duration::from_secs(5),
            keep_hot: 0,
            archive: None,
            witnesses: Vec::new(),
            submit: Vec::new(),
            submit_interval: Duration::from_secs(10),
        }
    }
}

/// Settlement.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settlement {
    /// How often totals are carried to the chain, when there is something to carry.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub interval: Duration,
    /// How often allowances and this coordinator's account are read.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub watch_interval: Duration,
}

impl Default for Settlement {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), watch_interval: Duration::from_secs(2) }
    }
}

/// Attestation evidence.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attestation {
    /// What makes it. Development evidence is only for chains whose money is worth nothing (`web.local`).
    pub attester: AttesterChoice,
    /// Intel's collateral for TDX quotes, JSON; read again for every quote.
    pub collateral: Option<PathBuf>,
    /// How long receipts name the same evidence.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub renew: Duration,
}

impl Default for Attestation {
    fn default() -> Self {
        Self {
            attester: AttesterChoice::Auto,
            collateral: None,
            // A Nitro certificate lives for three hours.
            renew: Duration::from_secs(30 * 60),
        }
    }
}

/// How one model's tokens weigh, so that an ask is a single price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Weight of one prompt token.
    pub input_weight: u16,
    /// Weight of one generated token.
    pub output_weight: u16,
}

impl Default for Weights {
    fn default() -> Self {
        Self { input_weight: 1, output_weight: 4 }
    }
}

/// Weights of all models.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Models {
    /// For models not named below.
    pub default: Weights,
    /// By model name.
    pub named: BTreeMap<String, Weights>,
    /// By model name: a GGUF file of it, or a directory with its `tokenizer.json`. What nodes count for
    /// these models is counted again.
    pub tokenizers: BTreeMap<String, PathBuf>,
}

impl Models {
    /// The weights of `model`.
    #[must_use]
    pub fn weights(&self, model: &str) -> Weights {
        self.named.get(model).copied().unwrap_or(self.default)
    }
}

/// What one request may ask for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Longest request body, in bytes.
    pub body_bytes: usize,
    /// Bytes of all bodies that are being read or served at once; requests beyond are refused.
    pub bodies_bytes: usize,
    /// Longest answer, in bytes: of a unary one all of it, of a stream what it says.
    pub answer_bytes: usize,
    /// Tokens generated at most when a request does not say, for each choice.
    pub default_max_tokens: TokenCount,
    /// Most tokens one request may ask for, over all its choices.
    pub max_tokens: TokenCount,
    /// Most choices (`n`) in one request.
    pub choices: u16,
    /// Prompt tokens a chat template may add beyond one for each byte of the body.
    pub template_tokens: TokenCount,
    /// Prompt tokens one image may count for.
    pub image_tokens: TokenCount,
    /// Nodes tried for one request before it fails.
    pub attempts: u16,
    /// Requests served at once, over all nodes.
    pub concurrent_requests: usize,
    /// Requests that may wait for a node to have room; 0: none waits.
    pub queue: usize,
    /// The same for one allowance.
    pub queue_per_allowance: usize,
    /// Bytes of the bodies of those that wait, together.
    pub queue_bytes: usize,
    /// Tickets of one allowance that clients carry to nodes themselves, at once; requests beyond pass
    /// through here. 0: all do.
    pub direct_per_allowance: usize,
    /// Connections of clients at once; further ones are closed.
    pub connections: usize,
    /// Requests a minute from one address for what costs nothing, keys that open nothing included; 0: as
    /// many as it likes.
    pub address_requests_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 8 * 1024 * 1024,
            bodies_bytes: 512 * 1024 * 1024,
            answer_bytes: 16 * 1024 * 1024,
            default_max_tokens: TokenCount(4096),
            max_tokens: TokenCount(131_072),
            choices: 16,
            template_tokens: TokenCount(256),
            image_tokens: TokenCount(4096),
            attempts: 3,
            concurrent_requests: 8192,
            queue: 1024,
            queue_per_allowance: 64,
            queue_bytes: 64 * 1024 * 1024,
            direct_per_allowance: 16,
            connections: 16_384,
            address_requests_per_minute: 6_000,
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From dispatch to a node's first byte; then the next node is tried.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub first_byte: Duration,
    /// For one node's whole answer without a stream, where another node can be asked instead; never more
    /// than half of the time that is left.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub unary: Duration,
    /// Between two pieces of a stream.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub idle: Duration,
    /// For a whole request.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub total: Duration,
    /// For a node's report of an answer that the client fetched itself, after the request's time is over.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub report: Duration,
    /// How long a client may leave an answer unread before it counts as gone.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub client_stall: Duration,
    /// For a node to have room, where a request waits for one.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub queue: Duration,
    /// For a client to send the head of a request; an idle connection is closed after it too.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub request_head: Duration,
    /// For a client to send its request body.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub request_body: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            unary: Duration::from_secs(300),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(600),
            report: Duration::from_secs(10),
            client_stall: Duration::from_secs(60),
            queue: Duration::from_secs(10),
            request_head: Duration::from_secs(30),
            request_body: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// Reads `path` and the environment, and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let mut config = Self::parse(&text)
            .map_err(|source| ConfigError::Parse { path: path.into(), source: Box::new(source) })?;
        config.apply_environment(variable)?;
        config.check()?;
        Ok(config)
    }

    /// Reads TOML text alone.
    ///
    /// # Errors
    /// The parser's, with line and column.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    fn apply_environment(
        &mut self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        for (name, key, _) in ENVIRONMENT {
            let Some(value) = variable(name) else { continue };
            let address = || {
                value.parse::<SocketAddr>().map_err(|_| ConfigError::Environment {
                    name,
                    message: format!("{value:?} is not ADDRESS:PORT"),
                })
            };
            match key {
                "http.listen" => self.http.listen = address()?,
                "tunnel.listen" => self.tunnel.listen = address()?,
                "chain.rpc_url" => self.chain.rpc_url = value,
                "signer_key_file" => self.signer_key_file = value.into(),
                _ => self.data_dir = value.into(),
            }
        }
        Ok(())
    }

    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key, message| Err(ConfigError::Invalid { key, message });
        let weights = self.models.named.values().chain([&self.models.default]);
        for weight in weights {
            if weight.input_weight == 0 || weight.output_weight == 0 {
                return invalid("models", "a weight of 0 would make tokens free");
            }
        }
        if self.http.tls_cert_file.is_some() != self.http.tls_key_file.is_some() {
            return invalid(
                "http.tls_cert_file",
                "a certificate needs its tls_key_file, and it one",
            );
        }
        if self.limits.attempts == 0 {
            return invalid("limits.attempts", "at least one node must be tried");
        }
        if self.limits.bodies_bytes < self.limits.body_bytes {
            return invalid("limits.bodies_bytes", "must be at least limits.body_bytes");
        }
        if self.limits.connections == 0 {
            return invalid("limits.connections", "at least one client must be able to connect");
        }
        if self.limits.choices == 0 {
            return invalid("limits.choices", "at least one choice must be allowed");
        }
        if self.limits.default_max_tokens.get() == 0
            || self.limits.default_max_tokens > self.limits.max_tokens
        {
            return invalid("limits.default_max_tokens", "must be from 1 to limits.max_tokens");
        }
        if self.receipts.archive.as_ref().is_some_and(|url| !url.starts_with("s3://")) {
            return invalid("receipts.archive", "must be s3://BUCKET/PREFIX, or not be there");
        }
        if self.tunnel.requests_per_node == 0 {
            return invalid("tunnel.requests_per_node", "must be at least 1");
        }
        if self.attestation.attester == AttesterChoice::Development && !self.web.local {
            return invalid(
                "attestation.attester",
                "development evidence proves nothing; it is for local chains only (web.local)",
            );
        }
        if self.attestation.renew.is_zero() {
            return invalid("attestation.renew", "must be longer than nothing");
        }
        let t = &self.timeouts;
        let times = [
            t.first_byte,
            t.unary,
            t.idle,
            t.total,
            t.client_stall,
            t.queue,
            t.request_head,
            t.request_body,
        ];
        if times.contains(&Duration::ZERO) {
            return invalid("timeouts", "a time-out of zero would fail every request");
        }
        Ok(())
    }
}

/// The log filter, when one is set.
#[must_use]
pub fn log_filter() -> Option<String> {
    variable(LOG_VARIABLE)
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `250ms`, `10s` or `5m`.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text)
        .ok_or_else(|| serde::de::Error::custom("expected a time such as 250ms, 10s or 5m"))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

fn duration_text<S: serde::Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{}ms", value.as_millis()))
}

/// Keys of witnesses in their usual text form.
fn witnesses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<NoteKey>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts.iter().map(|text| parse_witness(text)).collect()
}

fn witness<'de, D: Deserializer<'de>>(from: D) -> Result<NoteKey, D::Error> {
    parse_witness(&String::deserialize(from)?)
}

fn parse_witness<E: serde::de::Error>(text: &str) -> Result<NoteKey, E> {
    match NoteKey::parse(text) {
        Ok(key) if key.kind() == SignatureType::Cosignature => Ok(key),
        _ => Err(E::custom(format!(
            "'{text}' is not the key of a witness: NAME+ID+KEY, as `pinaivu witness` prints it"
        ))),
    }
}

fn witness_text<S: serde::Serializer>(key: &NoteKey, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(key)
}

fn witness_texts<S: serde::Serializer>(keys: &[NoteKey], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(keys.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests;
