//! Building and signing: instructions in, bytes out, with everything a caller must persist before the
//! bytes leave the process.
//!
//! Pure; nothing here talks to a server.

use pinaivu_protocol::units::Slot;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::Transaction;

use crate::chain::RecentBlockhash;
use crate::error::ChainError;

/// The most bytes one transaction may have: an IPv6 packet of 1280 bytes less 48 of headers.
pub const MAX_TRANSACTION_BYTES: usize = 1232;

/// A signed transaction, ready to be persisted and then sent. Sending it twice is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTransaction {
    /// The first signature: the transaction's name.
    pub signature: Signature,
    /// The wire bytes.
    pub bytes: Vec<u8>,
    /// Above this block height it can never land.
    pub last_valid_block_height: u64,
}

/// The compute budget of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComputeBudget {
    /// Most compute units it may use; fees are bid for all of them.
    pub unit_limit: u32,
    /// Priority fee in millionths of a lamport for each unit.
    pub unit_price: u64,
}

impl ComputeBudget {
    /// The instructions that set it, to be put first. A price of 0 needs none.
    #[must_use]
    pub fn instructions(&self) -> Vec<Instruction> {
        let mut instructions =
            vec![ComputeBudgetInstruction::set_compute_unit_limit(self.unit_limit)];
        if self.unit_price > 0 {
            instructions.push(ComputeBudgetInstruction::set_compute_unit_price(self.unit_price));
        }
        instructions
    }
}

/// Signs `instructions` with `signers`, of whom the first pays the fee.
///
/// # Errors
/// [`ChainError::Signing`] when a required key is missing, [`ChainError::TooLarge`].
pub fn sign(
    instructions: &[Instruction],
    signers: &[&Keypair],
    blockhash: RecentBlockhash,
) -> Result<PreparedTransaction, ChainError> {
    let payer = signers.first().map(|signer| signer.pubkey());
    let message = Message::new_with_blockhash(instructions, payer.as_ref(), &blockhash.hash);
    let mut transaction = Transaction::new_unsigned(message);
    transaction.try_sign(signers, blockhash.hash).map_err(ChainError::Signing)?;
    let bytes = wire_bytes(&transaction);
    if bytes.len() > MAX_TRANSACTION_BYTES {
        return Err(ChainError::TooLarge { bytes: bytes.len(), limit: MAX_TRANSACTION_BYTES });
    }
    let signature = transaction.signatures.first().copied().unwrap_or_default();
    Ok(PreparedTransaction {
        signature,
        bytes,
        last_valid_block_height: blockhash.last_valid_block_height,
    })
}

/// How many bytes the transaction of `instructions`, paid for by `payer`, will have once signed.
#[must_use]
pub fn size(instructions: &[Instruction], payer: &Pubkey) -> usize {
    let message = Message::new(instructions, Some(payer));
    let signatures = usize::from(message.header.num_required_signatures);
    signatures_bytes(signatures).saturating_add(message.serialize().len())
}

/// Signature count in Solana's compact form (one byte up to 127; a transaction cannot hold more),
/// signatures, message.
fn wire_bytes(transaction: &Transaction) -> Vec<u8> {
    let message = transaction.message.serialize();
    let mut bytes =
        Vec::with_capacity(signatures_bytes(transaction.signatures.len()) + message.len());
    bytes.push(u8::try_from(transaction.signatures.len()).unwrap_or(u8::MAX));
    for signature in &transaction.signatures {
        bytes.extend_from_slice(signature.as_ref());
    }
    bytes.extend_from_slice(&message);
    bytes
}

const fn signatures_bytes(count: usize) -> usize {
    count.saturating_mul(64).saturating_add(1)
}

/// The slot to open an account with at `now`: new addresses contain it, and the program accepts it
/// for `seeds::OPENING_SLOT_WINDOW` slots.
#[must_use]
pub const fn opening_slot(now: Slot) -> Slot {
    // One behind, so that a bank that is one slot older than the one that answered accepts it too.
    Slot(now.0.saturating_sub(1))
}
