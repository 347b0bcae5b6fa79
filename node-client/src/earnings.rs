//! Earnings on chain: what each coordinator has credited, claims on it, and a look at what stays out
//! ([`crate::demands`]).
//!
//! A claim is a reconciler with one open transaction per coordinator: built and signed, made durable,
//! sent, looked after until it has landed or can never land. A time-out is unknown, not failed: only a
//! transaction that can never land any more is replaced by another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_chain::{ChainError, Commitment, Payout, TransactionStatus};
use pinaivu_protocol::ids::{CoordinatorId, NodeId};
use pinaivu_protocol::units::{Amount, UnixMillis};
use tokio_util::sync::CancellationToken;

use crate::chain::NodeChain;
use crate::clock::Clock;
use crate::counterparty::Counterparty;
use crate::demands::{DemandError, Demands};
use crate::journal::{ClaimRecord, ClaimState, Journal, JournalError};
use crate::key::HotKey;
use crate::report::error_chain;

/// Pause after a claim that failed on chain.
const FAILURE_PAUSE_MILLIS: u64 = 60_000;

/// When to claim.
#[derive(Clone, Copy, Debug)]
pub struct ClaimPolicy {
    /// Whether at all.
    pub enabled: bool,
    /// As soon as this much can be claimed.
    pub threshold: Amount,
    /// Anything at all, this long after the last claim that paid.
    pub interval: Duration,
}

/// Why a look at the chain led to nothing.
#[derive(Debug, thiserror::Error)]
enum EarningsError {
    #[error("the chain cannot be read or written")]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("what is overdue cannot be demanded")]
    Demand(#[from] DemandError),
}

/// Follows credits and claims them.
pub struct Earnings {
    /// The account that earns.
    pub node: NodeId,
    /// From whom.
    pub counterparties: Vec<Arc<Counterparty>>,
    /// Where credits stand.
    pub chain: Arc<dyn NodeChain>,
    /// Where claims are made durable.
    pub journal: Journal,
    /// Tells when a claim is due.
    pub clock: Arc<dyn Clock>,
    /// When to claim.
    pub policy: ClaimPolicy,
    /// Asks the guarantee bond for what is not credited.
    pub demands: Demands,
    /// Pays for claims.
    pub fee_payer: Arc<HotKey>,
    /// Between two looks.
    pub poll: Duration,
}

impl Earnings {
    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let started = self.clock.now();
        let mut paused: HashMap<CoordinatorId, UnixMillis> = HashMap::new();
        let mut unreadable = false;
        loop {
            for counterparty in self.counterparties.clone() {
                let until = paused.entry(counterparty.id()).or_insert(started);
                match self.look(&counterparty, started, until).await {
                    Ok(()) => unreadable = false,
                    // Said once: the chain may be away for long, and serving goes on meanwhile.
                    Err(error) if !unreadable => {
                        unreadable = true;
                        let coordinator = counterparty.id();
                        tracing::warn!(
                            %coordinator, error = error_chain(&error),
                            "cannot follow earnings; trying again"
                        );
                    }
                    Err(_) => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    async fn look(
        &mut self,
        counterparty: &Counterparty,
        started: UnixMillis,
        paused: &mut UnixMillis,
    ) -> Result<(), EarningsError> {
        let coordinator = counterparty.id();
        let Some(payout) = self.chain.payout(coordinator, self.node).await? else { return Ok(()) };
        counterparty.update_exposure(|exposure| {
            exposure.credit(payout.credited.max(payout.paid));
            exposure.guaranteed = payout.capacity();
        });
        let promised = counterparty.exposure().promised.to_amount_floor().unwrap_or(Amount::MAX);
        let demanded = self.demands.look(&payout, promised, self.clock.now()).await;
        // A demand that cannot be made does not keep what is credited from being claimed.
        self.follow_claim(&payout, started, paused).await?;
        Ok(demanded?)
    }

    async fn follow_claim(
        &self,
        payout: &Payout,
        started: UnixMillis,
        paused: &mut UnixMillis,
    ) -> Result<(), EarningsError> {
        let coordinator = payout.coordinator;
        if let Some(claim) = self.journal.claim_in_flight(coordinator).await? {
            return self.reconcile(claim, paused).await;
        }
        if self.clock.now() >= *paused && self.is_due(payout, started).await? {
            return self.claim(coordinator, payout.claimable()).await;
        }
        Ok(())
    }

    async fn is_due(&self, payout: &Payout, started: UnixMillis) -> Result<bool, JournalError> {
        let claimable = payout.claimable();
        if !self.policy.enabled || claimable == Amount::ZERO {
            return Ok(false);
        }
        if claimable >= self.policy.threshold {
            return Ok(true);
        }
        let last = self.journal.last_paid_claim(payout.coordinator).await?.unwrap_or(started);
        let interval = u64::try_from(self.policy.interval.as_millis()).unwrap_or(u64::MAX);
        Ok(self.clock.now() >= last.saturating_add(UnixMillis(interval)))
    }

    async fn claim(&self, coordinator: CoordinatorId, amount: Amount) -> Result<(), EarningsError> {
        let transaction =
            self.chain.prepare_claim(coordinator, self.node, self.fee_payer.chain()).await?;
        let signature = transaction.signature;
        let claim = ClaimRecord { coordinator, amount, transaction };
        self.journal.open_claim(claim.clone(), self.clock.now()).await?;
        let usdc = amount.to_usdc_string();
        tracing::info!(%coordinator, usdc, %signature, "claiming earnings");
        self.submit(&claim).await
    }

    /// Sends the bytes. A refusal before they were sent on is final only if the chain says so later:
    /// [`Self::reconcile`] asks.
    async fn submit(&self, claim: &ClaimRecord) -> Result<(), EarningsError> {
        match self.chain.submit(&claim.transaction).await {
            Err(ChainError::Transaction(failure)) => {
                tracing::warn!(
                    coordinator = %claim.coordinator, %failure,
                    "the claim was refused in a simulation; its fee payer may be out of SOL"
                );
                Ok(())
            }
            sent => Ok(sent?),
        }
    }

    async fn reconcile(
        &self,
        claim: ClaimRecord,
        paused: &mut UnixMillis,
    ) -> Result<(), EarningsError> {
        let transaction = &claim.transaction;
        let status =
            self.chain.status(&transaction.signature, transaction.last_valid_block_height).await?;
        let (coordinator, signature) = (claim.coordinator, transaction.signature);
        let usdc = claim.amount.to_usdc_string();
        let state = match status {
            TransactionStatus::Landed { commitment: Commitment::Processed, .. }
            | TransactionStatus::Unknown => return Ok(()),
            TransactionStatus::Pending => return self.submit(&claim).await,
            TransactionStatus::Landed { result: Ok(()), .. } => {
                tracing::info!(%coordinator, usdc, %signature, "earnings claimed");
                ClaimState::Paid
            }
            TransactionStatus::Landed { result: Err(failure), .. } => {
                tracing::error!(%coordinator, usdc, %signature, %failure, "a claim failed");
                *paused = self.clock.now().saturating_add(UnixMillis(FAILURE_PAUSE_MILLIS));
                ClaimState::Failed
            }
            TransactionStatus::Expired => {
                tracing::warn!(%coordinator, usdc, %signature, "a claim expired before it landed");
                ClaimState::Expired
            }
        };
        Ok(self.journal.close_claim(signature, state).await?)
    }
}
