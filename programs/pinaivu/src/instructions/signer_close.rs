//! Closes the record of a retired key once it can no longer be held to account. Anyone may call it; the
//! rent goes to who paid it.

use anchor_lang::prelude::*;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::state::{Market, RetiredSigner};

/// Accounts of `signer_close`.
#[derive(Accounts)]
pub struct SignerClose<'info> {
    /// The market; gives the delay.
    pub market: Box<Account<'info, Market>>,
    /// The record.
    #[account(
        mut,
        close = rent_payer,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub retired_signer: Box<Account<'info, RetiredSigner>>,
    /// CHECK: paid the rent, checked at `retired_signer`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl SignerClose<'_> {
    fn validate(&self) -> Result<()> {
        let past = self.retired_signer.is_past(&self.market, now()?);
        require!(past, PinaivuError::SignerAccountable);
        Ok(())
    }

    /// Closes it.
    pub fn handle(ctx: &Context<Self>) -> Result<()> {
        ctx.accounts.validate()
    }
}
