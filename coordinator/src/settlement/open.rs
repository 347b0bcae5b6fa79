//! What must be true before anything is served: the chain knows this coordinator by this key, and its log
//! is a prefix of the database's. A new log epoch is taken over here.

use std::sync::Arc;

use pinaivu_chain::{
    AllowanceFilter, Chain, ChainError, Commitment, Coordinator, Instructions, PayoutFilter,
};
use pinaivu_protocol::ids::{DeploymentId, MarketId, PublicKey};
use pinaivu_protocol::units::{Amount, FineAmount};
use tokio::sync::watch;

use super::standing::{self, Standing};
use super::{Settlement, SettlementConfig, SettlementStatus};
use crate::clock::SharedClock;
use crate::receipts::Signer;
use crate::store::{Identity, Store, StoreError};

/// Why settlement cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettlementError {
    /// The chain cannot be read.
    #[error("cannot read the chain")]
    Chain(#[from] ChainError),
    /// The database fails.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
    /// The chain is another cluster or program than configured.
    #[error("the chain is deployment {found:?}, configured is {expected:?}")]
    Deployment {
        /// On the chain.
        found: DeploymentId,
        /// Configured.
        expected: DeploymentId,
    },
    /// The market does not exist.
    #[error("there is no market {0}")]
    NoMarket(MarketId),
    /// The coordinator is not registered.
    #[error("there is no coordinator {0:?}")]
    NoCoordinator(Identity),
    /// The coordinator belongs to another market.
    #[error("the coordinator belongs to market {0}")]
    OtherMarket(MarketId),
    /// The coordinator's account names another hot key.
    #[error("the coordinator's signer on chain is {registered}, this key is {own}")]
    OtherSigner {
        /// On chain.
        registered: PublicKey,
        /// Here.
        own: PublicKey,
    },
    /// The chain's log is not a prefix of the database's.
    #[error(transparent)]
    Log(Standing),
    /// A transaction failed in a block.
    #[error("a settlement transaction failed: {0}")]
    Failed(String),
}

impl Settlement {
    /// Reads the chain and compares it with the database. Takes over a log epoch that the authority has
    /// opened: what the chain has debited, credited and kept by then counts as receipted, so that a
    /// database restored from a backup never charges or credits into amounts that are settled.
    ///
    /// # Errors
    /// [`SettlementError`]; nothing may be served then.
    pub async fn open(
        config: SettlementConfig,
        identity: Identity,
        market: MarketId,
        chain: Arc<dyn Chain>,
        store: Store,
        signer: Arc<Signer>,
        clock: SharedClock,
    ) -> Result<Self, SettlementError> {
        let deployment = chain.deployment().await?;
        if deployment.id() != identity.deployment {
            return Err(SettlementError::Deployment {
                found: deployment.id(),
                expected: identity.deployment,
            });
        }
        let at = Commitment::Confirmed;
        let market = chain.market(market, at).await?.ok_or(SettlementError::NoMarket(market))?;
        let coordinator = chain
            .coordinator(identity.coordinator, at)
            .await?
            .ok_or(SettlementError::NoCoordinator(identity))?;
        if coordinator.market != market.id {
            return Err(SettlementError::OtherMarket(coordinator.market));
        }
        if coordinator.signer != signer.public() {
            return Err(SettlementError::OtherSigner {
                registered: coordinator.signer,
                own: signer.public(),
            });
        }
        let log = coordinator.log.clone();
        let mut standing = store.read(move |state| standing::compare(state, &log)).await?;
        if let Standing::EpochOpened { chain: epoch, .. } = standing {
            take_over_epoch(chain.as_ref(), &store, &coordinator, epoch).await?;
            let log = coordinator.log.clone();
            standing = store.read(move |state| standing::compare(state, &log)).await?;
        }
        if standing != Standing::Consistent {
            return Err(SettlementError::Log(standing));
        }
        Ok(Self {
            instructions: Instructions::new(deployment.program, &market),
            config,
            identity,
            chain,
            store,
            signer,
            clock,
            coordinator,
            market,
            status: watch::Sender::new(SettlementStatus::default()),
        })
    }
}

async fn take_over_epoch(
    chain: &dyn Chain,
    store: &Store,
    coordinator: &Coordinator,
    epoch: u32,
) -> Result<(), SettlementError> {
    let at = Commitment::Confirmed;
    let allowances = chain.allowances(AllowanceFilter::Coordinator(coordinator.id), at).await?;
    let payouts = chain.payouts(PayoutFilter::Coordinator(coordinator.id), at).await?;
    let fees = coordinator.fees;
    tracing::warn!(epoch, "taking over a new log epoch");
    store
        .write(move |transaction| {
            transaction.open_epoch(epoch)?;
            for allowance in &allowances {
                // Accounts that are opened later start from the chain's debit by themselves.
                if transaction.account_of(&allowance.id)?.is_some() {
                    transaction.raise_account(&allowance.id, allowance.debited.to_fine())?;
                }
            }
            for payout in payouts.iter().filter(|payout| payout.credited > Amount::ZERO) {
                transaction.raise_node(&payout.node, payout.credited.to_fine())?;
            }
            if fees > Amount::ZERO {
                transaction.raise_fees(FineAmount(fees.to_fine().0))?;
            }
            Ok::<_, StoreError>(())
        })
        .await?;
    Ok(())
}
