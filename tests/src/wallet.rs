//! People of a test besides the demo wallet: a key file, money from the local faucet, and the command
//! line with that wallet.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Output;

use anyhow::{Context as _, Result, bail};
use pinaivu_chain::{
    AccountMeta, Chain, Commitment, Instruction, Instructions, Keypair, Pubkey, RpcChain,
    Signer as _, public_key,
};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::Amount;
use serde_json::{Value, json};

use crate::network::Network;

/// Somebody with a wallet.
#[derive(Debug)]
pub struct Wallet<'a> {
    network: &'a Network,
    pair: Keypair,
    file: PathBuf,
}

impl<'a> Wallet<'a> {
    /// A new wallet with some SOL and `usdc`, for example `"5"`.
    ///
    /// # Errors
    /// When the faucet does not pay.
    pub async fn funded(network: &'a Network, name: &str, usdc: &str) -> Result<Self> {
        let pair = Keypair::new();
        let file = network.scratch().join(format!("{name}.json"));
        let mut out = std::fs::File::create_new(&file)?;
        out.write_all(&serde_json::to_vec(pair.to_bytes().as_slice())?)?;
        let body = json!({"address": pair.pubkey().to_string(), "sol": 10, "usdc": usdc});
        let paid = reqwest::Client::new().post(network.field("faucet_url")?).json(&body);
        let paid = paid.send().await.context("the faucet")?;
        if !paid.status().is_success() {
            bail!("the faucet: {}", paid.text().await?);
        }
        Ok(Self { network, pair, file })
    }

    /// Its key pair.
    #[must_use]
    pub const fn pair(&self) -> &Keypair {
        &self.pair
    }

    /// Its address.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        public_key(&self.pair.pubkey())
    }

    /// Runs the command line with this wallet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Result<Output> {
        self.network.cli(&self.with_wallet(arguments))
    }

    /// Runs the command line with this wallet and gives its JSON.
    ///
    /// # Errors
    /// When it fails.
    pub fn cli_json(&self, arguments: &[&str]) -> Result<Value> {
        self.network.cli_json(&self.with_wallet(arguments))
    }

    /// An API key over this wallet's allowance, once the coordinator sees the allowance as final.
    ///
    /// # Errors
    /// When none is made in time.
    pub async fn api_key(&self) -> Result<String> {
        let limit = std::time::Duration::from_secs(45);
        crate::eventually("an API key", limit, async || {
            let made = self.cli_json(&["key", "create", "--label", "test"]).ok();
            Ok(made.and_then(|made| made["key"].as_str().map(str::to_owned)))
        })
        .await
    }

    /// Sends one transaction that this wallet pays for and waits until it is confirmed.
    ///
    /// # Errors
    /// When the chain refuses it: [`pinaivu_chain::ChainError`].
    pub async fn send(&self, instructions: &[Instruction], others: &[&Keypair]) -> Result<()> {
        let chain = self.network.chain()?;
        let signers: Vec<&Keypair> =
            std::iter::once(&self.pair).chain(others.iter().copied()).collect();
        let prepared = chain.prepare(instructions, &signers).await?;
        chain.confirm(&prepared, Default::default(), &|_| {}).await?;
        Ok(())
    }

    /// Sends tokens to a token account as every wallet and exchange does: a plain transfer.
    ///
    /// # Errors
    /// When the chain refuses it.
    pub async fn transfer(&self, to: Pubkey, amount: Amount) -> Result<()> {
        let chain = self.network.chain()?;
        let market = chain.market(self.network.market()?, Commitment::Confirmed).await?;
        let market = market.context("the market is not on chain")?;
        let build = Instructions::new(self.network.field("program_id")?.parse()?, &market);
        // `TransferChecked` of the token program: 12, the amount, the mint's decimals.
        let data = [&[12][..], &amount.0.to_le_bytes(), &[6]].concat();
        let accounts = vec![
            AccountMeta::new(build.token_account(&self.public()), false),
            AccountMeta::new_readonly(market.mint, false),
            AccountMeta::new(to, false),
            AccountMeta::new_readonly(self.pair.pubkey(), true),
        ];
        self.send(&[Instruction { program_id: market.token_program, accounts, data }], &[]).await
    }

    fn with_wallet<'b>(&'b self, arguments: &[&'b str]) -> Vec<&'b str> {
        let file = self.file.to_str().unwrap_or_default();
        [&["--wallet", file], arguments].concat()
    }
}

/// Builds instructions for a network's market.
///
/// # Errors
/// When the market cannot be read.
pub async fn instructions(network: &Network, chain: &RpcChain) -> Result<Instructions> {
    let market = chain.market(network.market()?, Commitment::Confirmed).await?;
    let market = market.context("the market is not on chain")?;
    Ok(Instructions::new(network.field("program_id")?.parse()?, &market))
}
