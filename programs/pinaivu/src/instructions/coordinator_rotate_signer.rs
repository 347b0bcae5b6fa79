//! Gives a coordinator another hot key. The new key signs too.
//!
//! Attestation evidence binds the key it was made for, so the old evidence is dropped.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::CoordinatorSignerRotated;
use crate::state::{Coordinator, RetiredSigner, next};

/// Accounts of `coordinator_rotate_signer`.
#[derive(Accounts)]
pub struct CoordinatorRotateSigner<'info> {
    /// Pays the rent of the old key's record and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// The hot key from now on; signs to show that it is the authority's.
    #[account(constraint = new_signer.key() != coordinator.signer @ PinaivuError::NothingToChange)]
    pub new_signer: Signer<'info>,
    /// The coordinator.
    #[account(mut, has_one = authority @ PinaivuError::NotAuthority)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The old key's record.
    #[account(
        init,
        payer = payer,
        space = 8 + RetiredSigner::INIT_SPACE,
        seeds = [seeds::RETIRED_SIGNER, coordinator.key().as_ref(), coordinator.signer.as_ref()],
        bump,
    )]
    pub retired_signer: Box<Account<'info, RetiredSigner>>,
    /// CHECK: where the new key's record would be had it been retired; must not exist, else the new
    /// key could not be retired again.
    #[account(
        seeds = [seeds::RETIRED_SIGNER, coordinator.key().as_ref(), new_signer.key().as_ref()],
        bump,
        constraint = returning.data_is_empty() @ PinaivuError::SignerRetired,
    )]
    pub returning: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl CoordinatorRotateSigner<'_> {
    /// Changes the key.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let CoordinatorRotateSigner { payer, new_signer, coordinator, retired_signer, .. } =
            ctx.accounts;
        let old_signer = coordinator.signer;
        retired_signer.set_inner(RetiredSigner::new(
            ctx.bumps.retired_signer,
            coordinator.market,
            coordinator.key(),
            old_signer,
            now()?,
            payer.key(),
        ));
        coordinator.signer = new_signer.key();
        coordinator.evidence_hash = [0; 32];
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(CoordinatorSignerRotated {
            coordinator: coordinator.key(),
            sequence,
            old_signer,
            new_signer: coordinator.signer,
        });
        Ok(())
    }
}
