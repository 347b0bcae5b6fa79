//! Puts a coordinator measurement on the market's list once the proposal's delay has passed. Anyone may
//! call it.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::ProposalApplied;
use crate::state::{Change, Market, Measurement, Proposal, VERSION, next};

/// Accounts of `measurement_allow`.
#[derive(Accounts)]
pub struct MeasurementAllow<'info> {
    /// Pays rent and gets it back when the measurement leaves the list.
    #[account(mut)]
    pub payer: Signer<'info>,
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
        init,
        payer = payer,
        space = 8 + Measurement::INIT_SPACE,
        seeds = [seeds::MEASUREMENT, market.key().as_ref(), &proposal.measurement()],
        bump,
    )]
    pub measurement: Box<Account<'info, Measurement>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl MeasurementAllow<'_> {
    fn validate(&self) -> Result<()> {
        let allows = matches!(self.proposal.change, Change::MeasurementAllowed(_));
        require!(allows, PinaivuError::WrongProposal);
        self.proposal.require_due(&self.market)
    }

    /// Makes the entry.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let MeasurementAllow { payer, market, proposal, measurement, .. } = ctx.accounts;
        measurement.set_inner(Measurement {
            version: VERSION,
            bump: ctx.bumps.measurement,
            market: market.key(),
            measurement: proposal.measurement(),
            allowed_slot: now()?.slot.0,
            rent_payer: payer.key(),
            reserved: [0; 32],
        });
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
