//! Proposes a change of the market. It waits for the delay that is in force now.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::ProposalOpened;
use crate::state::{Change, Market, Proposal, VERSION, next};

/// What to change.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ProposalOpenArgs {
    /// The change.
    pub change: Change,
}

/// Accounts of `proposal_open`.
#[derive(Accounts)]
pub struct ProposalOpen<'info> {
    /// Pays rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The market's governance, checked at `market`.
    pub governance: Signer<'info>,
    /// The market; numbers its proposals.
    #[account(mut, has_one = governance @ PinaivuError::NotGovernance)]
    pub market: Box<Account<'info, Market>>,
    /// The proposal.
    #[account(
        init,
        payer = payer,
        space = 8 + Proposal::INIT_SPACE,
        seeds = [seeds::PROPOSAL, market.key().as_ref(), &market.proposals.to_le_bytes()],
        bump,
    )]
    pub proposal: Box<Account<'info, Proposal>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl ProposalOpen<'_> {
    fn validate(&self, args: &ProposalOpenArgs) -> Result<()> {
        match args.change {
            // Rules that could never apply are refused at once, not after the delay.
            Change::Rules(rules) => {
                let mut market = Market::clone(&self.market);
                market.set_rules(&rules);
                market.invariant()
            }
            Change::Governance(governance) => {
                let same = governance == self.market.governance;
                require!(!same, PinaivuError::NothingToChange);
                Ok(())
            }
            Change::MeasurementAllowed(measurement) | Change::MeasurementRevoked(measurement) => {
                require!(measurement != [0; 32], PinaivuError::MeasurementNotAllowed);
                Ok(())
            }
        }
    }

    /// Opens the proposal.
    pub fn handle(ctx: Context<Self>, args: ProposalOpenArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let ProposalOpen { payer, governance, market, proposal, .. } = ctx.accounts;
        let (number, proposed) = (market.proposals, now()?);
        let delay = market.governance_delay();
        proposal.set_inner(Proposal {
            version: VERSION,
            bump: ctx.bumps.proposal,
            market: market.key(),
            number,
            governance: governance.key(),
            proposed_slot: proposed.slot.0,
            proposed_time: proposed.time.0,
            delay_slots: delay.slots,
            delay_seconds: delay.seconds,
            rent_payer: payer.key(),
            reserved: [0; 32],
            change: args.change,
        });
        next(&mut market.proposals)?;
        let sequence = next(&mut market.sequence)?;
        market.invariant()?;
        emit!(ProposalOpened {
            proposal: proposal.key(),
            market: market.key(),
            sequence,
            number,
            change: args.change,
            delay_slots: delay.slots,
            delay_seconds: delay.seconds,
        });
        Ok(())
    }
}
