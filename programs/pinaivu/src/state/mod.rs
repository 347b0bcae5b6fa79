//! The accounts. One file each; the layout is what the struct says, in borsh, after the eight bytes of
//! Anchor's discriminator.
//!
//! Fields of fixed size come first, so that a field can be found at its offset; fields of variable size
//! stand at the end. Every account starts with a version and its bump and
//! carries zeroed bytes for fields that later versions add.

#![warn(missing_docs)]

pub mod allowance;
pub mod coordinator;
pub mod epoch_head;
pub mod escrow;
pub mod evidence_buffer;
pub mod ledger;
pub mod market;
pub mod node;
pub mod payout;
pub mod proposal;
pub mod receipt_record;
pub mod retired_signer;

pub use allowance::{Allowance, PendingRelease};
pub use coordinator::{Coordinator, Log, MAX_ENDPOINT_LEN, MAX_PEAKS};
pub use epoch_head::EpochHead;
pub use escrow::Escrow;
pub use evidence_buffer::{EvidenceBuffer, MAX_EVIDENCE_LEN};
pub use ledger::Ledger;
pub use market::{
    MAX_DELAY_SECONDS, MAX_DELAY_SLOTS, MAX_FEE_CAP_BPS, MAX_MINIMUM, Market, MarketRules,
};
pub use node::{Node, NodeStatus, Unbonding};
pub use payout::{Demand, Lowering, Payout};
pub use proposal::{Change, Measurement, Proposal};
pub use receipt_record::{MAX_MODEL_LEN, ReceiptRecord};
pub use retired_signer::RetiredSigner;

use anchor_lang::prelude::*;

use crate::error::PinaivuError;

/// The version that every account is created with today.
pub const VERSION: u8 = 1;

/// The next number in an account's sequence, so that readers of events see gaps.
pub(crate) fn next(sequence: &mut u64) -> Result<u64> {
    *sequence = sequence.checked_add(1).ok_or(PinaivuError::Overflow)?;
    Ok(*sequence)
}
