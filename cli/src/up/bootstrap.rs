//! Opens what a network needs in a new market: coordinator, nodes, a funded wallet.
//!
//! Every step looks first whether its result is there, so a start that was interrupted, or one on a
//! chain that was kept, does only what is missing. All keys are made here and lie in the data directory.

use std::path::Path;

use anyhow::Context as _;
use pinaivu_chain::transaction::opening_slot;
use pinaivu_chain::{
    Chain, Commitment, CoordinatorFilter, CoordinatorProfile, Instructions, Keypair, NodeFilter,
    PayoutFilter, RpcChain,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, MarketId, NodeId, PublicKey};
use pinaivu_protocol::units::{Amount, Bps};
use serde_json::json;

use super::ChainReady;
use crate::escrow::Purse;
use crate::key::KeyView;
use crate::money::show;
use crate::network::{Network, NetworkInfo, ensure_keypair, http_client, public, read_json, send};
use crate::output::Printer;

/// What everyone gets to pay for transactions, in SOL.
const LAMPORTS_SOL: u64 = 10;
/// What the demo wallet gets.
const WALLET_USDC: Amount = Amount(100_000_000);
/// What it puts into its escrow, and reserves of that.
const DEPOSIT: Amount = Amount(50_000_000);
const ALLOWANCE: Amount = Amount(25_000_000);
pub(super) const STAKE: Amount = Amount(10_000_000);
const GUARANTEE_BOND: Amount = Amount(50_000_000);
/// What each node has of it: enough for the most nodes that a local network may have.
const GUARANTEE: Amount = Amount(3_000_000);
pub(super) const PENALTY_BOND: Amount = Amount(10_000_000);
/// The coordinator keeps 5 %.
const FEE: Bps = Bps(500);

/// The accounts of a running network.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    /// The market.
    pub market: MarketId,
    /// The coordinator.
    pub coordinator: CoordinatorId,
    /// The nodes, cheapest first.
    pub nodes: Vec<NodeAccount>,
    /// What the demo wallet reserved for the coordinator.
    pub allowance: AllowanceId,
}

/// One node's account.
#[derive(Clone, Debug)]
pub(crate) struct NodeAccount {
    /// `node-1`, `node-2`, …: also the name of its key file and log.
    pub name: String,
    /// Its account.
    pub id: NodeId,
}

/// Opens what is missing.
pub(crate) async fn run(
    printer: Printer,
    ready: &ChainReady,
    keys: &Path,
    nodes: u8,
) -> anyhow::Result<Accounts> {
    let chain = RpcChain::new(&ready.rpc_url, ready.program_id);
    let setup = Setup { printer, ready, keys, chain };
    let market = ready.market;
    let found = setup.chain.market(market, Commitment::Confirmed).await?;
    let found = found.context("the chain says it opened a market, and has none")?;
    let instructions = Instructions::new(ready.program_id, &found);
    let names: Vec<String> = (1..=nodes).map(|number| format!("node-{number}")).collect();
    let opened = open_accounts(&setup, &instructions, &names).await?;
    Ok(Accounts { market, coordinator: opened.0, nodes: opened.1, allowance: opened.2 })
}

/// Coordinator first, since the wallet's allowance names it; nodes meanwhile.
async fn open_accounts(
    setup: &Setup<'_>,
    instructions: &Instructions,
    names: &[String],
) -> anyhow::Result<(CoordinatorId, Vec<NodeAccount>, AllowanceId)> {
    let buyers = async {
        let coordinator = setup.coordinator(instructions).await?;
        let allowance = setup.wallet(instructions.market(), coordinator).await?;
        anyhow::Ok((coordinator, allowance))
    };
    let sellers = async {
        let mut nodes = Vec::new();
        for name in names {
            let id = setup.node(instructions, name).await?;
            nodes.push(NodeAccount { name: name.clone(), id });
        }
        anyhow::Ok(nodes)
    };
    let ((coordinator, allowance), nodes) = tokio::try_join!(buyers, sellers)?;
    setup.guarantees(instructions, coordinator, &nodes).await?;
    Ok((coordinator, nodes, allowance))
}

struct Setup<'a> {
    printer: Printer,
    ready: &'a ChainReady,
    keys: &'a Path,
    chain: RpcChain,
}

impl Setup<'_> {
    fn key(&self, name: &str) -> anyhow::Result<Keypair> {
        ensure_keypair(&self.keys.join(format!("{name}.json")))
    }

    /// Asks the faucet; only what is missing is sent.
    async fn fund(&self, to: &PublicKey, usdc: Amount) -> anyhow::Result<()> {
        let url = &self.ready.faucet_url;
        let body =
            json!({"address": to.to_string(), "sol": LAMPORTS_SOL, "usdc": usdc.to_usdc_string()});
        let response = http_client()?.post(url).json(&body).send().await.context("the faucet")?;
        let _: serde_json::Value = read_json(url, response).await?;
        Ok(())
    }

    /// The coordinator, registered and bonded when it is missing.
    async fn coordinator(&self, instructions: &Instructions) -> anyhow::Result<CoordinatorId> {
        let authority = self.key("coordinator-authority")?;
        let signer = self.key("coordinator")?;
        let who = public(&authority);
        let found = self
            .chain
            .coordinators(CoordinatorFilter::Authority(who), Commitment::Confirmed)
            .await?;
        if let Some(found) = found.first() {
            return Ok(found.id);
        }
        let bonds = GUARANTEE_BOND.saturating_add(PENALTY_BOND);
        let hot = public(&signer);
        tokio::try_join!(self.fund(&who, bonds), self.fund(&hot, Amount::ZERO))?;
        let slot = self.chain.position(Commitment::Confirmed).await?.time.slot;
        let profile = CoordinatorProfile {
            endpoint: "127.0.0.1".to_owned(),
            fee: FEE,
            measurement: Hash32::ZERO,
        };
        let (id, register) =
            instructions.coordinator_register(&who, &hot, opening_slot(slot), &profile);
        let bond = instructions.coordinator_bond(&id, &who, GUARANTEE_BOND, PENALTY_BOND);
        let what = "registering the coordinator";
        send(&self.chain, self.printer, what, &[register, bond], &[&authority, &signer]).await?;
        Ok(id)
    }

    /// The coordinator's bond stands for every node, an equal part for each that has none yet.
    async fn guarantees(
        &self,
        instructions: &Instructions,
        coordinator: CoordinatorId,
        nodes: &[NodeAccount],
    ) -> anyhow::Result<()> {
        let authority = self.key("coordinator-authority")?;
        let who = public(&authority);
        let at = Commitment::Confirmed;
        let known = self.chain.payouts(PayoutFilter::Coordinator(coordinator), at).await?;
        for node in nodes {
            if known.iter().any(|payout| payout.node == node.id) {
                continue;
            }
            let opened = [
                instructions.payout_open(&coordinator, &node.id, &who),
                instructions.guarantee_set(&coordinator, &who, &node.id, GUARANTEE),
            ];
            let what = format!("guaranteeing {} for {}", show(GUARANTEE), node.name);
            send(&self.chain, self.printer, &what, &opened, &[&authority]).await?;
        }
        Ok(())
    }

    /// A node with an operator of its own, registered and staked when it is missing.
    async fn node(&self, instructions: &Instructions, name: &str) -> anyhow::Result<NodeId> {
        let operator = self.key(&format!("{name}-operator"))?;
        let hot = self.key(name)?;
        let who = public(&operator);
        let found = self.chain.nodes(NodeFilter::Operator(who), Commitment::Confirmed).await?;
        if let Some(found) = found.first() {
            return Ok(found.id);
        }
        // The hot key pays for claims.
        let signer = public(&hot);
        tokio::try_join!(self.fund(&who, STAKE), self.fund(&signer, Amount::ZERO))?;
        let slot = self.chain.position(Commitment::Confirmed).await?.time.slot;
        let (id, register) = instructions.node_register(&who, &signer, &who, opening_slot(slot));
        let stake = instructions.node_stake(&id, &who, STAKE);
        let what = format!("registering {name}");
        send(&self.chain, self.printer, &what, &[register, stake], &[&operator, &hot]).await?;
        Ok(id)
    }

    /// The demo wallet with money, an escrow and an allowance, as far as they are missing.
    async fn wallet(
        &self,
        market: MarketId,
        coordinator: CoordinatorId,
    ) -> anyhow::Result<AllowanceId> {
        let wallet = self.key("wallet")?;
        let info = NetworkInfo { coordinator, market, program: self.ready.program_id };
        let chain = RpcChain::new(&self.ready.rpc_url, self.ready.program_id);
        let network = Network::with(String::new(), http_client()?, info, chain).await?;
        let purse = Purse { printer: self.printer, network: &network, wallet: &wallet };
        if let Some(allowance) = purse.allowance().await? {
            return Ok(allowance.id);
        }
        self.fund(&public(&wallet), WALLET_USDC).await?;
        purse.deposit(DEPOSIT).await?;
        purse.allow(ALLOWANCE, 30, None).await
    }
}

/// The demo wallet's API key: the one made before, or a new one.
pub(crate) async fn ensure_api_key(
    url: &str,
    info: NetworkInfo,
    rpc_url: &str,
    accounts: &Accounts,
    directory: &Path,
) -> anyhow::Result<String> {
    let path = directory.join("api-key.json");
    if let Ok(text) = std::fs::read(&path)
        && let Ok(view) = serde_json::from_slice::<KeyView>(&text)
        && let Some(key) = view.key
        && view.allowance == Some(accounts.allowance)
    {
        return Ok(key);
    }
    let wallet = ensure_keypair(&directory.join("keys/wallet.json"))?;
    let chain = RpcChain::new(rpc_url, info.program);
    let network = Network::with(url.to_owned(), http_client()?, info, chain).await?;
    // The coordinator sees a new allowance only once it is final on chain.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(45);
    let view = loop {
        match crate::key::create(&network, &wallet, accounts.allowance, "demo").await {
            Ok(view) => break view,
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
    };
    write_private(&path, &serde_json::to_vec_pretty(&view)?)?;
    view.key.context("the coordinator made a key without a secret")
}

fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    Ok(())
}
