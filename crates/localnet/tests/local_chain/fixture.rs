//! What the tests here share: a fast chain, wallets with money, and sending a transaction to its end.

use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::{
    Chain as _, ChainError, Commitment, ConfirmOptions, Delay, Instruction, Keypair,
    MarketParameters, RpcChain, Signer as _, public_key,
};
use pinaivu_localnet::{Localnet, LocalnetOptions};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::{Amount, Bps, Slot};

/// Twenty times as fast as a real cluster, so that finality takes less than a second.
pub(crate) fn fast() -> LocalnetOptions {
    LocalnetOptions { slot_time: Duration::from_millis(20), ..LocalnetOptions::default() }
}

/// One SOL.
pub(crate) const SOL: u64 = 1_000_000_000;

/// A key with its public half in the protocol's type.
pub(crate) struct Wallet {
    pub(crate) keypair: Keypair,
    pub(crate) key: PublicKey,
}

impl Wallet {
    /// With nothing on it.
    pub(crate) fn empty() -> Self {
        let keypair = Keypair::new();
        let key = public_key(&keypair.pubkey());
        Self { keypair, key }
    }

    /// With ten SOL and `usdc`.
    pub(crate) async fn funded(localnet: &Localnet, usdc: u64) -> Self {
        let wallet = Self::empty();
        localnet.faucet().give(&wallet.key, 10 * SOL, Amount(usdc)).await.unwrap();
        wallet
    }
}

/// How the tests wait.
pub(crate) fn patiently(commitment: Commitment) -> ConfirmOptions {
    ConfirmOptions { commitment, poll: Duration::from_millis(10), ..ConfirmOptions::default() }
}

/// Sends and waits until it is confirmed.
pub(crate) async fn send(
    chain: &Arc<RpcChain>,
    instructions: &[Instruction],
    signers: &[&Keypair],
) -> Result<Slot, ChainError> {
    let prepared = chain.prepare(instructions, signers).await?;
    chain.confirm(&prepared, patiently(Commitment::Confirmed), &|_| ()).await
}

/// Delays that a test can wait for.
pub(crate) const SHORT_DELAYS: MarketParameters = MarketParameters {
    fee_cap: Bps(1_000),
    exit_delay: Delay { slots: 2, seconds: 1 },
    unbond_delay: Delay { slots: 2, seconds: 1 },
    liveness: Delay { slots: 1, seconds: 1 },
    guarantee_delay: Delay { slots: 2, seconds: 2 },
    governance_delay: Delay { slots: 2, seconds: 2 },
    min_stake: Amount(1_000_000),
    min_bond: Amount(2_000_000),
};
