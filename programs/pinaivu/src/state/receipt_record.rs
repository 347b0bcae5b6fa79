//! One receipt's facts, written after its inclusion in the log was checked. Explorers read it; a demand
//! may rest on it when the key that signed the receipt is retired.

use anchor_lang::prelude::*;

/// Longest model name in bytes.
pub const MAX_MODEL_LEN: usize = 128;

/// Seeds: `"receipt"`, coordinator, epoch (u32 LE), index (u64 LE).
///
/// It can be closed and recorded again: the log has one leaf at the place, so that the facts are the
/// same, and no counter is kept here.
#[account]
#[derive(InitSpace, Debug, PartialEq, Eq)]
pub struct ReceiptRecord {
    /// [`super::VERSION`].
    pub version: u8,
    /// Of this account's address.
    pub bump: u8,
    /// Whose log.
    pub coordinator: Pubkey,
    /// Who served.
    pub node: Pubkey,
    /// Which of the logs.
    pub epoch: u32,
    /// Place in that log, from 0.
    pub index: u64,
    /// Which request.
    pub request: [u8; 16],
    /// Which part of it.
    pub segment: u16,
    /// All that the coordinator owed or had paid the node, this receipt included, in the fine unit.
    pub node_cumulative: u128,
    /// The log leaf.
    pub leaf: [u8; 32],
    /// Hash of the receipt's body.
    pub body: [u8; 32],
    /// Hash of the ticket.
    pub ticket: [u8; 32],
    /// Commitment to the request.
    pub request_commitment: [u8; 32],
    /// Commitment to the answer.
    pub response_commitment: [u8; 32],
    /// Prompt tokens charged.
    pub input_tokens: u32,
    /// Generated tokens charged.
    pub output_tokens: u32,
    /// Price of one million weighted tokens, in base units of the mint.
    pub price: u64,
    /// Weight of one prompt token.
    pub input_weight: u16,
    /// Weight of one generated token.
    pub output_weight: u16,
    /// What the user owed, in the fine unit.
    pub amount: u128,
    /// The coordinator's part of it, in the fine unit.
    pub fee: u128,
    /// 0 completed, 1 cancelled by the client, 2 failed mid-answer.
    pub outcome: u8,
    /// Hash of the attestation evidence; zero when unattested.
    pub attestation: [u8; 32],
    /// When the coordinator made the receipt, in milliseconds since 1970.
    pub created: u64,
    /// The slot in which it was recorded.
    pub recorded_slot: u64,
    /// Who paid the rent, may close it and gets that back.
    pub rent_payer: Pubkey,
    /// Zero; for later versions.
    pub reserved: [u8; 32],
    /// The model as the client named it.
    #[max_len(MAX_MODEL_LEN)]
    pub model: String,
}
