//! Evidence, recorded receipts, and reports of contradictions.

use pinaivu::instructions as ix;
use pinaivu::{accounts, instruction};
use pinaivu_protocol::seeds;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::{SYSTEM, build, find};
use crate::harness::{INSTRUCTIONS_SYSVAR, Market, World};

impl World {
    pub(crate) fn evidence_open(
        &self,
        owner: &Pubkey,
        number: u64,
        len: u32,
    ) -> (Pubkey, Instruction) {
        let evidence = find(&[seeds::EVIDENCE, owner.as_ref(), &number.to_le_bytes()]);
        let accounts = accounts::EvidenceOpen { owner: *owner, evidence, system_program: SYSTEM };
        let args = ix::EvidenceOpenArgs { number, len };
        (evidence, build(accounts, instruction::EvidenceOpen { args }))
    }

    pub(crate) fn evidence_write(
        &self,
        owner: &Pubkey,
        evidence: &Pubkey,
        offset: u32,
        bytes: &[u8],
    ) -> Instruction {
        let accounts = accounts::EvidenceWrite { owner: *owner, evidence: *evidence };
        let args = ix::EvidenceWriteArgs { offset, bytes: bytes.to_vec() };
        build(accounts, instruction::EvidenceWrite { args })
    }

    pub(crate) fn evidence_close(&self, owner: &Pubkey, evidence: &Pubkey) -> Instruction {
        let accounts = accounts::EvidenceClose { owner: *owner, evidence: *evidence };
        build(accounts, instruction::EvidenceClose {})
    }

    pub(crate) fn receipt_record(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        (epoch, index): (u32, u64),
        epoch_head: Option<Pubkey>,
        evidence: &Pubkey,
    ) -> (Pubkey, Instruction) {
        let record = find(&[
            seeds::RECEIPT,
            coordinator.as_ref(),
            &epoch.to_le_bytes(),
            &index.to_le_bytes(),
        ]);
        let accounts = accounts::ReceiptRecordAccounts {
            payer: self.payer.pubkey(),
            market: market.address,
            coordinator: *coordinator,
            epoch_head,
            evidence: *evidence,
            record,
            system_program: SYSTEM,
        };
        let args = ix::ReceiptRecordArgs { epoch, index };
        (record, build(accounts, instruction::ReceiptRecord { args }))
    }

    pub(crate) fn receipt_close(&self, record: &Pubkey) -> Instruction {
        let stored: pinaivu::state::ReceiptRecord = self.read(record);
        let accounts = accounts::ReceiptClose { rent_payer: stored.rent_payer, record: *record };
        build(accounts, instruction::ReceiptClose {})
    }

    /// The signatures are verified by the transaction's first instruction.
    pub(crate) fn equivocation_heads(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        retired_signer: Option<Pubkey>,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::EquivocationHeads {
            market: market.address,
            ledger: market.ledger,
            coordinator: *coordinator,
            retired_signer,
            bond_vault: market.bond_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
            instructions: INSTRUCTIONS_SYSVAR,
        };
        let args = ix::EquivocationHeadsArgs { signature_instruction: 0 };
        build(accounts, instruction::EquivocationHeads { args })
    }

    /// The signature is verified by the transaction's first instruction.
    pub(crate) fn equivocation_log(
        &self,
        market: &Market,
        coordinator: &Pubkey,
        epoch_head: Option<Pubkey>,
        evidence: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::EquivocationLog {
            market: market.address,
            ledger: market.ledger,
            coordinator: *coordinator,
            retired_signer: None,
            epoch_head,
            evidence: *evidence,
            bond_vault: market.bond_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
            instructions: INSTRUCTIONS_SYSVAR,
        };
        let args = ix::EquivocationLogArgs { signature_instruction: 0 };
        build(accounts, instruction::EquivocationLog { args })
    }

    /// The signatures are verified by the transaction's first instruction.
    pub(crate) fn equivocation_node(
        &self,
        market: &Market,
        node: &Pubkey,
        retired_signer: Option<Pubkey>,
        evidence: &Pubkey,
        destination: &Pubkey,
    ) -> Instruction {
        let accounts = accounts::EquivocationNode {
            market: market.address,
            ledger: market.ledger,
            node: *node,
            retired_signer,
            evidence: *evidence,
            stake_vault: market.stake_vault,
            mint: market.mint,
            destination: *destination,
            token_program: market.token_program,
            instructions: INSTRUCTIONS_SYSVAR,
        };
        let args = ix::EquivocationNodeArgs { signature_instruction: 0 };
        build(accounts, instruction::EquivocationNode { args })
    }
}
