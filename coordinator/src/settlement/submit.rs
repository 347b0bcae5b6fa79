//! Reading what a plan needs, and signing, storing, sending: in this order, so that no transaction
//! exists that the store does not know.

use std::collections::HashMap;

use pinaivu_chain::settlement::{credit_transactions, debit_transactions, log_transaction};
use pinaivu_chain::{
    ChainError, Commitment, Coordinator, Instruction, PayoutFilter, PreparedTransaction, Signature,
};
use pinaivu_protocol::ids::{AllowanceId, NodeId};
use pinaivu_protocol::units::{Amount, Slot};

use super::confirm::log_account;
use super::plan::{self, Targets};
use super::{Settlement, SettlementError};
use crate::store::{
    Entry, EntryKind, NewSettlement, SettlementId, SettlementKind, SettlementRecord,
    SettlementState,
};

/// A transaction's instructions and what it is meant to reach.
type Part = (Vec<Instruction>, Vec<Entry>);

impl Settlement {
    /// The coordinator's account as confirmed, if it is still this key's.
    pub(super) async fn own_account(&self) -> Result<Coordinator, SettlementError> {
        let coordinator = self
            .chain
            .coordinator(self.identity.coordinator, Commitment::Confirmed)
            .await?
            .ok_or(SettlementError::NoCoordinator(self.identity))?;
        if coordinator.signer != self.signer.public() {
            return Err(SettlementError::OtherSigner {
                registered: coordinator.signer,
                own: self.signer.public(),
            });
        }
        self.status.send_modify(|status| {
            status.debited = coordinator.debited;
            status.credited = coordinator.credited;
            status.fees = coordinator.fees;
        });
        Ok(coordinator)
    }

    /// Brings what is known to be settled for good up to date, so that only the rest is looked at.
    pub(super) async fn record_finalized(&self) -> Result<(), SettlementError> {
        let at = Commitment::Finalized;
        let (accounts, nodes) = self
            .store
            .read(|state| {
                Ok::<_, SettlementError>((state.accounts_to_debit()?, state.nodes_to_credit()?))
            })
            .await?;
        let mut debits: Vec<(AllowanceId, Amount)> = Vec::new();
        if !accounts.is_empty() {
            let ids: Vec<_> = accounts.iter().map(|account| account.allowance).collect();
            let on_chain = self.chain.allowances_by_id(&ids, at).await?;
            let known = accounts.iter().zip(on_chain);
            debits.extend(known.filter_map(|(account, allowance)| {
                let debited = allowance?.debited;
                (debited != account.debited).then_some((account.allowance, debited))
            }));
        }
        let mut credits: Vec<(NodeId, Amount)> = Vec::new();
        if !nodes.is_empty() {
            let payouts = self.credited(at).await?;
            credits.extend(nodes.iter().filter_map(|total| {
                let credited = *payouts.get(&total.node)?;
                (credited != total.credited).then_some((total.node, credited))
            }));
        }
        if debits.is_empty() && credits.is_empty() {
            return Ok(());
        }
        self.store
            .write(move |transaction| {
                for (allowance, debited) in &debits {
                    transaction.set_debited(allowance, *debited)?;
                }
                for (node, credited) in &credits {
                    transaction.set_credited(node, *credited)?;
                }
                Ok(())
            })
            .await
    }

    /// What every node that has an account for it has been credited.
    async fn credited(&self, at: Commitment) -> Result<HashMap<NodeId, Amount>, SettlementError> {
        let filter = PayoutFilter::Coordinator(self.identity.coordinator);
        let payouts = self.chain.payouts(filter, at).await?;
        Ok(payouts.into_iter().map(|payout| (payout.node, payout.credited)).collect())
    }

    /// Sends the next step of the log towards the round's size.
    pub(super) async fn send_extension(
        &self,
        targets: &Targets,
        coordinator: &Coordinator,
    ) -> Result<bool, SettlementError> {
        let (epoch, old_size, target) = (targets.epoch, coordinator.log.size, targets.size);
        let extension =
            self.store.read(move |state| plan::extension(state, epoch, old_size, target)).await?;
        let Some(extension) = extension else { return Ok(false) };
        let instructions = log_transaction(
            &self.instructions,
            &self.identity.coordinator,
            &self.signer.public(),
            &extension,
            self.config.unit_price,
        );
        let entry = Entry {
            kind: EntryKind::Log,
            account: log_account(epoch),
            cumulative: extension.new_size,
        };
        self.send_new(SettlementKind::LogExtend, &instructions, vec![entry]).await?;
        Ok(true)
    }

    /// Sends debits for what the round's receipts charge and the chain has not debited.
    pub(super) async fn send_debits(
        &self,
        targets: &Targets,
        refused: &mut Option<SettlementError>,
    ) -> Result<bool, SettlementError> {
        let ids: Vec<_> = targets.debits.iter().map(|(id, _)| *id).collect();
        let on_chain = match ids.as_slice() {
            [] => Vec::new(),
            ids => self.chain.allowances_by_id(ids, Commitment::Confirmed).await?,
        };
        let coordinator = self.identity.coordinator;
        let plan = plan::debits(&coordinator, &targets.debits, &on_chain);
        self.report_shortfalls(&plan.short);
        let parts = debit_transactions(
            &self.instructions,
            &coordinator,
            &self.signer.public(),
            &plan.send,
            self.config.unit_price,
        );
        let entries = plan.send.iter().map(|(id, cumulative)| Entry {
            kind: EntryKind::Debit,
            account: id.0,
            cumulative: cumulative.0,
        });
        let fixed = self.instructions.debit(&coordinator, &self.signer.public(), &[]);
        let parts = with_entries(parts, fixed.accounts.len(), entries);
        self.send_parts(SettlementKind::Debit, parts, refused).await
    }

    /// Opens accounts for nodes that have earned something and have none.
    pub(super) async fn send_openings(
        &self,
        targets: &Targets,
        refused: &mut Option<SettlementError>,
    ) -> Result<bool, SettlementError> {
        if targets.credits.is_empty() {
            return Ok(false);
        }
        let at = Commitment::Confirmed;
        let payouts = self.credited(at).await?;
        let (coordinator, payer) = (self.identity.coordinator, self.signer.public());
        let mut parts = Vec::new();
        for (node, _) in targets.credits.iter().filter(|(node, _)| !payouts.contains_key(node)) {
            if self.chain.node(*node, at).await?.is_none() {
                tracing::warn!(%node, "a node that earned something has closed its account");
                continue;
            }
            let entry = Entry { kind: EntryKind::Credit, account: node.0, cumulative: 0 };
            let instruction = self.instructions.payout_open(&coordinator, node, &payer);
            parts.push((vec![instruction], vec![entry]));
        }
        self.send_parts(SettlementKind::PayoutOpen, parts, refused).await
    }

    /// Credits nodes, and then the coordinator's fees, with what was debited for them.
    pub(super) async fn send_credits(
        &self,
        targets: &Targets,
        coordinator: &Coordinator,
        refused: &mut Option<SettlementError>,
    ) -> Result<bool, SettlementError> {
        let payouts = match targets.credits.as_slice() {
            [] => HashMap::new(),
            _ => self.credited(Commitment::Confirmed).await?,
        };
        let plan =
            plan::credits(coordinator, self.fee_rate(), &targets.credits, targets.fees, &payouts);
        self.status.send_modify(|status| status.uncredited = plan.missing);
        if plan.missing > Amount::ZERO {
            tracing::warn!(missing = %plan.missing, "nodes wait for debits that have not come");
        }
        let parts = credit_transactions(
            &self.instructions,
            &coordinator.id,
            &self.signer.public(),
            &plan.send,
            plan.fees.unwrap_or(Amount::ZERO),
            self.config.unit_price,
        );
        let entries = plan.send.iter().map(|(node, cumulative)| Entry {
            kind: EntryKind::Credit,
            account: node.0,
            cumulative: cumulative.0,
        });
        let fixed =
            self.instructions.credit(&coordinator.id, &self.signer.public(), &[], Amount::ZERO);
        let mut parts = with_entries(parts, fixed.accounts.len(), entries);
        if let (Some(fees), Some((_, entries))) = (plan.fees, parts.last_mut()) {
            entries.push(Entry {
                kind: EntryKind::Fees,
                account: coordinator.id.0,
                cumulative: fees.0,
            });
        }
        self.send_parts(SettlementKind::Credit, parts, refused).await
    }

    /// Sends every part; whether any was sent. One that is refused does not keep the others.
    async fn send_parts(
        &self,
        kind: SettlementKind,
        parts: Vec<Part>,
        refused: &mut Option<SettlementError>,
    ) -> Result<bool, SettlementError> {
        let mut sent = false;
        for (instructions, entries) in parts {
            match self.send_new(kind, &instructions, entries).await {
                Ok(()) => sent = true,
                Err(error @ SettlementError::Chain(ChainError::Transaction(_))) => {
                    *refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Signs and stores a transaction, then sends it. A refusal by the server's simulation is recorded
    /// and given back; any other trouble leaves the transaction open, to be sent again.
    pub(super) async fn send_new(
        &self,
        kind: SettlementKind,
        instructions: &[Instruction],
        entries: Vec<Entry>,
    ) -> Result<(), SettlementError> {
        let prepared = self.chain.prepare(instructions, &[self.signer.keypair()]).await?;
        let new = NewSettlement {
            kind,
            signature: prepared.signature.into(),
            bytes: prepared.bytes.clone(),
            last_valid_block_height: prepared.last_valid_block_height,
            created: self.clock.now(),
            entries,
        };
        let id = self.store.write(move |transaction| transaction.insert_settlement(&new)).await?;
        tracing::info!(?kind, signature = %prepared.signature, "settling");
        match self.chain.submit(&prepared).await {
            Ok(()) => Ok(()),
            Err(ChainError::Transaction(failure)) if failure.is_inconclusive() => Ok(()),
            Err(ChainError::Transaction(failure)) => {
                // It was never sent on. Should it land all the same, the accounts will show it, and
                // its cumulatives can do no harm.
                self.set_state(id, SettlementState::Failed, None, Some(failure.to_string()))
                    .await?;
                Err(ChainError::Transaction(failure).into())
            }
            // Whether it arrived is unknown. It is stored, and will be sent again.
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a stored transaction once more. What comes of it is for its status to say.
    pub(super) async fn send_again(&self, record: &SettlementRecord) {
        let prepared = PreparedTransaction {
            signature: Signature::from(record.signature),
            bytes: record.bytes.clone(),
            last_valid_block_height: record.last_valid_block_height,
        };
        if let Err(error) = self.chain.submit(&prepared).await {
            tracing::debug!(signature = %prepared.signature, %error, "sent again in vain");
        }
    }

    pub(super) async fn set_state(
        &self,
        id: SettlementId,
        state: SettlementState,
        slot: Option<Slot>,
        failure: Option<String>,
    ) -> Result<(), SettlementError> {
        self.store
            .write(move |transaction| {
                transaction.set_settlement_state(id, state, slot, failure.as_deref())
            })
            .await?;
        Ok(())
    }
}

/// Gives each part the entries it carries: they follow one another, and a part has as many as accounts
/// beyond the instruction's `fixed` ones.
fn with_entries(
    parts: Vec<Vec<Instruction>>,
    fixed: usize,
    mut entries: impl Iterator<Item = Entry>,
) -> Vec<Part> {
    parts
        .into_iter()
        .map(|part| {
            let accounts = part.last().map_or(0, |instruction| instruction.accounts.len());
            let own = entries.by_ref().take(accounts.saturating_sub(fixed)).collect();
            (part, own)
        })
        .collect()
}
