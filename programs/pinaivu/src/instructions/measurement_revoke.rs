//! Takes a coordinator measurement off the market's list once the proposal's delay has passed. Anyone may
//! call it. Coordinators that name it keep naming it; readers look at the list.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::ProposalApplied;
use crate::state::{Change, Market, Measurement, Proposal, next};

/// Accounts of `measurement_revoke`.
#[derive(Accounts)]
pub struct MeasurementRevoke<'info> {
    /// The market.
    #[account(mut)]
    pub market: Box<Account<'info, Market>>,
    /// The proposal.
    #[account(
        mut,
        close = rent_payer,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub proposal: Box<Account<'info, Proposal>>,
    /// CHECK: paid the proposal's rent, checked at `proposal`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
    /// The entry on the list.
    #[account(
        mut,
        close = entry_rent_payer,
        seeds = [seeds::MEASUREMENT, market.key().as_ref(), &proposal.measurement()],
        bump = measurement.bump,
        constraint = measurement.rent_payer == entry_rent_payer.key()
            @ PinaivuError::WrongRentReceiver,
    )]
    pub measurement: Box<Account<'info, Measurement>>,
    /// CHECK: paid the entry's rent, checked at `measurement`.
    #[account(mut)]
    pub entry_rent_payer: UncheckedAccount<'info>,
}

impl MeasurementRevoke<'_> {
    fn validate(&self) -> Result<()> {
        let revokes = matches!(self.proposal.change, Change::MeasurementRevoked(_));
        require!(revokes, PinaivuError::WrongProposal);
        self.proposal.require_due(&self.market)
    }

    /// Ends the entry.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let MeasurementRevoke { market, proposal, .. } = ctx.accounts;
        let sequence = next(&mut market.sequence)?;
        market.invariant()?;
        emit!(ProposalApplied {
            proposal: proposal.key(),
            market: market.key(),
            sequence,
            change: proposal.change,
        });
        Ok(())
    }
}
