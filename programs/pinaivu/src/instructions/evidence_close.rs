//! Closes evidence and returns its rent.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::state::EvidenceBuffer;

/// Accounts of `evidence_close`.
#[derive(Accounts)]
pub struct EvidenceClose<'info> {
    /// The evidence's owner, checked at `evidence`; paid the rent and gets it back.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// The evidence.
    #[account(mut, close = owner, has_one = owner @ PinaivuError::NotOwner)]
    pub evidence: Box<Account<'info, EvidenceBuffer>>,
}

impl EvidenceClose<'_> {
    /// Closes it.
    pub const fn handle(_ctx: &Context<Self>) -> Result<()> {
        Ok(())
    }
}
