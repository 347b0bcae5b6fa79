//! Settling and paying out.

use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{SYSTEM, build, find};
use crate::harness::{Coordinator, Market, World};

impl World {
    pub(crate) fn payout_open(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        node: &Pubkey,
    ) -> (Pubkey, Instruction) {
        let payout = find(&[seeds::PAYOUT, coordinator.as_ref(), node.as_ref()]);
        let accounts = accounts::PayoutOpen {
            payer: self.payer.pubkey(),
            market: market.address,
            coordinator: *coordinator,
            node: *node,
            payout,
            system_program: SYSTEM,
        };
        (payout, build(accounts, instruction::PayoutOpen {}))
    }

    pub(crate) fn debit(
        &self,
        coordinator: &Coordinator,
        entries: &[(Pubkey, u64)],
    ) -> Instruction {
        let accounts = accounts::Debit {
            signer: coordinator.signer.pubkey(),
            coordinator: coordinator.address,
        };
        let args = ix::DebitArgs { entries: entries.iter().map(|(_, value)| *value).collect() };
        let mut instruction = build(accounts, instruction::Debit { args });
        let allowances = entries.iter().map(|(address, _)| AccountMeta::new(*address, false));
        instruction.accounts.extend(allowances);
        instruction
    }

    pub(crate) fn credit(
        &self,
        market: &Market,
        coordinator: &Coordinator,
        entries: &[(Pubkey, u64)],
        fees: u64,
    ) -> Instruction {
        let accounts = accounts::Credit {
            signer: coordinator.signer.pubkey(),
            market: market.address,
            coordinator: coordinator.address,
        };
        let args =
            ix::CreditArgs { entries: entries.iter().map(|(_, value)| *value).collect(), fees };
        let mut instruction = build(accounts, instruction::Credit { args });
        let payouts = entries.iter().map(|(address, _)| AccountMeta::new(*address, false));
        instruction.accounts.extend(payouts);
        instruction
    }

    pub(crate) fn claim(
        &self,
        market: &Market,
        payout: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::Claim {
            market: market.address,
            ledger: market.ledger,
            payout: *payout,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::Claim {})
    }

    pub(crate) fn fee_claim(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::FeeClaim {
            market: market.address,
            ledger: market.ledger,
            coordinator: *coordinator,
            escrow_vault: market.escrow_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
        };
        build(accounts, instruction::FeeClaim {})
    }
}
