//! The watcher: what the chain says of allowances, for admission, and of the log, for those who ask for
//! receipts.
//!
//! While the chain cannot be read, what was true last stays true: serving goes on within it.

use std::collections::HashMap;

use pinaivu_chain::{Allowance, Commitment, ToAddress};
use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::units::Amount;
use tokio_util::sync::CancellationToken;

use super::{ChainObserver, Settlement, SettlementError};
use crate::receipts::{Anchor, Receipts};

/// Looks again and again until `stop`.
pub(super) async fn run(
    settlement: &Settlement,
    receipts: &Receipts,
    observer: &dyn ChainObserver,
    stop: &CancellationToken,
) {
    let mut watcher = Watcher { settlement, receipts, observer, debited: HashMap::new() };
    let mut reachable = true;
    loop {
        let result = tokio::select! {
            result = watcher.look() => result,
            () = stop.cancelled() => return,
        };
        match result {
            Ok(()) => reachable = true,
            Err(error) => {
                if reachable {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(
                        error,
                        "allowances cannot be read; what was true last stays true"
                    );
                }
                reachable = false;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(settlement.config.watch_interval) => {}
            () = stop.cancelled() => return,
        }
    }
}

pub(super) struct Watcher<'a> {
    pub(super) settlement: &'a Settlement,
    pub(super) receipts: &'a Receipts,
    pub(super) observer: &'a dyn ChainObserver,
    /// Finalized debits as the store has them, to see when one changes.
    pub(super) debited: HashMap<AllowanceId, Amount>,
}

impl Watcher<'_> {
    /// One look at every watched allowance and the coordinator's account.
    pub(super) async fn look(&mut self) -> Result<(), SettlementError> {
        self.look_at_allowances().await?;
        self.look_at_log().await
    }

    async fn look_at_allowances(&mut self) -> Result<(), SettlementError> {
        let ids = self.observer.watched();
        if ids.is_empty() {
            return Ok(());
        }
        let chain = &self.settlement.chain;
        let finalized = chain.allowances_by_id(&ids, Commitment::Finalized).await?;
        let processed = chain.allowances_by_id(&ids, Commitment::Processed).await?;
        let mut changed = Vec::new();
        for (id, (finalized, processed)) in ids.iter().zip(finalized.iter().zip(&processed)) {
            let (finalized, processed) = (self.own(finalized), self.own(processed));
            self.observer.allowance(id, finalized, processed);
            if let Some(finalized) = finalized
                && self.debited.insert(*id, finalized.debited) != Some(finalized.debited)
            {
                changed.push((*id, finalized.debited));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let stored = self
            .settlement
            .store
            .write(move |transaction| {
                for (id, debited) in &changed {
                    transaction.set_debited(id, *debited)?;
                }
                Ok::<_, SettlementError>(())
            })
            .await;
        if stored.is_err() {
            self.debited.clear();
        }
        stored
    }

    /// An allowance that is reserved for another coordinator is none of ours.
    fn own<'b>(&self, allowance: &'b Option<Allowance>) -> Option<&'b Allowance> {
        let own = self.settlement.identity.coordinator;
        allowance.as_ref().filter(|allowance| allowance.coordinator == own)
    }

    async fn look_at_log(&self) -> Result<(), SettlementError> {
        let at = Commitment::Finalized;
        let chain = &self.settlement.chain;
        // Read first: the account is then at least as new as the slot it is shown with.
        let position = chain.position(at).await?;
        let coordinator = chain.coordinator(self.settlement.identity.coordinator, at).await?;
        let lamports = chain.lamports(self.settlement.signer.public().to_address(), at).await?;
        let anchor = coordinator.filter(|own| own.log.size > 0).map(|own| Anchor {
            epoch: own.log.epoch,
            size: own.log.size,
            root: own.log.root,
            slot: position.time.slot,
        });
        if let Some(anchor) = anchor {
            self.receipts.set_anchor(anchor);
        }
        self.settlement.status.send_modify(|status| {
            status.lamports = Some(lamports);
            if anchor.is_some() {
                status.anchor = anchor;
            }
        });
        Ok(())
    }
}
