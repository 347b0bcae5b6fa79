//! Writes a part of evidence.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::state::EvidenceBuffer;

/// What to write.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EvidenceWriteArgs {
    /// Where it begins.
    pub offset: u32,
    /// The bytes; they end within the evidence.
    pub bytes: Vec<u8>,
}

/// Accounts of `evidence_write`.
#[derive(Accounts)]
pub struct EvidenceWrite<'info> {
    /// The evidence's owner, checked at `evidence`.
    pub owner: Signer<'info>,
    /// The evidence.
    #[account(mut, has_one = owner @ PinaivuError::NotOwner)]
    pub evidence: Box<Account<'info, EvidenceBuffer>>,
}

impl EvidenceWrite<'_> {
    /// Writes the bytes.
    pub fn handle(ctx: Context<Self>, args: EvidenceWriteArgs) -> Result<()> {
        ctx.accounts.evidence.write(args.offset, &args.bytes)
    }
}
