//! The little of the chain that a node needs, behind one trait.
//!
//! [`SolanaView`] is the real one, over `pinaivu-chain`. Reads look at confirmed state. A claim is built
//! here and sent by its bytes, so that whoever sends can persist them first.

use std::sync::Arc;

use async_trait::async_trait;
use pinaivu_chain::{
    Chain, ChainError, ChainTime, Commitment, Delay, Instructions, Keypair, Market, Node, Payout,
    PreparedTransaction, Signature, TransactionStatus, ed25519, public_key,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, ProgramId, PublicKey};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::Amount;
use solana_signer::Signer as _;

/// What a node must know of a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatorFacts {
    /// Its hot key.
    pub signer: PublicKey,
    /// Where its account says that it is found.
    pub endpoint: String,
    /// The measurement that its account names; all zero when unattested.
    pub measurement: Hash32,
    /// The measurements on its market's list; empty where the market does not use attestation.
    pub listed: Vec<Hash32>,
}

/// What a node must know of its own account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// The key that must be this process's.
    pub signer: PublicKey,
    /// What is at stake.
    pub stake: Amount,
}

/// The chain as a node sees it. Accounts that do not exist read as nothing.
#[async_trait]
pub trait NodeChain: Send + Sync + 'static {
    /// Cluster and program.
    async fn deployment(&self) -> Result<DeploymentId, ChainError>;

    /// This node's account.
    async fn node(&self, node: NodeId) -> Result<Option<NodeFacts>, ChainError>;

    /// A coordinator's account.
    async fn coordinator(&self, id: CoordinatorId) -> Result<Option<CoordinatorFacts>, ChainError>;

    /// What a coordinator has credited and what was paid of it.
    async fn payout(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
    ) -> Result<Option<Payout>, ChainError>;

    /// A signed claim on a payout, its token account made when missing.
    async fn prepare_claim(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
        fee_payer: &Keypair,
    ) -> Result<PreparedTransaction, ChainError>;

    /// How long a demand waits in this node's market, and the chain's time now.
    async fn liveness(&self, node: NodeId) -> Result<(Delay, ChainTime), ChainError>;

    /// A signed demand for what `head` shows, by `payee`; nothing when the head is not under the
    /// coordinator's present key.
    async fn prepare_demand(
        &self,
        head: &Signed<ReceiptHead>,
        payee: &Keypair,
        fee_payer: &Keypair,
    ) -> Result<Option<PreparedTransaction>, ChainError>;

    /// A signed settlement of the open demand on `payout`, its token account made when missing.
    async fn prepare_demand_settlement(
        &self,
        payout: &Payout,
        fee_payer: &Keypair,
    ) -> Result<PreparedTransaction, ChainError>;

    /// Sends a transaction.
    async fn submit(&self, transaction: &PreparedTransaction) -> Result<(), ChainError>;

    /// What became of a transaction.
    async fn status(
        &self,
        signature: &Signature,
        last_valid_block_height: u64,
    ) -> Result<TransactionStatus, ChainError>;
}

/// A real cluster.
pub struct SolanaView {
    chain: Arc<dyn Chain>,
    program: ProgramId,
}

impl SolanaView {
    /// The accounts of `program` as `chain` shows them.
    #[must_use]
    pub fn new(chain: Arc<dyn Chain>, program: ProgramId) -> Self {
        Self { chain, program }
    }

    /// The node's account and its market.
    async fn account(&self, node: NodeId) -> Result<(Node, Market), ChainError> {
        let missing =
            |expected, address: [u8; 32]| ChainError::Missing { address: address.into(), expected };
        let account = self.chain.node(node, SEEN).await?.ok_or_else(|| missing("Node", node.0))?;
        let market = self
            .chain
            .market(account.market, SEEN)
            .await?
            .ok_or_else(|| missing("Market", account.market.0))?;
        Ok((account, market))
    }
}

const SEEN: Commitment = Commitment::Confirmed;

#[async_trait]
impl NodeChain for SolanaView {
    async fn deployment(&self) -> Result<DeploymentId, ChainError> {
        Ok(self.chain.deployment().await?.id())
    }

    async fn node(&self, node: NodeId) -> Result<Option<NodeFacts>, ChainError> {
        let account = self.chain.node(node, SEEN).await?;
        Ok(account.map(|account| NodeFacts { signer: account.signer, stake: account.stake }))
    }

    async fn coordinator(&self, id: CoordinatorId) -> Result<Option<CoordinatorFacts>, ChainError> {
        let Some(account) = self.chain.coordinator(id, SEEN).await? else { return Ok(None) };
        let listed = self.chain.measurements(account.market, SEEN).await?;
        Ok(Some(CoordinatorFacts {
            signer: account.signer,
            endpoint: account.endpoint,
            measurement: account.measurement,
            listed: listed.into_iter().map(|entry| entry.measurement).collect(),
        }))
    }

    async fn payout(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
    ) -> Result<Option<Payout>, ChainError> {
        self.chain.payout(coordinator, node, SEEN).await
    }

    async fn prepare_claim(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
        fee_payer: &Keypair,
    ) -> Result<PreparedTransaction, ChainError> {
        let (account, market) = self.account(node).await?;
        let build = Instructions::new(self.program, &market);
        let payer = public_key(&fee_payer.pubkey());
        let instructions = [
            build.create_token_account(&payer, &account.payout_owner),
            build.claim(&coordinator, &node, &account.payout_owner),
        ];
        self.chain.prepare(&instructions, &[fee_payer]).await
    }

    async fn liveness(&self, node: NodeId) -> Result<(Delay, ChainTime), ChainError> {
        let (_, market) = self.account(node).await?;
        Ok((market.liveness, self.chain.position(SEEN).await?.time))
    }

    async fn prepare_demand(
        &self,
        head: &Signed<ReceiptHead>,
        payee: &Keypair,
        fee_payer: &Keypair,
    ) -> Result<Option<PreparedTransaction>, ChainError> {
        let (coordinator, node) = (head.record.coordinator, head.record.node);
        let signer = self.chain.coordinator(coordinator, SEEN).await?.map(|found| found.signer);
        let Some(signer) = signer.filter(|signer| head.verify(signer).is_ok()) else {
            return Ok(None);
        };
        let (_, market) = self.account(node).await?;
        let build = Instructions::new(self.program, &market);
        let Some(verify) = ed25519::verify(&[ed25519::SignedBytes::of(head, signer)]) else {
            return Ok(None);
        };
        let demand = build.demand_open(&coordinator, &node, &public_key(&payee.pubkey()), 0);
        let signers: &[&Keypair] =
            if payee.pubkey() == fee_payer.pubkey() { &[fee_payer] } else { &[fee_payer, payee] };
        Ok(Some(self.chain.prepare(&[verify, demand], signers).await?))
    }

    async fn prepare_demand_settlement(
        &self,
        payout: &Payout,
        fee_payer: &Keypair,
    ) -> Result<PreparedTransaction, ChainError> {
        let (_, market) = self.account(payout.node).await?;
        let build = Instructions::new(self.program, &market);
        let payer = public_key(&fee_payer.pubkey());
        let instructions =
            [build.create_token_account(&payer, &payout.payout_owner), build.demand_settle(payout)];
        self.chain.prepare(&instructions, &[fee_payer]).await
    }

    async fn submit(&self, transaction: &PreparedTransaction) -> Result<(), ChainError> {
        self.chain.submit(transaction).await
    }

    async fn status(
        &self,
        signature: &Signature,
        last_valid_block_height: u64,
    ) -> Result<TransactionStatus, ChainError> {
        self.chain.status(signature, last_valid_block_height).await
    }
}
