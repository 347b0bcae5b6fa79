//! Guarantees and demands.

use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::build;
use crate::harness::{Coordinator, INSTRUCTIONS_SYSVAR, Market, World};

impl World {
    pub(crate) fn guarantee_set(
        &self,
        coordinator: &Coordinator,
        payout: &Pubkey,
        guarantee: u64,
    ) -> Instruction {
        let accounts = accounts::GuaranteeSet {
            authority: coordinator.authority.address(),
            coordinator: coordinator.address,
            payout: *payout,
        };
        build(accounts, instruction::GuaranteeSet { args: ix::GuaranteeSetArgs { guarantee } })
    }

    pub(crate) fn guarantee_lower(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        payout: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::GuaranteeLower {
            market: market.address,
            coordinator: *coordinator,
            payout: *payout,
        };
        build(accounts, instruction::GuaranteeLower {})
    }

    pub(crate) fn guarantee_refill(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        payout: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::GuaranteeRefill {
            market: market.address,
            ledger: market.ledger,
            coordinator: *coordinator,
            payout: *payout,
            escrow_vault: market.escrow_vault,
            bond_vault: market.bond_vault,
            mint: market.mint,
            token_program: market.token_program,
        };
        build(accounts, instruction::GuaranteeRefill {})
    }

    /// The head's signature is verified by the transaction's first instruction.
    pub(crate) fn demand_open(
        &self,
        market: &Market,
        payout: &Pubkey,
        payee: &Pubkey,
    ) -> Instruction {
        let stored: pinaivu::state::Payout = self.read(payout);
        let accounts = accounts::DemandOpen {
            payee: *payee,
            market: market.address,
            coordinator: stored.coordinator,
            payout: *payout,
            node: Some(stored.node),
            instructions: INSTRUCTIONS_SYSVAR,
        };
        let args = ix::DemandOpenArgs { signature_instruction: 0 };
        build(accounts, instruction::DemandOpen { args })
    }

    pub(crate) fn demand_open_recorded(
        &self,
        payout: &Pubkey,
        payee: &Pubkey,
        record: &Pubkey,
    ) -> Instruction {
        let stored: pinaivu::state::Payout = self.read(payout);
        let accounts = accounts::DemandOpenRecorded {
            payee: *payee,
            coordinator: stored.coordinator,
            payout: *payout,
            node: Some(stored.node),
            record: *record,
        };
        build(accounts, instruction::DemandOpenRecorded {})
    }

    pub(crate) fn demand_settle(
        &self,
        market: &Market,
        payout: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let stored: pinaivu::state::Payout = self.read(payout);
        let accounts = accounts::DemandSettle {
            market: market.address,
            ledger: market.ledger,
            coordinator: stored.coordinator,
            payout: *payout,
            escrow_vault: market.escrow_vault,
            bond_vault: market.bond_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::DemandSettle {})
    }

    pub(crate) fn payout_close(&self, payout: &Pubkey) -> Instruction {
        let stored: pinaivu::state::Payout = self.read(payout);
        let accounts = accounts::PayoutClose {
            payout_owner: stored.payout_owner,
            coordinator: stored.coordinator,
            node: stored.node,
            payout: *payout,
            rent_payer: stored.rent_payer,
        };
        build(accounts, instruction::PayoutClose {})
    }
}
