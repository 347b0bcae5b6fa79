//! Recorded receipts, and evidence of contradictions.

use pinaivu_protocol::ids::{CoordinatorId, NodeId, PublicKey};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{Instructions, SYSTEM_PROGRAM};
use crate::accounts::{ReceiptRecord, RetiredSigner};
use crate::addresses::ToAddress;
use crate::ed25519::INSTRUCTIONS_SYSVAR;
use crate::program::idl::pinaivu::client::{accounts, args};
use crate::program::idl::pinaivu::types;

/// Most bytes of evidence that one `evidence_write` carries beside `evidence_open` in a transaction of
/// its own.
pub const EVIDENCE_PART_BYTES: usize = 800;

/// Which key signed what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerKey {
    /// The present one.
    Present,
    /// One that was replaced.
    Retired(PublicKey),
}

/// Where the log of a receipt's epoch is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochOfReceipt {
    /// In the coordinator's account.
    Open,
    /// In the head that was kept when this epoch was closed.
    Closed(u32),
}

impl Instructions {
    /// Puts evidence on chain, in as many instructions as it takes: the first opens the account, each
    /// of the others writes a part that fits one transaction. Signed by `owner`, who pays the rent. The
    /// evidence is the borsh encoding of a record of `pinaivu_protocol::evidence`. Nothing when it is
    /// longer than 4 GiB.
    #[must_use]
    pub fn evidence(
        &self,
        owner: &PublicKey,
        number: u64,
        bytes: &[u8],
    ) -> Option<(Pubkey, Vec<Instruction>)> {
        let evidence = self.addresses.evidence(owner, number);
        let open = self.build(
            accounts::EvidenceOpen {
                owner: owner.to_address(),
                evidence,
                system_program: SYSTEM_PROGRAM,
            },
            args::EvidenceOpen {
                args: types::EvidenceOpenArgs { number, len: u32::try_from(bytes.len()).ok()? },
            },
        );
        let mut instructions = vec![open];
        let mut offset = 0_u32;
        for part in bytes.chunks(EVIDENCE_PART_BYTES) {
            instructions.push(self.build(
                accounts::EvidenceWrite { owner: owner.to_address(), evidence },
                args::EvidenceWrite {
                    args: types::EvidenceWriteArgs { offset, bytes: part.to_vec() },
                },
            ));
            offset = offset.checked_add(u32::try_from(part.len()).ok()?)?;
        }
        Some((evidence, instructions))
    }

    /// Closes evidence; its rent goes to `owner`, who signs.
    #[must_use]
    pub fn evidence_close(&self, owner: &PublicKey, evidence: &Pubkey) -> Instruction {
        self.build(
            accounts::EvidenceClose { owner: owner.to_address(), evidence: *evidence },
            args::EvidenceClose,
        )
    }

    /// Records the receipt at `index` of a log, from evidence that is a `LoggedReceipt`. Signed by
    /// `payer`, who pays the rent.
    #[must_use]
    pub fn receipt_record(
        &self,
        payer: &PublicKey,
        coordinator: &CoordinatorId,
        (epoch, index): (u32, u64),
        held: EpochOfReceipt,
        evidence: &Pubkey,
    ) -> (Pubkey, Instruction) {
        let record = self.addresses.receipt_record(coordinator, epoch, index);
        let instruction = self.build(
            accounts::ReceiptRecord {
                payer: payer.to_address(),
                market: self.market.to_address(),
                coordinator: coordinator.to_address(),
                epoch_head: self.epoch_head(coordinator, held),
                evidence: *evidence,
                record,
                system_program: SYSTEM_PROGRAM,
            },
            args::ReceiptRecord { args: types::ReceiptRecordArgs { epoch, index } },
        );
        (record, instruction)
    }

    /// Closes a record. Signed by who paid its rent.
    #[must_use]
    pub fn receipt_close(&self, record: &ReceiptRecord) -> Instruction {
        self.build(
            accounts::ReceiptClose {
                rent_payer: record.rent_payer.to_address(),
                record: record.address,
            },
            args::ReceiptClose,
        )
    }

    /// Reports two contradicting receipt heads; the reporter's part goes to `destination`. Needs no
    /// signature but those in the [`crate::ed25519::verify`] instruction over both heads, which stands
    /// at `signature_instruction` in the same transaction.
    #[must_use]
    pub fn equivocation_heads(
        &self,
        coordinator: &CoordinatorId,
        signer: SignerKey,
        destination: &Pubkey,
        signature_instruction: u16,
    ) -> Instruction {
        self.build(
            accounts::EquivocationHeads {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                retired_signer: self.retired(coordinator, signer),
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                destination: *destination,
                token_program: self.token_program,
                instructions: INSTRUCTIONS_SYSVAR,
            },
            args::EquivocationHeads {
                args: types::EquivocationHeadsArgs { signature_instruction },
            },
        )
    }

    /// Reports a receipt head whose place in the log another leaf has, from evidence that is a
    /// `DisplacedReceipt`. Otherwise as [`Self::equivocation_heads`].
    #[must_use]
    pub fn equivocation_log(
        &self,
        coordinator: &CoordinatorId,
        signer: SignerKey,
        held: EpochOfReceipt,
        evidence: &Pubkey,
        destination: &Pubkey,
        signature_instruction: u16,
    ) -> Instruction {
        self.build(
            accounts::EquivocationLog {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                coordinator: coordinator.to_address(),
                retired_signer: self.retired(coordinator, signer),
                epoch_head: self.epoch_head(coordinator, held),
                evidence: *evidence,
                bond_vault: self.addresses.bond_vault(&self.market),
                mint: self.mint,
                destination: *destination,
                token_program: self.token_program,
                instructions: INSTRUCTIONS_SYSVAR,
            },
            args::EquivocationLog { args: types::EquivocationLogArgs { signature_instruction } },
        )
    }

    /// Reports two outputs of a node for one ticket, from evidence that is a `ProofPair`. Otherwise as
    /// [`Self::equivocation_heads`]; the signatures are over one or two proof roots.
    #[must_use]
    pub fn equivocation_node(
        &self,
        node: &NodeId,
        signer: SignerKey,
        evidence: &Pubkey,
        destination: &Pubkey,
        signature_instruction: u16,
    ) -> Instruction {
        self.build(
            accounts::EquivocationNode {
                market: self.market.to_address(),
                ledger: self.addresses.ledger(&self.market),
                node: node.to_address(),
                retired_signer: self.retired(node, signer),
                evidence: *evidence,
                stake_vault: self.addresses.stake_vault(&self.market),
                mint: self.mint,
                destination: *destination,
                token_program: self.token_program,
                instructions: INSTRUCTIONS_SYSVAR,
            },
            args::EquivocationNode { args: types::EquivocationNodeArgs { signature_instruction } },
        )
    }

    /// Closes the record of a key that can no longer be held to account. Needs no signature.
    #[must_use]
    pub fn signer_close(&self, retired: &RetiredSigner) -> Instruction {
        self.build(
            accounts::SignerClose {
                market: self.market.to_address(),
                retired_signer: retired.address,
                rent_payer: retired.rent_payer.to_address(),
            },
            args::SignerClose,
        )
    }

    fn retired(&self, account: &impl ToAddress, signer: SignerKey) -> Option<Pubkey> {
        match signer {
            SignerKey::Present => None,
            SignerKey::Retired(key) => Some(self.addresses.retired_signer(account, &key)),
        }
    }

    fn epoch_head(&self, coordinator: &CoordinatorId, held: EpochOfReceipt) -> Option<Pubkey> {
        match held {
            EpochOfReceipt::Open => None,
            EpochOfReceipt::Closed(epoch) => Some(self.addresses.epoch_head(coordinator, epoch)),
        }
    }
}
