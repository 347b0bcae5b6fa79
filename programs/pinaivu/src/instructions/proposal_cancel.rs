//! Takes a proposal back.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::event::ProposalCancelled;
use crate::state::{Market, Proposal};

/// Accounts of `proposal_cancel`.
#[derive(Accounts)]
pub struct ProposalCancel<'info> {
    /// The market's present governance, checked at `market`.
    pub governance: Signer<'info>,
    /// The market.
    #[account(has_one = governance @ PinaivuError::NotGovernance)]
    pub market: Box<Account<'info, Market>>,
    /// The proposal.
    #[account(
        mut,
        close = rent_payer,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub proposal: Box<Account<'info, Proposal>>,
    /// CHECK: paid the rent, checked at `proposal`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl ProposalCancel<'_> {
    /// Closes it.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let ProposalCancel { market, proposal, .. } = ctx.accounts;
        emit!(ProposalCancelled {
            proposal: proposal.key(),
            market: market.key(),
            number: proposal.number,
        });
        Ok(())
    }
}
