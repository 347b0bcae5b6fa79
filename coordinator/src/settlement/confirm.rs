//! Finds out what became of every transaction whose fate is not final.
//!
//! A transaction that is not seen is sent again until it lands or can land no more. When a server cannot
//! tell, because its history is too short or it lags, the accounts decide, once the finalized height is
//! beyond the transaction's last: whatever it did is in them by then.

use pinaivu_chain::{Commitment, Signature, TransactionStatus};
use pinaivu_protocol::ids::{AllowanceId, NodeId};

use super::{Settlement, SettlementError};
use crate::store::{Entry, EntryKind, SettlementKind, SettlementRecord, SettlementState};

/// What is still open after a look at everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    /// May still land, or landed where we do not read yet: wait before planning more of the same.
    pub(super) unresolved: Vec<SettlementKind>,
    /// Landed, not finalized.
    pub(super) landed: usize,
    /// What was found to have failed just now, in a block or by expiring.
    pub(super) failed: Option<String>,
}

impl Open {
    pub(super) fn is_unresolved(&self, kind: SettlementKind) -> bool {
        self.unresolved.contains(&kind)
    }

    pub(super) fn count(&self) -> usize {
        self.unresolved.len().saturating_add(self.landed)
    }
}

impl Settlement {
    /// Looks at every open transaction once.
    pub(super) async fn confirm(&self) -> Result<Open, SettlementError> {
        let records = self.store.read(|state| state.open_settlements()).await?;
        let mut open = Open::default();
        for record in records {
            let state = self.confirm_one(&record, &mut open.failed).await?;
            if state == SettlementState::Landed {
                open.landed = open.landed.saturating_add(1);
            } else if !state.is_final() {
                open.unresolved.push(record.kind);
            }
        }
        Ok(open)
    }

    async fn confirm_one(
        &self,
        record: &SettlementRecord,
        failed: &mut Option<String>,
    ) -> Result<SettlementState, SettlementError> {
        let signature = Signature::from(record.signature);
        let status = self.chain.status(&signature, record.last_valid_block_height).await?;
        let (state, slot, failure) = match status {
            TransactionStatus::Landed { slot, commitment, result } => {
                let failure = result.err().map(|failure| failure.to_string());
                let state = match (commitment, &failure) {
                    // Our own reads do not see it yet, or no more.
                    (Commitment::Processed, _) => return Ok(SettlementState::Prepared),
                    (Commitment::Confirmed, _) => SettlementState::Landed,
                    (Commitment::Finalized, None) => SettlementState::Finalized,
                    (Commitment::Finalized, Some(_)) => SettlementState::Failed,
                };
                (state, Some(slot), failure)
            }
            TransactionStatus::Pending => {
                self.send_again(record).await;
                (SettlementState::Prepared, None, None)
            }
            TransactionStatus::Expired => (SettlementState::Expired, None, None),
            TransactionStatus::Unknown => match self.judge_by_accounts(record).await? {
                Some(state) => (state, None, None),
                None => {
                    self.send_again(record).await;
                    (SettlementState::Prepared, None, None)
                }
            },
        };
        if (state, slot) != (record.state, record.slot) || failure != record.failure {
            tracing::debug!(%signature, kind = ?record.kind, ?state, ?failure, "settlement");
            if let Some(failure) = failure.as_ref().filter(|_| record.failure.is_none()) {
                *failed = Some(format!("{:?} {signature}: {failure}", record.kind));
            }
            self.set_state(record.id, state, slot, failure).await?;
        }
        Ok(state)
    }

    /// What the finalized accounts say about a transaction that no server remembers. Nothing while it may
    /// still land.
    async fn judge_by_accounts(
        &self,
        record: &SettlementRecord,
    ) -> Result<Option<SettlementState>, SettlementError> {
        let position = self.chain.position(Commitment::Finalized).await?;
        if position.block_height <= record.last_valid_block_height {
            return Ok(None);
        }
        let id = record.id;
        let entries = self.store.read(move |state| state.settlement_entries(id)).await?;
        for entry in &entries {
            if !self.is_reached(entry).await? {
                return Ok(Some(SettlementState::Expired));
            }
        }
        Ok(Some(SettlementState::Finalized))
    }

    async fn is_reached(&self, entry: &Entry) -> Result<bool, SettlementError> {
        let (at, chain) = (Commitment::Finalized, &self.chain);
        let coordinator = self.identity.coordinator;
        let reached = match entry.kind {
            EntryKind::Debit => {
                let allowance = chain.allowance(AllowanceId(entry.account), at).await?;
                allowance.map(|allowance| allowance.debited.0)
            }
            EntryKind::Credit => {
                let payout = chain.payout(coordinator, NodeId(entry.account), at).await?;
                payout.map(|payout| payout.credited.0)
            }
            EntryKind::Fees => chain.coordinator(coordinator, at).await?.map(|own| own.fees.0),
            EntryKind::Log => chain
                .coordinator(coordinator, at)
                .await?
                .filter(|own| log_account(own.log.epoch) == entry.account)
                .map(|own| own.log.size),
        };
        Ok(reached.is_some_and(|reached| reached >= entry.cumulative))
    }
}

/// How a log entry names its epoch: big endian, padded with zeros on the left.
pub(super) fn log_account(epoch: u32) -> [u8; 32] {
    let mut account = [0; 32];
    if let Some(place) = account.last_chunk_mut::<4>() {
        *place = epoch.to_be_bytes();
    }
    account
}
