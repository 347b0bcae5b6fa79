//! [`Chain`] over Solana's JSON-RPC, for real clusters and the local one.
//!
//! One request per read, none repeated: retrying is for callers, who know what is urgent.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    AllowanceId, ClusterId, CoordinatorId, EscrowId, MarketId, NodeId, ProgramId, PublicKey,
};
use pinaivu_protocol::units::Slot;
use serde_json::json;
use solana_account::Account;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_pubkey::Pubkey;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::client_error::TransactionError;
use solana_rpc_client_api::request::{MAX_MULTIPLE_ACCOUNTS, RpcRequest};
use solana_rpc_client_api::response::RpcKeyedAccount;
use solana_signature::Signature;
use tokio::sync::OnceCell;

use crate::accounts::{
    Allowance, ChainTime, Coordinator, EpochHead, Escrow, Ledger, Market, Measurement, Node,
    Payout, ReceiptRecord, RetiredSigner, TokenAccount, UnixSeconds,
};
use crate::addresses::{Addresses, ToAddress};
use crate::chain::{
    AllowanceFilter, Chain, ChainPosition, Commitment, CoordinatorFilter, Deployment, EscrowFilter,
    NodeFilter, PayoutFilter, RecentBlockhash, TransactionStatus,
};
use crate::decode::{ProgramAccount, offsets};
use crate::error::{ChainError, TransactionFailure};
use crate::rpc_error::{RpcErrors, malformed};
use crate::transaction::PreparedTransaction;

/// How long one request may take unless the caller says otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Blocks that may pass between signing and a server's oldest block before its silence about a
/// transaction means nothing: a blockhash lives 150 blocks, and slots without blocks come on top.
const HISTORY_MARGIN_SLOTS: u64 = 1_000;

/// The clock sysvar: slot u64, epoch start i64, epoch u64, leader schedule epoch u64, time i64.
const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");

/// A connection to one RPC server.
pub struct RpcChain {
    rpc: RpcClient,
    errors: RpcErrors,
    addresses: Addresses,
    cluster: OnceCell<ClusterId>,
}

impl std::fmt::Debug for RpcChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcChain")
            .field("server", &self.errors.server())
            .field("program", &self.addresses.program())
            .finish_non_exhaustive()
    }
}

impl RpcChain {
    /// Will ask the server at `url` about the program at `program`. Sends nothing yet.
    #[must_use]
    pub fn new(url: &str, program: ProgramId) -> Self {
        Self::with_timeout(url, program, DEFAULT_TIMEOUT)
    }

    /// The same with another limit for one request.
    #[must_use]
    pub fn with_timeout(url: &str, program: ProgramId, timeout: Duration) -> Self {
        let rpc = RpcClient::new_with_timeout_and_commitment(
            url.to_owned(),
            timeout,
            CommitmentConfig::confirmed(),
        );
        Self::over(rpc, url, program)
    }

    fn over(rpc: RpcClient, url: &str, program: ProgramId) -> Self {
        Self {
            rpc,
            errors: RpcErrors::new(url),
            addresses: Addresses::new(program),
            cluster: OnceCell::new(),
        }
    }

    /// Where the program's accounts live.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// A receipt's record.
    ///
    /// # Errors
    /// As every read of [`Chain`].
    pub async fn receipt_record(
        &self,
        coordinator: CoordinatorId,
        epoch: u32,
        index: u64,
        at: Commitment,
    ) -> Result<Option<ReceiptRecord>, ChainError> {
        self.read(self.addresses.receipt_record(&coordinator, epoch, index), at).await
    }

    /// The record of a key that `account`, a coordinator or node, retired.
    ///
    /// # Errors
    /// As every read of [`Chain`].
    pub async fn retired_signer(
        &self,
        account: &impl ToAddress,
        signer: &PublicKey,
        at: Commitment,
    ) -> Result<Option<RetiredSigner>, ChainError> {
        self.read(self.addresses.retired_signer(account, signer), at).await
    }

    /// A measurement's entry on a market's list.
    ///
    /// # Errors
    /// As every read of [`Chain`].
    pub async fn measurement(
        &self,
        market: MarketId,
        measurement: &Hash32,
        at: Commitment,
    ) -> Result<Option<Measurement>, ChainError> {
        self.read(self.addresses.measurement(&market, measurement), at).await
    }

    async fn account(
        &self,
        address: Pubkey,
        at: Commitment,
    ) -> Result<Option<Account>, ChainError> {
        Ok(self.accounts(&[address], at).await?.pop().flatten())
    }

    /// Accounts in the order asked for. The client's method for a single one reports every failure as
    /// text, an unreachable server included, so this one is used for one account as well.
    async fn accounts(
        &self,
        addresses: &[Pubkey],
        at: Commitment,
    ) -> Result<Vec<Option<Account>>, ChainError> {
        let response = self
            .rpc
            .get_multiple_accounts_with_commitment(addresses, at.into())
            .await
            .map_err(|error| self.errors.map(error))?;
        if response.value.len() != addresses.len() {
            return Err(malformed(RpcRequest::GetMultipleAccounts, "another number of accounts"));
        }
        let present = |account: &Account| account.lamports > 0;
        Ok(response.value.into_iter().map(|account| account.filter(present)).collect())
    }

    async fn read<T: ProgramAccount>(
        &self,
        address: Pubkey,
        at: Commitment,
    ) -> Result<Option<T>, ChainError> {
        self.account(address, at)
            .await?
            .map(|account| T::decode(address, &account, &self.addresses.program()))
            .transpose()
    }

    async fn list<T: ProgramAccount>(
        &self,
        offset: usize,
        key: &[u8; 32],
        at: Commitment,
    ) -> Result<Vec<T>, ChainError> {
        let program = self.addresses.program();
        let filters = json!([
            {"memcmp": {"offset": 0, "encoding": "base64", "bytes": STANDARD.encode(T::discriminator())}},
            {"memcmp": {"offset": offset, "encoding": "base64", "bytes": STANDARD.encode(key)}},
        ]);
        let config = json!({
            "encoding": "base64",
            "commitment": CommitmentConfig::from(at).commitment,
            "filters": filters,
        });
        let found: Vec<RpcKeyedAccount> = self
            .rpc
            .send(RpcRequest::GetProgramAccounts, json!([program.to_string(), config]))
            .await
            .map_err(|error| self.errors.map(error))?;
        found
            .into_iter()
            .map(|keyed| {
                let address: Pubkey = keyed
                    .pubkey
                    .parse()
                    .map_err(|cause| malformed(RpcRequest::GetProgramAccounts, cause))?;
                let account: Account = keyed.account.to_account().ok_or_else(|| {
                    malformed(RpcRequest::GetProgramAccounts, "account data that does not decode")
                })?;
                T::decode(address, &account, &program)
            })
            .collect()
    }

    /// What the cache of recent statuses, or the whole history, says; with the slot it was asked at.
    async fn find(
        &self,
        signature: &Signature,
        history: bool,
    ) -> Result<(Slot, Option<TransactionStatus>), ChainError> {
        let signatures = [*signature];
        let response = if history {
            self.rpc.get_signature_statuses_with_history(&signatures).await
        } else {
            self.rpc.get_signature_statuses(&signatures).await
        }
        .map_err(|error| self.errors.map(error))?;
        let found = response.value.into_iter().next().flatten().map(|status| {
            let commitment = match status.confirmation_status() {
                solana_transaction_status_client_types::TransactionConfirmationStatus::Processed => {
                    Commitment::Processed
                }
                solana_transaction_status_client_types::TransactionConfirmationStatus::Confirmed => {
                    Commitment::Confirmed
                }
                solana_transaction_status_client_types::TransactionConfirmationStatus::Finalized => {
                    Commitment::Finalized
                }
            };
            let result = match status.err {
                Some(error) => Err(TransactionFailure::from(error)),
                None => Ok(()),
            };
            TransactionStatus::Landed { slot: Slot(status.slot), commitment, result }
        });
        Ok((Slot(response.context.slot), found))
    }
}

impl From<Commitment> for CommitmentConfig {
    fn from(commitment: Commitment) -> Self {
        Self {
            commitment: match commitment {
                Commitment::Processed => CommitmentLevel::Processed,
                Commitment::Confirmed => CommitmentLevel::Confirmed,
                Commitment::Finalized => CommitmentLevel::Finalized,
            },
        }
    }
}

#[async_trait]
impl Chain for RpcChain {
    async fn deployment(&self) -> Result<Deployment, ChainError> {
        let cluster = self
            .cluster
            .get_or_try_init(|| async {
                let hash =
                    self.rpc.get_genesis_hash().await.map_err(|error| self.errors.map(error))?;
                Ok::<_, ChainError>(ClusterId(hash.to_bytes()))
            })
            .await?;
        let program = ProgramId(self.addresses.program().to_bytes());
        Ok(Deployment { cluster: *cluster, program })
    }

    async fn position(&self, at: Commitment) -> Result<ChainPosition, ChainError> {
        let clock = self.account(CLOCK, at).await?;
        let time = clock
            .as_ref()
            .and_then(|account| decode_clock(&account.data))
            .ok_or_else(|| malformed(RpcRequest::GetAccountInfo, "no clock sysvar"))?;
        let epoch = self
            .rpc
            .get_epoch_info_with_commitment(at.into())
            .await
            .map_err(|error| self.errors.map(error))?;
        Ok(ChainPosition { time, block_height: epoch.block_height })
    }

    async fn market(&self, id: MarketId, at: Commitment) -> Result<Option<Market>, ChainError> {
        self.read(id.to_address(), at).await
    }

    async fn ledger(&self, market: MarketId, at: Commitment) -> Result<Option<Ledger>, ChainError> {
        self.read(self.addresses.ledger(&market), at).await
    }

    async fn escrow(&self, id: EscrowId, at: Commitment) -> Result<Option<Escrow>, ChainError> {
        self.read(id.to_address(), at).await
    }

    async fn escrows(
        &self,
        filter: EscrowFilter,
        at: Commitment,
    ) -> Result<Vec<Escrow>, ChainError> {
        match filter {
            EscrowFilter::Market(id) => self.list(offsets::ESCROW_MARKET, &id.0, at).await,
            EscrowFilter::Owner(key) => self.list(offsets::ESCROW_OWNER, &key.0, at).await,
        }
    }

    async fn allowance(
        &self,
        id: AllowanceId,
        at: Commitment,
    ) -> Result<Option<Allowance>, ChainError> {
        self.read(id.to_address(), at).await
    }

    async fn allowances_by_id(
        &self,
        ids: &[AllowanceId],
        at: Commitment,
    ) -> Result<Vec<Option<Allowance>>, ChainError> {
        let program = self.addresses.program();
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(MAX_MULTIPLE_ACCOUNTS) {
            let addresses: Vec<Pubkey> = ids.iter().map(ToAddress::to_address).collect();
            let accounts = self.accounts(&addresses, at).await?;
            for (address, account) in addresses.into_iter().zip(accounts) {
                found.push(
                    account
                        .map(|account| Allowance::decode(address, &account, &program))
                        .transpose()?,
                );
            }
        }
        Ok(found)
    }

    async fn allowances(
        &self,
        filter: AllowanceFilter,
        at: Commitment,
    ) -> Result<Vec<Allowance>, ChainError> {
        match filter {
            AllowanceFilter::Coordinator(id) => {
                self.list(offsets::ALLOWANCE_COORDINATOR, &id.0, at).await
            }
            AllowanceFilter::Escrow(id) => self.list(offsets::ALLOWANCE_ESCROW, &id.0, at).await,
            AllowanceFilter::Owner(key) => self.list(offsets::ALLOWANCE_OWNER, &key.0, at).await,
        }
    }

    async fn node(&self, id: NodeId, at: Commitment) -> Result<Option<Node>, ChainError> {
        self.read(id.to_address(), at).await
    }

    async fn nodes(&self, filter: NodeFilter, at: Commitment) -> Result<Vec<Node>, ChainError> {
        match filter {
            NodeFilter::Market(id) => self.list(offsets::NODE_MARKET, &id.0, at).await,
            NodeFilter::Operator(key) => self.list(offsets::NODE_OPERATOR, &key.0, at).await,
            NodeFilter::Signer(key) => self.list(offsets::NODE_SIGNER, &key.0, at).await,
        }
    }

    async fn coordinator(
        &self,
        id: CoordinatorId,
        at: Commitment,
    ) -> Result<Option<Coordinator>, ChainError> {
        self.read(id.to_address(), at).await
    }

    async fn coordinators(
        &self,
        filter: CoordinatorFilter,
        at: Commitment,
    ) -> Result<Vec<Coordinator>, ChainError> {
        match filter {
            CoordinatorFilter::Market(id) => {
                self.list(offsets::COORDINATOR_MARKET, &id.0, at).await
            }
            CoordinatorFilter::Authority(key) => {
                self.list(offsets::COORDINATOR_AUTHORITY, &key.0, at).await
            }
        }
    }

    async fn payout(
        &self,
        coordinator: CoordinatorId,
        node: NodeId,
        at: Commitment,
    ) -> Result<Option<Payout>, ChainError> {
        self.read(self.addresses.payout(&coordinator, &node), at).await
    }

    async fn payouts(
        &self,
        filter: PayoutFilter,
        at: Commitment,
    ) -> Result<Vec<Payout>, ChainError> {
        match filter {
            PayoutFilter::Coordinator(id) => {
                self.list(offsets::PAYOUT_COORDINATOR, &id.0, at).await
            }
            PayoutFilter::Node(id) => self.list(offsets::PAYOUT_NODE, &id.0, at).await,
        }
    }

    async fn measurements(
        &self,
        market: MarketId,
        at: Commitment,
    ) -> Result<Vec<Measurement>, ChainError> {
        self.list(offsets::MEASUREMENT_MARKET, &market.0, at).await
    }

    async fn epoch_head(
        &self,
        coordinator: CoordinatorId,
        epoch: u32,
        at: Commitment,
    ) -> Result<Option<EpochHead>, ChainError> {
        self.read(self.addresses.epoch_head(&coordinator, epoch), at).await
    }

    async fn token_account(
        &self,
        address: Pubkey,
        at: Commitment,
    ) -> Result<Option<TokenAccount>, ChainError> {
        let account = self.account(address, at).await?;
        account.map(|account| crate::token::decode(address, &account)).transpose()
    }

    async fn lamports(&self, address: Pubkey, at: Commitment) -> Result<u64, ChainError> {
        let response = self
            .rpc
            .get_balance_with_commitment(&address, at.into())
            .await
            .map_err(|error| self.errors.map(error))?;
        Ok(response.value)
    }

    async fn recent_blockhash(&self) -> Result<RecentBlockhash, ChainError> {
        let (hash, last_valid_block_height) = self
            .rpc
            .get_latest_blockhash_with_commitment(CommitmentConfig::confirmed())
            .await
            .map_err(|error| self.errors.map(error))?;
        Ok(RecentBlockhash { hash, last_valid_block_height })
    }

    async fn submit(&self, transaction: &PreparedTransaction) -> Result<(), ChainError> {
        // The simulation looks at the newest block, so that a transaction that builds on one we have
        // just landed is not refused.
        let config = json!({
            "encoding": "base64",
            "skipPreflight": false,
            "preflightCommitment": CommitmentLevel::Processed,
        });
        let sent: Result<String, _> = self
            .rpc
            .send(RpcRequest::SendTransaction, json!([STANDARD.encode(&transaction.bytes), config]))
            .await;
        match sent.map_err(|error| self.errors.map(error)) {
            Ok(signature) if signature == transaction.signature.to_string() => Ok(()),
            Ok(_) => Err(malformed(RpcRequest::SendTransaction, "another transaction's signature")),
            Err(ChainError::Transaction(TransactionFailure::Runtime(
                TransactionError::AlreadyProcessed,
            ))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn status(
        &self,
        signature: &Signature,
        last_valid_block_height: u64,
    ) -> Result<TransactionStatus, ChainError> {
        if let (_, Some(status)) = self.find(signature, false).await? {
            return Ok(status);
        }
        let finalized = self
            .rpc
            .get_epoch_info_with_commitment(CommitmentConfig::finalized())
            .await
            .map_err(|error| self.errors.map(error))?;
        let blocks_since = finalized.block_height.saturating_sub(last_valid_block_height);
        if blocks_since == 0 {
            return Ok(TransactionStatus::Pending);
        }
        // Too late to land. It has landed before or never will, and only the history knows; asked
        // after the height, so that nothing can land in between.
        let (asked_at, status) = self.find(signature, true).await?;
        if let Some(status) = status {
            return Ok(status);
        }
        if asked_at.0 < finalized.absolute_slot {
            return Ok(TransactionStatus::Unknown);
        }
        let first =
            self.rpc.get_first_available_block().await.map_err(|error| self.errors.map(error))?;
        let could_have_landed_from = finalized
            .absolute_slot
            .saturating_sub(blocks_since)
            .saturating_sub(HISTORY_MARGIN_SLOTS);
        // A ledger that begins with its own genesis misses nothing, however young it is.
        if first > could_have_landed_from && first > HISTORY_MARGIN_SLOTS {
            return Ok(TransactionStatus::Unknown);
        }
        Ok(TransactionStatus::Expired)
    }
}

fn decode_clock(data: &[u8]) -> Option<ChainTime> {
    let slot = u64::from_le_bytes(*data.first_chunk()?);
    let unix = i64::from_le_bytes(*data.get(32..)?.first_chunk()?);
    Some(ChainTime { slot: Slot(slot), unix: UnixSeconds(unix) })
}

#[cfg(test)]
mod tests;
