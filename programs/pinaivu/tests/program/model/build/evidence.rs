//! Evidence, recorded receipts and reports.

use pinaivu::instructions::EquivocationLogArgs;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;

use super::*;
use crate::harness::{INSTRUCTIONS_SYSVAR, build, find};

impl Chain {
    pub(super) fn build_evidence(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let person = |id: &Id| ledger.people[*id].address;
        let evidence_of = |id: &Id| &ledger.evidence[*id].address;
        Some(match action {
            Action::EvidenceOpen { owner, number, len, .. } => {
                w.evidence_open(&person(owner), *number, *len)
            }
            Action::EvidenceWrite { evidence, by, offset, bytes } => {
                none(w.evidence_write(&person(by), evidence_of(evidence), *offset, bytes))
            }
            Action::EvidenceClose { evidence, by } => {
                none(w.evidence_close(&person(by), evidence_of(evidence)))
            }
            Action::ReceiptRecord { coordinator, epoch, index, head, evidence } => {
                let head = epoch_head(ledger, *head);
                let coordinator = &ledger.coordinators[*coordinator].address;
                let place = (*epoch, *index);
                w.receipt_record(market, coordinator, place, head, evidence_of(evidence))
            }
            Action::ReceiptClose { record, by } => {
                let rent_payer = by.map_or(self.rent_payer(), |by| person(&by));
                let record = ledger.records[*record].address;
                let accounts = accounts::ReceiptClose { rent_payer, record };
                none(build(accounts, instruction::ReceiptClose {}))
            }
            _ => return None,
        })
    }

    pub(super) fn build_report(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let retired = |id: &Option<Id>| id.map(|id| ledger.retired[id].address);
        let tokens = |id: &Id| &ledger.people[*id].tokens;
        Some(none(match action {
            Action::EquivocationHeads { coordinator, retired: shown, reporter, .. } => {
                let coordinator = &ledger.coordinators[*coordinator].address;
                w.equivocation_heads(market, coordinator, retired(shown), tokens(reporter))
            }
            Action::EquivocationLog {
                coordinator,
                retired: shown,
                head,
                evidence,
                reporter,
                ..
            } => {
                let accounts = accounts::EquivocationLog {
                    market: market.address,
                    ledger: market.ledger,
                    coordinator: ledger.coordinators[*coordinator].address,
                    retired_signer: retired(shown),
                    epoch_head: epoch_head(ledger, *head),
                    evidence: ledger.evidence[*evidence].address,
                    bond_vault: market.bond_vault,
                    mint: market.mint,
                    destination: *tokens(reporter),
                    token_program: market.token_program,
                    instructions: INSTRUCTIONS_SYSVAR,
                };
                let args = EquivocationLogArgs { signature_instruction: 0 };
                build(accounts, instruction::EquivocationLog { args })
            }
            Action::EquivocationNode { node, retired: shown, evidence, reporter, .. } => {
                let node = &ledger.nodes[*node].address;
                let evidence = &ledger.evidence[*evidence].address;
                w.equivocation_node(market, node, retired(shown), evidence, tokens(reporter))
            }
            _ => return None,
        }))
    }
}

/// Where the head of a closed log is kept.
fn epoch_head(ledger: &Ledger, head: Option<(Id, u32)>) -> Option<Pubkey> {
    let (coordinator, epoch) = head?;
    let coordinator = ledger.coordinators[coordinator].address;
    Some(find(&[seeds::EPOCH, coordinator.as_ref(), &epoch.to_le_bytes()]))
}
