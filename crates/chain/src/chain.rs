//! The one door to the chain.
//!
//! [`Chain`] is what coordinator, node, command line and tests program against; [`crate::RpcChain`] is
//! the real one. Reads are typed and say at which [`Commitment`] they look. Writes are in steps, so
//! that nothing is ever sent without a durable record of it:
//!
//! 1. [`Chain::prepare`] builds and signs;
//! 2. the caller persists signature, bytes and last valid block height;
//! 3. [`Chain::submit`] sends the bytes, as often as wanted: the same bytes can land only once;
//! 4. [`Chain::status`] says what became of it. A timeout is unknown, not failed.
//!
//! [`Chain::confirm`] does 3 and 4 in a loop for callers with nothing to lose but time.

use std::time::Duration;

use async_trait::async_trait;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, DeploymentId, EscrowId, MarketId, NodeId, ProgramId,
    PublicKey,
};
use pinaivu_protocol::units::{Amount, Slot};
use serde::Serialize;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::accounts::{
    Allowance, ChainTime, Coordinator, EpochHead, Escrow, Ledger, Market, Measurement, Node,
    Payout, TokenAccount,
};
use crate::error::{ChainError, TransactionFailure};
use crate::transaction::{PreparedTransaction, sign};

/// How settled a state must be to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Commitment {
    /// In the newest block this server knows; may be undone. For what works against us: exits,
    /// releases.
    Processed,
    /// Voted for by two thirds of the stake. For everything that is neither.
    Confirmed,
    /// Can never be undone. For what works in our favour: deposits, allowances.
    Finalized,
}

/// Which program on which cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The cluster, by its genesis hash.
    pub cluster: ClusterId,
    /// The program's address.
    pub program: ProgramId,
}

impl Deployment {
    /// What every signed record names.
    #[must_use]
    pub fn id(&self) -> DeploymentId {
        DeploymentId::new(&self.cluster, &self.program)
    }
}

/// Where the chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPosition {
    /// Slot and clock.
    pub time: ChainTime,
    /// Blocks since genesis; what [`PreparedTransaction::last_valid_block_height`] counts in.
    pub block_height: u64,
}

/// A blockhash to sign transactions with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentBlockhash {
    /// The hash.
    pub hash: Hash,
    /// Above this height no transaction with it can land.
    pub last_valid_block_height: u64,
}

/// Which allowances to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowanceFilter {
    /// Those reserved for this coordinator.
    Coordinator(CoordinatorId),
    /// Those of this escrow.
    Escrow(EscrowId),
    /// Those of this owner's escrows.
    Owner(PublicKey),
}

/// Which escrows to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EscrowFilter {
    /// All of this market.
    Market(MarketId),
    /// Those of this owner.
    Owner(PublicKey),
}

/// Which nodes to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFilter {
    /// All of this market.
    Market(MarketId),
    /// Those of this operator.
    Operator(PublicKey),
    /// Those that sign with this key.
    Signer(PublicKey),
}

/// Which coordinators to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CoordinatorFilter {
    /// All of this market.
    Market(MarketId),
    /// Those of this cold authority.
    Authority(PublicKey),
}

/// Which payouts to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutFilter {
    /// What this coordinator owes.
    Coordinator(CoordinatorId),
    /// What this node is owed.
    Node(NodeId),
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// It is in a block.
    Landed {
        /// In which slot.
        slot: Slot,
        /// How settled that block is.
        commitment: Commitment,
        /// Whether it did what it should; when not, its fee is gone and nothing else happened.
        result: Result<(), TransactionFailure>,
    },
    /// Not seen, and it can still land: submit the same bytes again.
    Pending,
    /// Not seen, and it can never land. Building a new one is safe.
    Expired,
    /// Not seen, and this server cannot tell whether it landed: it is behind, or its history does not
    /// reach back far enough. Ask again, or another server; read the accounts before building a new one.
    Unknown,
}

/// How [`Chain::confirm`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfirmOptions {
    /// How settled is settled enough.
    pub commitment: Commitment,
    /// Between two looks.
    pub poll: Duration,
    /// Between two submissions of the same bytes.
    pub resubmit: Duration,
    /// When to give up waiting with [`ChainError::Unconfirmed`].
    pub timeout: Duration,
}

impl Default for ConfirmOptions {
    fn default() -> Self {
        Self {
            commitment: Commitment::Confirmed,
            poll: Duration::from_millis(200),
            resubmit: Duration::from_secs(2),
            timeout: Duration::from_secs(90),
        }
    }
}

/// How far [`Chain::confirm`] has come, for people who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfirmProgress {
    /// Sent for the n-th time, from 1.
    Submitted(u32),
    /// In a block that is not settled enough yet.
    Landed(Slot),
    /// The server cannot be reached right now; still trying.
    Retrying,
}

/// Typed reads and writes. Implementations are cheap to share behind an `Arc<dyn Chain>`.
///
/// Reads give `None` for accounts that do not exist. Every method fails with
/// [`ChainError::Unreachable`] when nothing is known, and with the other variants as they say.
#[async_trait]
pub trait Chain: Send + Sync + 'static {
    /// Which program on which cluster this is; asked once, then remembered.
    async fn deployment(&self) -> Result<Deployment, ChainError>;

    /// Slot, clock and height.
    async fn position(&self, at: Commitment) -> Result<ChainPosition, ChainError>;

    /// A market.
    async fn market(&self, id: MarketId, at: Commitment) -> Result<Option<Market>, ChainError>;

    /// What a market's vaults owe.
    async fn ledger(&self, market: MarketId, at: Commitment) -> Result<Option<Ledger>, ChainError>;

    /// An escrow.
    async fn escrow(&self, id: EscrowId, at: Commitment) -> Result<Option<Escrow>, ChainError>;

    /// Escrows by filter.
    async fn escrows(
        &self,
        filter: EscrowFilter,
        at: Commitment,
    ) -> Result<Vec<Escrow>, ChainError>;

    /// An allowance.
    async fn allowance(
        &self,
        id: AllowanceId,
        at: Commitment,
    ) -> Result<Option<Allowance>, ChainError>;

    /// Many allowances at once, in the order asked for.
    async fn allowances_by_id(
        &self,
        ids: &[AllowanceId],
        at: Commitment,
    ) -> Result<Vec<Option<Allowance>>, ChainError>;

    /// Allowances by filter.
    async fn allowances(
        &self,
        filter: AllowanceFilter,
        at: Commitment,
    ) -> Result<Vec<Allowance>, ChainError>;

    /// A node.
    async fn node(&self, id: NodeId, at: Commitment) -> Result<Option<Node>, ChainError>;

    /// Nodes by filter.
    async fn nodes(&self, filter: NodeFilter, at: Commitment) -> Result<Vec<Node>, ChainError>;

    /// A coordinator.
    async fn coordinator(
        &self,
        id: CoordinatorId,
        at: Commitment,
    ) -> Result<Option<Coordinator>, ChainError>;

    /// Coordinators by filter.
    async fn coordinators(
        &self,
        filter: CoordinatorFilter,
        at: Commitment,
    ) -> Result<Vec<Coordinator>, ChainError>;

    /// What one coordinator owes one node.
    async fn payout(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
        at: Commitment,
    ) -> Result<Option<Payout>, ChainError>;

    /// Payouts by filter.
    async fn payouts(
        &self,
        filter: PayoutFilter,
        at: Commitment,
    ) -> Result<Vec<Payout>, ChainError>;

    /// A market's list of measurements: the code that coordinators may be attested to run.
    async fn measurements(
        &self,
        market: MarketId,
        at: Commitment,
    ) -> Result<Vec<Measurement>, ChainError>;

    /// The last head of a closed log epoch.
    async fn epoch_head(
        &self,
        coordinator: CoordinatorId,
        epoch: u32,
        at: Commitment,
    ) -> Result<Option<EpochHead>, ChainError>;

    /// A token account.
    async fn token_account(
        &self,
        address: Pubkey,
        at: Commitment,
    ) -> Result<Option<TokenAccount>, ChainError>;

    /// A wallet's lamports; 0 when it does not exist.
    async fn lamports(&self, address: Pubkey, at: Commitment) -> Result<u64, ChainError>;

    /// A fresh blockhash.
    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError>;

    /// Sends the bytes. `Ok` means the server took them or has seen them before, not that they landed.
    /// [`ChainError::Transaction`] means a simulation refused it and it was not sent on; when
    /// [`TransactionFailure::is_inconclusive`], look at [`Chain::status`] before concluding anything.
    async fn submit(&self, transaction: &PreparedTransaction) -> Result<(), ChainError>;

    /// What became of a transaction.
    async fn status(
        &self,
        signature: &Signature,
        last_valid_block_height: u64,
    ) -> Result<TransactionStatus, ChainError>;

    /// Builds and signs. The first signer pays the fee.
    ///
    /// # Errors
    /// [`ChainError::Signing`], [`ChainError::TooLarge`], or failure to get a blockhash.
    async fn prepare(
        &self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<PreparedTransaction, ChainError> {
        sign(instructions, signers, self.recent_blockhash().await?)
    }

    /// Submits and waits until the transaction is settled enough; gives the slot it landed in.
    /// `progress` is told what happens meanwhile.
    ///
    /// # Errors
    /// [`ChainError::Transaction`] when it failed, [`ChainError::Expired`], [`ChainError::Unconfirmed`]
    /// after the timeout.
    async fn confirm(
        &self,
        transaction: &PreparedTransaction,
        options: ConfirmOptions,
        progress: &(dyn Fn(ConfirmProgress) + Send + Sync),
    ) -> Result<Slot, ChainError> {
        crate::confirm::confirm(self, transaction, options, progress).await
    }

    /// What a token account holds; zero when it does not exist.
    async fn token_balance(&self, address: Pubkey, at: Commitment) -> Result<Amount, ChainError> {
        Ok(self.token_account(address, at).await?.map_or(Amount::ZERO, |account| account.amount))
    }
}
