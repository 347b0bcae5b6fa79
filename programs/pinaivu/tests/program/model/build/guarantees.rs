//! Guarantees and demands.

use pinaivu::instructions::DemandOpenArgs;
use pinaivu::{accounts, instruction};

use super::*;
use crate::harness::{INSTRUCTIONS_SYSVAR, build};

impl Chain {
    pub(super) fn build_guarantee(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let payout = |id: &Id| &ledger.payouts[*id];
        let coordinator = |id: &Id| ledger.coordinators[payout(id).coordinator].address;
        let node = |id: &Id| ledger.nodes[payout(id).node].address;
        Some(none(match action {
            Action::GuaranteeSet { payout: id, by, guarantee } => {
                let cold = self.coordinator_as(ledger, payout(id).coordinator, *by, 0);
                w.guarantee_set(&cold, &payout(id).address, *guarantee)
            }
            Action::GuaranteeLower { payout: id } => {
                w.guarantee_lower(market, &coordinator(id), &payout(id).address)
            }
            Action::GuaranteeRefill { payout: id } => {
                w.guarantee_refill(market, &coordinator(id), &payout(id).address)
            }
            Action::DemandOpen { payout: id, by, with_node, .. } => {
                let accounts = accounts::DemandOpen {
                    payee: ledger.people[*by].address,
                    market: market.address,
                    coordinator: coordinator(id),
                    payout: payout(id).address,
                    node: with_node.then(|| node(id)),
                    instructions: INSTRUCTIONS_SYSVAR,
                };
                let args = DemandOpenArgs { signature_instruction: 0 };
                build(accounts, instruction::DemandOpen { args })
            }
            Action::DemandOpenRecorded { payout: id, by, with_node, record } => {
                let accounts = accounts::DemandOpenRecorded {
                    payee: ledger.people[*by].address,
                    coordinator: coordinator(id),
                    payout: payout(id).address,
                    node: with_node.then(|| node(id)),
                    record: ledger.records[*record].address,
                };
                build(accounts, instruction::DemandOpenRecorded {})
            }
            Action::DemandSettle { payout: id } => {
                let accounts = accounts::DemandSettle {
                    market: market.address,
                    ledger: market.ledger,
                    coordinator: coordinator(id),
                    payout: payout(id).address,
                    escrow_vault: market.escrow_vault,
                    bond_vault: market.bond_vault,
                    mint: market.mint,
                    destination: ledger.people[payout(id).owner].tokens,
                    token_program: market.token_program,
                };
                build(accounts, instruction::DemandSettle {})
            }
            _ => return None,
        }))
    }
}
