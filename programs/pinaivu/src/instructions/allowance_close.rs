//! Closes an allowance with nothing left in it. Its address is never used again, so its cumulatives
//! never restart.

use anchor_lang::prelude::*;

use crate::clock::require_closable;
use crate::error::PinaivuError;
use crate::event::AllowanceClosed;
use crate::state::{Allowance, Escrow, next};

/// Accounts of `allowance_close`.
#[derive(Accounts)]
pub struct AllowanceClose<'info> {
    /// The allowance's owner, checked at `allowance`.
    pub owner: Signer<'info>,
    /// The allowance's escrow; counts one open allowance less.
    #[account(mut)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// Empty, checked in `validate`.
    #[account(
        mut,
        close = rent_payer,
        has_one = owner @ PinaivuError::NotOwner,
        has_one = escrow @ PinaivuError::WrongEscrow,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub allowance: Box<Account<'info, Allowance>>,
    /// CHECK: paid the rent, checked at `allowance`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl AllowanceClose<'_> {
    fn validate(&self) -> Result<()> {
        require!(self.allowance.remaining()? == 0, PinaivuError::AllowanceNotEmpty);
        require_closable(self.allowance.opening_slot)
    }

    /// Closes the allowance.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let AllowanceClose { escrow, allowance, .. } = ctx.accounts;
        escrow.remove_allowance()?;
        next(&mut escrow.sequence)?;
        escrow.invariant()?;
        let sequence = next(&mut allowance.sequence)?;
        allowance.invariant()?;
        emit!(AllowanceClosed {
            allowance: allowance.key(),
            sequence,
            allowances: escrow.allowances,
        });
        Ok(())
    }
}
