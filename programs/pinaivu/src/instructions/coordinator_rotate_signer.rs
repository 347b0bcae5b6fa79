//! Gives a coordinator another hot key. The new key signs too.
//!
//! Attestation evidence binds the key it was made for, so the old evidence is dropped.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::event::CoordinatorSignerRotated;
use crate::state::{Coordinator, next};

/// Accounts of `coordinator_rotate_signer`.
#[derive(Accounts)]
pub struct CoordinatorRotateSigner<'info> {
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// The hot key from now on; signs to show that it is the authority's.
    pub new_signer: Signer<'info>,
    /// The coordinator.
    #[account(mut, has_one = authority @ PinaivuError::NotAuthority)]
    pub coordinator: Box<Account<'info, Coordinator>>,
}

impl CoordinatorRotateSigner<'_> {
    fn validate(&self) -> Result<()> {
        let same = self.new_signer.key() == self.coordinator.signer;
        require!(!same, PinaivuError::NothingToChange);
        Ok(())
    }

    /// Changes the key.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let CoordinatorRotateSigner { new_signer, coordinator, .. } = ctx.accounts;
        let old_signer = coordinator.signer;
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
