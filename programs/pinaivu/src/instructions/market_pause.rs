//! Stops or resumes deposits and registrations. Withdrawals, exits, settlements and claims go on.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::event::MarketPaused;
use crate::state::{Market, next};

/// Stop or resume.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct MarketPauseArgs {
    /// Whether deposits and registrations are stopped from now on.
    pub paused: bool,
}

/// Accounts of `market_pause`.
#[derive(Accounts)]
pub struct MarketPause<'info> {
    /// The market's governance, checked at `market`.
    pub governance: Signer<'info>,
    /// The market.
    #[account(mut, has_one = governance @ PinaivuError::NotGovernance)]
    pub market: Box<Account<'info, Market>>,
}

impl MarketPause<'_> {
    fn validate(&self, args: &MarketPauseArgs) -> Result<()> {
        require!(self.market.paused != args.paused, PinaivuError::NothingToChange);
        Ok(())
    }

    /// Stops or resumes.
    pub fn handle(ctx: Context<Self>, args: MarketPauseArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let market = &mut ctx.accounts.market;
        market.paused = args.paused;
        let sequence = next(&mut market.sequence)?;
        market.invariant()?;
        emit!(MarketPaused { market: market.key(), sequence, paused: args.paused });
        Ok(())
    }
}
