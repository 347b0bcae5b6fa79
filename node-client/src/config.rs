//! What an operator decides: one typed structure, read from TOML and then overlaid from the
//! environment variables of [`ENVIRONMENT`], the only ones this process reads.
//!
//! A field nobody knows is an error, so a misspelt limit never means "no limit". Money is written as
//! decimal text, never as a float. Nothing here touches the network.

mod environment;
mod money;

pub use environment::{ENVIRONMENT, EnvironmentVariable, log_filter};
pub use money::{MoneyError, parse_usdc};

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinaivu_protocol::ask::{Features, MAX_MODEL_LENGTH};
use pinaivu_protocol::ids::{CoordinatorId, NodeId, ProgramId};
use pinaivu_protocol::units::{Amount, TokenPrice};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Everything `pinaivu-node run` needs to know.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The `Node` account this process serves for.
    pub node: NodeId,
    /// The hot key, a Solana key file; made when missing.
    #[serde(default = "default_key_file")]
    pub key_file: PathBuf,
    /// Where the proof journal lives.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// The cluster.
    pub chain: ChainConfig,
    /// Whom to serve; at least one.
    pub coordinators: Vec<CoordinatorConfig>,
    /// The inference server.
    pub backend: BackendConfig,
    /// What to charge.
    pub pricing: PricingConfig,
    /// Which models to offer; when empty, every model the backend lists.
    #[serde(default)]
    pub models: Vec<ModelConfig>,
    /// Limits on serving.
    #[serde(default)]
    pub serving: ServingConfig,
    /// Limits on the proof journal.
    #[serde(default)]
    pub journal: JournalConfig,
    /// When to claim earnings.
    #[serde(default)]
    pub claims: ClaimsConfig,
    /// When to demand from the guarantee bond what is not credited.
    #[serde(default)]
    pub demands: DemandsConfig,
    /// What coordinators must prove about their code.
    #[serde(default)]
    pub attestation: AttestationConfig,
    /// The door for clients that are sent here; absent: none.
    pub public: Option<PublicConfig>,
}

/// A public address, for answers that go straight to clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicConfig {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What clients are sent to, `https://` and what comes before `/v1`; when absent, the address above.
    /// Coordinators take `http://` only for their own machine.
    pub url: Option<String>,
    /// PEM file of the certificate and those that lead to its root; absent: a proxy in front ends TLS.
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file of its private key.
    pub tls_key_file: Option<PathBuf>,
}

/// The cluster the accounts live on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainConfig {
    /// JSON-RPC URL.
    pub rpc_url: String,
    /// The deployed program.
    pub program: ProgramId,
    /// Seconds between looks at accounts.
    #[serde(default = "default_poll_seconds")]
    pub poll_seconds: u64,
}

/// One coordinator to serve.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorConfig {
    /// Its account.
    pub id: CoordinatorId,
    /// `host:port` of its tunnel listener; when absent, what its account says.
    pub endpoint: Option<String>,
}

/// Which software the inference server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendKind {
    /// Found out by probing.
    #[default]
    Auto,
    /// llama.cpp's `llama-server`.
    LlamaCpp,
    /// vLLM.
    Vllm,
    /// Anything else with `/v1/models` and `/v1/chat/completions`.
    Openai,
}

/// The inference server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendConfig {
    /// Base URL without `/v1`, for example `http://127.0.0.1:8080`.
    pub url: String,
    /// Sent as bearer token, when the server wants one.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Which software it is.
    #[serde(default)]
    pub kind: BackendKind,
    /// Milliseconds between health checks.
    #[serde(default = "default_probe_millis")]
    pub probe_millis: u64,
    /// Longest silence of the server within an answer, its first byte included, in seconds.
    #[serde(default = "default_silence_seconds")]
    pub silence_seconds: u64,
}

/// What to charge.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PricingConfig {
    /// USDC for one million weighted tokens, as decimal text: `"0.25"`. The coordinator's catalogue
    /// says how a model's prompt and generated tokens weigh.
    #[serde(deserialize_with = "money::price")]
    pub usdc_per_million_tokens: TokenPrice,
}

/// One model to offer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// As clients name it.
    pub name: String,
    /// As the backend names it; the same when absent.
    pub backend_name: Option<String>,
    /// Instead of the price in `[pricing]`.
    #[serde(default, deserialize_with = "money::optional_price")]
    pub usdc_per_million_tokens: Option<TokenPrice>,
    /// Instead of what the backend says.
    pub context_length: Option<u32>,
    /// Instead of what is assumed of the backend.
    pub features: Option<Vec<FeatureName>>,
}

/// A feature by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureName {
    /// Chat completions.
    Chat,
    /// Tools and tool choice.
    Tools,
    /// Structured outputs.
    Structured,
    /// Log-probabilities.
    Logprobs,
    /// Image content parts.
    Images,
    /// Embeddings.
    Embeddings,
    /// Completions of a prompt as it is.
    Completions,
    /// Goes on with an assistant message that is not finished.
    Continuation,
}

impl FeatureName {
    /// The bit of this feature.
    #[must_use]
    pub const fn bit(self) -> Features {
        match self {
            Self::Chat => Features::CHAT,
            Self::Tools => Features::TOOLS,
            Self::Structured => Features::STRUCTURED,
            Self::Logprobs => Features::LOGPROBS,
            Self::Images => Features::IMAGES,
            Self::Embeddings => Features::EMBEDDINGS,
            Self::Completions => Features::COMPLETIONS,
            Self::Continuation => Features::CONTINUATION,
        }
    }
}

/// Limits on serving.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServingConfig {
    /// Most requests at once, over all coordinators.
    pub max_concurrent: usize,
    /// Longest request body in bytes.
    pub max_request_bytes: usize,
    /// Longest answer in bytes.
    pub max_answer_bytes: usize,
    /// Most work per coordinator, in USDC as decimal text, that is not yet credited on chain; above it
    /// the node stops serving that coordinator.
    #[serde(deserialize_with = "money::usdc")]
    pub max_unpaid_usdc: Amount,
    /// Also stop at what the coordinator's bond guarantees this node on chain: then nothing is ever earned
    /// that could not be demanded.
    pub within_guarantee: bool,
    /// Seconds an ask stands; renewed at half of it.
    pub ask_seconds: u64,
    /// Seconds that running answers get to finish when the node stops.
    pub grace_seconds: u64,
}

impl Default for ServingConfig {
    fn default() -> Self {
        Self {
            max_concurrent: 256,
            max_request_bytes: 16 * 1024 * 1024,
            max_answer_bytes: 4 * 1024 * 1024,
            max_unpaid_usdc: Amount(100_000_000),
            within_guarantee: false,
            ask_seconds: 60,
            grace_seconds: 10,
        }
    }
}

/// Limits on the proof journal.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JournalConfig {
    /// Bytes of proofs without a receipt above which the node stops serving: work that could not be
    /// shown again after a crash is not taken on.
    pub max_bytes: u64,
    /// Days after which a proof that never got a receipt is given up, with a warning.
    pub max_age_days: u64,
    /// Seconds after which a proof without a receipt is presented again on a live tunnel.
    pub represent_seconds: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { max_bytes: 1024 * 1024 * 1024, max_age_days: 30, represent_seconds: 30 }
    }
}

/// When to claim earnings.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimsConfig {
    /// Whether this process claims at all; anyone else may do it in its place.
    pub enabled: bool,
    /// Claim as soon as this much, in USDC as decimal text, is credited and not yet paid.
    #[serde(deserialize_with = "money::usdc")]
    pub threshold_usdc: Amount,
    /// Claim anything at all once this many seconds have passed since the last claim.
    pub interval_seconds: u64,
    /// Key file of whoever pays the transaction fee; the hot key when absent.
    pub fee_payer: Option<PathBuf>,
}

impl Default for ClaimsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold_usdc: Amount(1_000_000),
            interval_seconds: 24 * 60 * 60,
            fee_payer: None,
        }
    }
}

/// When to demand from a coordinator's guarantee bond what it does not credit.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DemandsConfig {
    /// Whether this process demands at all; `pinaivu node demand` does it by hand.
    pub enabled: bool,
    /// Demand once credit has stayed behind what a receipt promised for this many seconds.
    pub after_seconds: u64,
}

impl Default for DemandsConfig {
    fn default() -> Self {
        Self { enabled: true, after_seconds: 60 * 60 }
    }
}

/// What coordinators must prove about their code.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttestationConfig {
    /// When a coordinator must show evidence before it is served.
    pub require: Requirement,
}

/// When a coordinator must show attestation evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// When the market has a list of measurements on chain; a market without one, such as a local one,
    /// does not use attestation.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never; what is shown is still looked at and logged.
    Never,
}

/// Text that is never shown and is wiped when dropped.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML of this shape.
    #[error("{path} is not a valid node configuration:\n{source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// An environment variable has a value that cannot be used.
    #[error("environment variable {0} is not usable Unicode text")]
    Environment(&'static str),
    /// A value that parses but makes no sense.
    #[error("{field}: {problem}")]
    Value {
        /// The field, as written in the file.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Config {
    /// Reads `path`, overlays the process environment and checks the result.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_path_buf(), source })?;
        let mut config = Self::parse(&text, path)?;
        environment::overlay(&mut config, environment::read)?;
        config.validate()?;
        Ok(config)
    }

    /// Reads TOML text; `path` is for messages only. Neither overlays nor checks.
    ///
    /// # Errors
    /// [`ConfigError::Parse`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|source| ConfigError::Parse {
            path: path.to_path_buf(),
            source: Box::new(source),
        })
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first field that makes no sense.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |field, problem: String| Err(ConfigError::Value { field, problem });
        if self.coordinators.is_empty() {
            return invalid("coordinators", "name at least one [[coordinators]]".to_owned());
        }
        for (place, coordinator) in self.coordinators.iter().enumerate() {
            if self.coordinators.iter().take(place).any(|other| other.id == coordinator.id) {
                return invalid("coordinators.id", format!("{} is listed twice", coordinator.id));
            }
        }
        match self.backend.url.parse::<http::Uri>() {
            Ok(uri)
                if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => {}
            _ => {
                let problem = format!("{:?} is not an http:// or https:// URL", self.backend.url);
                return invalid("backend.url", problem);
            }
        }
        if let Some(public) = &self.public
            && public.tls_cert_file.is_some() != public.tls_key_file.is_some()
        {
            let problem = "a certificate needs its tls_key_file, and it one".to_owned();
            return invalid("public.tls_cert_file", problem);
        }
        for (place, model) in self.models.iter().enumerate() {
            if model.name.is_empty() || model.name.len() > MAX_MODEL_LENGTH {
                return invalid("models.name", format!("must have 1 to {MAX_MODEL_LENGTH} bytes"));
            }
            if self.models.iter().take(place).any(|other| other.name == model.name) {
                return invalid("models.name", format!("{:?} is listed twice", model.name));
            }
        }
        for (field, value) in [
            ("backend.probe_millis", self.backend.probe_millis),
            ("backend.silence_seconds", self.backend.silence_seconds),
            ("chain.poll_seconds", self.chain.poll_seconds),
            ("serving.ask_seconds", self.serving.ask_seconds),
            ("serving.max_concurrent", self.serving.max_concurrent as u64),
            ("journal.represent_seconds", self.journal.represent_seconds),
        ] {
            if value == 0 {
                return invalid(field, "must be at least 1".to_owned());
            }
        }
        Ok(())
    }

    /// Longest silence of the backend.
    #[must_use]
    pub const fn backend_silence(&self) -> Duration {
        Duration::from_secs(self.backend.silence_seconds)
    }
}

fn default_key_file() -> PathBuf {
    PathBuf::from("node-key.json")
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("node-data")
}

const fn default_poll_seconds() -> u64 {
    5
}

const fn default_probe_millis() -> u64 {
    2_000
}

const fn default_silence_seconds() -> u64 {
    300
}

#[cfg(test)]
mod tests;
