//! Opens an account that collects evidence too large for one transaction.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::state::EvidenceBuffer;

/// How much.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EvidenceOpenArgs {
    /// Any number that the owner does not use yet; part of the address.
    pub number: u64,
    /// Length of the evidence in bytes, at most 8,192.
    pub len: u32,
}

/// Accounts of `evidence_open`.
#[derive(Accounts)]
#[instruction(args: EvidenceOpenArgs)]
pub struct EvidenceOpen<'info> {
    /// Pays rent, writes, and gets the rent back.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// The evidence.
    #[account(
        init,
        payer = owner,
        space = EvidenceBuffer::space(args.len),
        seeds = [seeds::EVIDENCE, owner.key().as_ref(), &args.number.to_le_bytes()],
        bump,
    )]
    pub evidence: Box<Account<'info, EvidenceBuffer>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl EvidenceOpen<'_> {
    /// Opens it, all zero.
    pub fn handle(ctx: Context<Self>, args: EvidenceOpenArgs) -> Result<()> {
        let EvidenceOpen { owner, evidence, .. } = ctx.accounts;
        let bump = ctx.bumps.evidence;
        evidence.set_inner(EvidenceBuffer::new(bump, owner.key(), args.number, args.len)?);
        Ok(())
    }
}
