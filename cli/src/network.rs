//! A coordinator and the chain it settles on, as a command sees them.
//!
//! What the coordinator says about itself (`GET /v1/network`) is only where to look: everything that
//! matters is then read from the chain.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pinaivu_chain::{
    Chain, ChainError, Commitment, ConfirmOptions, ConfirmProgress, Coordinator, Instruction,
    Instructions, Keypair, Market, PreparedTransaction, RpcChain, Signer, public_key,
};
use pinaivu_protocol::ids::{CoordinatorId, MarketId, ProgramId, PublicKey};
use serde::Deserialize;

use crate::context::ContextArgs;
use crate::output::{Failure, Printer};

/// What a coordinator says about itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct NetworkInfo {
    /// Its account.
    pub coordinator: CoordinatorId,
    /// The market it settles in.
    pub market: MarketId,
    /// The program.
    pub program: ProgramId,
}

/// A coordinator and its chain.
pub(crate) struct Network {
    /// The coordinator's address without a slash at the end.
    pub url: String,
    /// For the coordinator.
    pub http: reqwest::Client,
    /// What it says about itself.
    pub info: NetworkInfo,
    /// The chain.
    pub chain: RpcChain,
    /// The market, read from the chain.
    pub market: Market,
    /// Builds instructions for it.
    pub instructions: Instructions,
}

impl Network {
    /// Asks the coordinator who it is and reads its market from the chain.
    pub(crate) async fn open(context: &ContextArgs) -> anyhow::Result<Self> {
        let url = context.url()?;
        let http = http_client()?;
        let info: NetworkInfo = get_json(&http, &format!("{url}/v1/network")).await?;
        let chain = RpcChain::new(&context.rpc()?, info.program);
        Self::with(url, http, info, chain).await
    }

    /// Reads the market from the chain.
    pub(crate) async fn with(
        url: String,
        http: reqwest::Client,
        info: NetworkInfo,
        chain: RpcChain,
    ) -> anyhow::Result<Self> {
        let market =
            chain.market(info.market, Commitment::Confirmed).await.map_err(chain_failure)?;
        let Some(market) = market else {
            return Err(Failure::not_found(
                format!("the coordinator names market {}, which is not on this chain", info.market),
                "check that --rpc is the cluster this coordinator settles on",
            )
            .into());
        };
        let instructions = Instructions::new(info.program, &market);
        Ok(Self { url, http, info, chain, market, instructions })
    }

    /// The coordinator's account, from the chain.
    pub(crate) async fn coordinator(&self) -> anyhow::Result<Coordinator> {
        let found = self.chain.coordinator(self.info.coordinator, Commitment::Confirmed).await;
        found
            .map_err(chain_failure)?
            .with_context(|| format!("coordinator {} is not on this chain", self.info.coordinator))
    }

    /// Sends one transaction and waits until it is confirmed; the first signer pays.
    pub(crate) async fn send(
        &self,
        printer: Printer,
        what: &str,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> anyhow::Result<PreparedTransaction> {
        send(&self.chain, printer, what, instructions, signers).await
    }
}

/// Sends one transaction and waits until it is confirmed, saying what it does and how far it is.
pub(crate) async fn send(
    chain: &RpcChain,
    printer: Printer,
    what: &str,
    instructions: &[Instruction],
    signers: &[&Keypair],
) -> anyhow::Result<PreparedTransaction> {
    let prepared = chain.prepare(instructions, signers).await.map_err(chain_failure)?;
    printer.step(format_args!("{what}: {}", prepared.signature));
    let progress = |progress: ConfirmProgress| match progress {
        ConfirmProgress::Retrying => printer.step("the chain cannot be reached; still trying"),
        ConfirmProgress::Submitted(count) if count > 1 => printer.step("sent again"),
        ConfirmProgress::Submitted(_) | ConfirmProgress::Landed(_) => {}
    };
    chain
        .confirm(&prepared, ConfirmOptions::default(), &progress)
        .await
        .map_err(chain_failure)
        .with_context(|| what.to_owned())?;
    Ok(prepared)
}

/// Reads a Solana key file.
pub(crate) fn read_keypair(path: &Path) -> anyhow::Result<Keypair> {
    let text = std::fs::read(path).map_err(|error| {
        Failure::failed(
            format!("cannot read the key file {}: {error}", path.display()),
            "give --wallet FILE, or make one with `solana-keygen new`",
        )
    })?;
    let bytes: Vec<u8> = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a Solana key file", path.display()))?;
    Keypair::try_from(bytes.as_slice())
        .map_err(|_| anyhow::anyhow!("{} does not hold a key pair", path.display()))
}

/// Writes a new key file that only its owner can read; keeps one that is there.
pub(crate) fn ensure_keypair(path: &Path) -> anyhow::Result<Keypair> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if path.exists() {
        return read_keypair(path);
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let pair = Keypair::new();
    let text = serde_json::to_vec(pair.to_bytes().as_slice())?;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&text)?;
    file.sync_all()?;
    Ok(pair)
}

/// The key pair's public half, in the protocol's type.
pub(crate) fn public(pair: &Keypair) -> PublicKey {
    public_key(&pair.pubkey())
}

/// A client that gives up on a coordinator that does not answer.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .tcp_nodelay(true)
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .build()?)
}

/// Reads JSON from the coordinator; its own error text on failure.
pub(crate) async fn get_json<T: serde::de::DeserializeOwned>(
    http: &reqwest::Client,
    url: &str,
) -> anyhow::Result<T> {
    let response = http.get(url).send().await.map_err(|error| unreachable(url, &error))?;
    read_json(url, response).await
}

/// The JSON of a response, or the error the coordinator gave.
pub(crate) async fn read_json<T: serde::de::DeserializeOwned>(
    url: &str,
    response: reqwest::Response,
) -> anyhow::Result<T> {
    let status = response.status();
    let body = response.bytes().await.map_err(|error| unreachable(url, &error))?;
    if !status.is_success() {
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = value["error"]["message"]
            .as_str()
            .map_or_else(|| String::from_utf8_lossy(&body).trim().to_owned(), str::to_owned);
        if status == reqwest::StatusCode::NOT_FOUND {
            return Err(Failure::not_found(message, "check the identifier and --url").into());
        }
        bail!("{message} (HTTP {status})");
    }
    serde_json::from_slice(&body).with_context(|| format!("{url} gave an unexpected answer"))
}

/// The coordinator cannot be reached.
pub(crate) fn unreachable(url: &str, error: &reqwest::Error) -> Failure {
    Failure::unreachable(
        format!("cannot reach {url}: {error}"),
        "check --url, and that the coordinator runs (`pinaivu up` for a local one)",
    )
}

/// Sorts a chain error into an exit code.
pub(crate) fn chain_failure(error: ChainError) -> anyhow::Error {
    match error {
        ChainError::Unreachable { .. } => {
            Failure::unreachable(error.to_string(), "check --rpc, and that the cluster is up")
                .into()
        }
        other => anyhow::Error::from(other),
    }
}
