//! Closes an escrow without money and allowances. Its address is never used again.

use anchor_lang::prelude::*;

use crate::clock::require_closable;
use crate::error::PinaivuError;
use crate::event::EscrowClosed;
use crate::state::{Escrow, next};

/// Accounts of `escrow_close`.
#[derive(Accounts)]
pub struct EscrowClose<'info> {
    /// The escrow's owner, checked at `escrow`; gets the rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// Empty, checked in `validate`.
    #[account(mut, close = owner, has_one = owner @ PinaivuError::NotOwner)]
    pub escrow: Box<Account<'info, Escrow>>,
}

impl EscrowClose<'_> {
    fn validate(&self) -> Result<()> {
        require!(self.escrow.free == 0, PinaivuError::EscrowNotEmpty);
        require!(self.escrow.allowances == 0, PinaivuError::AllowancesOpen);
        require_closable(self.escrow.opening_slot)
    }

    /// Closes the escrow.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let escrow = &mut ctx.accounts.escrow;
        let sequence = next(&mut escrow.sequence)?;
        escrow.invariant()?;
        emit!(EscrowClosed { escrow: escrow.key(), sequence });
        Ok(())
    }
}
