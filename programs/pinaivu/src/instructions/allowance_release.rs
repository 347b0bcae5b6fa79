//! Asks for reserved money back. Coordinators stop admitting against it at once; the money leaves by
//! `allowance_exit` after the market's exit delay, to the destination fixed here.
//!
//! A new request replaces one that is pending, and its delay starts again. An amount of 0 withdraws it.

use anchor_lang::prelude::*;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::AllowanceReleaseRequested;
use crate::state::{Allowance, PendingRelease, next};

/// What to ask for.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct AllowanceReleaseArgs {
    /// In base units of the mint. More than remains means all that remains, so that a debit that lands
    /// first cannot make the request fail.
    pub amount: u64,
    /// The token account to pay; none to return the money to the escrow's free balance.
    pub destination: Option<Pubkey>,
}

/// Accounts of `allowance_release`.
#[derive(Accounts)]
pub struct AllowanceRelease<'info> {
    /// The allowance's owner, checked at `allowance`.
    pub owner: Signer<'info>,
    /// Holds the money.
    #[account(mut, has_one = owner @ PinaivuError::NotOwner)]
    pub allowance: Box<Account<'info, Allowance>>,
}

impl AllowanceRelease<'_> {
    fn validate(&self, args: &AllowanceReleaseArgs) -> Result<()> {
        // The zero key means "back to the escrow" in the account.
        require!(args.destination != Some(Pubkey::default()), PinaivuError::WrongDestination);
        let changes = args.amount.min(self.allowance.remaining()?) > 0
            || self.allowance.pending_release.is_pending();
        require!(changes, PinaivuError::NothingToChange);
        Ok(())
    }

    /// Starts the delay.
    pub fn handle(ctx: Context<Self>, args: AllowanceReleaseArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let allowance = &mut ctx.accounts.allowance;
        let remaining = allowance.remaining()?;
        let amount = args.amount.min(remaining);
        let requested = now()?;
        allowance.pending_release = if amount == 0 {
            PendingRelease::default()
        } else {
            PendingRelease {
                amount,
                requested_slot: requested.slot.0,
                requested_time: requested.time.0,
                destination: args.destination.unwrap_or_default(),
            }
        };
        let sequence = next(&mut allowance.sequence)?;
        allowance.invariant()?;
        emit!(AllowanceReleaseRequested {
            allowance: allowance.key(),
            sequence,
            pending: amount,
            remaining,
            destination: allowance.pending_release.token_account(),
        });
        Ok(())
    }
}
