//! A coordinator and the chain it settles on, as a command sees them.
//!
//! What the coordinator says about itself (`GET /v1/network`) is only where to look: everything that
//! matters is then read from the chain. The program is not its to choose: another program could hold
//! accounts that say anything.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pinaivu_chain::{
    AllowanceFilter, Chain, ChainError, ChainTime, Commitment, ConfirmOptions, ConfirmProgress,
    Coordinator, CoordinatorFilter, Delay, EscrowFilter, Instruction, Instructions, Keypair,
    Market, NodeFilter, PreparedTransaction, RpcChain, Signer, public_key,
};
use pinaivu_protocol::ids::{CoordinatorId, MarketId, ProgramId, PublicKey};
use pinaivu_protocol::units::Slot;
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
        expected(context, &url, &info)?;
        let chain = RpcChain::new(&context.rpc()?, info.program);
        Self::with(url, http, info, chain).await
    }

    /// As [`Self::open`]; when the coordinator cannot be asked, by what the chain itself shows of
    /// `wallet`, so that nobody's money waits for a coordinator to answer.
    pub(crate) async fn open_for(
        context: &ContextArgs,
        printer: Printer,
        wallet: &PublicKey,
    ) -> anyhow::Result<Self> {
        let error = match Self::open(context).await {
            Err(error) if context.rpc().is_ok() && Failure::is_unreachable(&error) => error,
            opened => return opened,
        };
        let program = context.program();
        let chain = RpcChain::new(&context.rpc()?, program);
        let Some(info) = discover(&chain, program, wallet).await.map_err(chain_failure)? else {
            return Err(error);
        };
        printer.step("the coordinator cannot be reached; going by the chain alone");
        let url = context.url().unwrap_or_default();
        Self::with(url, http_client()?, info, chain).await
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
        let account = self.coordinator_account(self.info.coordinator).await?;
        if account.market != self.info.market {
            return Err(Failure::check(format!(
                "coordinator {} is of market {}, it says it is of {}",
                account.id, account.market, self.info.market
            ))
            .into());
        }
        Ok(account)
    }

    /// The keys that may have signed what a coordinator says, today's first: of those that something is
    /// `said` to be signed by, the ones that the chain has a record of, and `former`, which the person
    /// vouches for.
    pub(crate) async fn signers(
        &self,
        account: &Coordinator,
        said: impl IntoIterator<Item = PublicKey>,
        former: &[PublicKey],
    ) -> anyhow::Result<Vec<PublicKey>> {
        let mut keys = [&[account.signer][..], former].concat();
        for key in said {
            if keys.contains(&key) {
                continue;
            }
            let retired = self.chain.retired_signer(&account.id, &key, Commitment::Confirmed).await;
            if retired.map_err(chain_failure)?.is_some() {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    /// A coordinator's account, from the chain.
    pub(crate) async fn coordinator_account(
        &self,
        id: CoordinatorId,
    ) -> anyhow::Result<Coordinator> {
        let found = self.chain.coordinator(id, Commitment::Confirmed).await;
        found
            .map_err(chain_failure)?
            .with_context(|| format!("coordinator {id} is not on this chain"))
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

/// Whether a coordinator is one that the person meant.
fn expected(context: &ContextArgs, url: &str, info: &NetworkInfo) -> Result<(), Failure> {
    let program = context.program();
    if info.program != program {
        return Err(Failure::check_with(
            format!(
                "{url} says it settles with program {}; the program you trust is {program}",
                info.program
            ),
            "if you know that program and mean it, name it with --program",
        ));
    }
    match context.coordinator_account {
        Some(account) if account != info.coordinator => Err(Failure::check_with(
            format!("{url} is coordinator {}, you expect {account}", info.coordinator),
            "check --url and --coordinator-account",
        )),
        _ => Ok(()),
    }
}

/// The market and the coordinator that a wallet's accounts name: those of its newest allowance, escrow or
/// node. Nothing when it has none of them.
async fn discover(
    chain: &RpcChain,
    program: ProgramId,
    wallet: &PublicKey,
) -> Result<Option<NetworkInfo>, ChainError> {
    let at = Commitment::Confirmed;
    let allowances = chain.allowances(AllowanceFilter::Owner(*wallet), at).await?;
    if let Some(newest) = allowances.iter().max_by_key(|allowance| allowance.opening_slot)
        && let Some(found) = chain.coordinator(newest.coordinator, at).await?
    {
        return Ok(Some(NetworkInfo { coordinator: found.id, market: found.market, program }));
    }
    let escrows = chain.escrows(EscrowFilter::Owner(*wallet), at).await?;
    let nodes = chain.nodes(NodeFilter::Operator(*wallet), at).await?;
    let owned = coordinators_of(chain, wallet).await?;
    let newest = |markets: &mut dyn Iterator<Item = (Slot, MarketId)>| markets.max().map(|it| it.1);
    let market = newest(&mut escrows.iter().map(|it| (it.opening_slot, it.market)))
        .or_else(|| newest(&mut nodes.iter().map(|it| (it.opening_slot, it.market))))
        .or_else(|| newest(&mut owned.iter().map(|it| (it.opening_slot, it.market))));
    let Some(market) = market else { return Ok(None) };
    // Only what is reserved names a coordinator; for everything else any of the market will do.
    let any = match owned.into_iter().find(|it| it.market == market) {
        Some(own) => Some(own),
        None => chain.coordinators(CoordinatorFilter::Market(market), at).await?.into_iter().next(),
    };
    Ok(any.map(|any| NetworkInfo { coordinator: any.id, market, program }))
}

/// The coordinators that a wallet is the cold authority of.
pub(crate) async fn coordinators_of(
    chain: &RpcChain,
    wallet: &PublicKey,
) -> Result<Vec<Coordinator>, ChainError> {
    chain.coordinators(CoordinatorFilter::Authority(*wallet), Commitment::Confirmed).await
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

/// Whether `delay` has passed since `start`. With `wait`, waits until it has; otherwise says how long it
/// will be.
pub(crate) async fn wait_for_delay(
    network: &Network,
    printer: Printer,
    delay: Delay,
    start: ChainTime,
    wait: bool,
) -> anyhow::Result<bool> {
    loop {
        let now = network.chain.position(Commitment::Confirmed).await.map_err(chain_failure)?.time;
        if delay.has_passed(start, now) {
            return Ok(true);
        }
        let seconds = i64::try_from(delay.seconds).unwrap_or(i64::MAX);
        let left = start.unix.0.saturating_add(seconds).saturating_sub(now.unix.0).max(1);
        if !wait {
            printer.step(format_args!(
                "the money can leave in about {left} s; run the same command then, or use --wait"
            ));
            return Ok(false);
        }
        printer.step(format_args!("waiting for the delay, {left} s left"));
        tokio::time::sleep(Duration::from_secs(u64::try_from(left.clamp(1, 30))?)).await;
    }
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

/// Longest answer of a coordinator that is read: its documents have at most
/// [`pinaivu_log::bundle::MAX_DOCUMENT_BYTES`], its pages are shorter.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read_body(
    url: &str,
    mut response: reqwest::Response,
    limit: usize,
) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(url, &error))? {
        if body.len().saturating_add(chunk.len()) > limit {
            bail!("{url} answers with more than {limit} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
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
    let body = read_body(url, response, MAX_ANSWER_BYTES).await?;
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
