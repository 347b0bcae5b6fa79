//! Puts other rules or another governance in force once the proposal's delay has passed. Anyone may call
//! it for rules; a new governance signs, so that the market cannot pass to a key that nobody has.
//!
//! Nothing here moves money, and no proposal can.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::event::ProposalApplied;
use crate::state::{Change, Market, Proposal, next};

/// Accounts of `proposal_apply`.
#[derive(Accounts)]
pub struct ProposalApply<'info> {
    /// What is changed.
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
    /// CHECK: paid the rent, checked at `proposal`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
    /// The proposed governance; needed when that is what changes.
    pub new_governance: Option<Signer<'info>>,
}

impl ProposalApply<'_> {
    fn validate(&self) -> Result<()> {
        self.proposal.require_due(&self.market)
    }

    /// Makes the change.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let ProposalApply { market, proposal, new_governance, .. } = ctx.accounts;
        match proposal.change {
            Change::Rules(rules) => market.set_rules(&rules),
            Change::Governance(governance) => {
                let signed = new_governance.as_ref().map(|signer| signer.key());
                require!(signed == Some(governance), PinaivuError::NewGovernanceMissing);
                market.governance = governance;
            }
            Change::MeasurementAllowed(_) | Change::MeasurementRevoked(_) => {
                return err!(PinaivuError::WrongProposal);
            }
        }
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
