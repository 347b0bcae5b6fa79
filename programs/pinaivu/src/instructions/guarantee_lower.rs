//! Lowers a guarantee whose delay has passed. Anyone may call it.
//!
//! Not while a demand is open: what was guaranteed when it was opened stands until it is settled. And
//! not below what the bond has advanced.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::GuaranteeSet as GuaranteeSetEvent;
use crate::state::{Coordinator, Lowering, Market, Payout, next};

/// Accounts of `guarantee_lower`.
#[derive(Accounts)]
pub struct GuaranteeLower<'info> {
    /// The market; gives the delay.
    pub market: Box<Account<'info, Market>>,
    /// Guarantees.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// Of the node that is guaranteed.
    #[account(mut, has_one = coordinator @ PinaivuError::WrongCoordinator)]
    pub payout: Box<Account<'info, Payout>>,
}

impl GuaranteeLower<'_> {
    fn validate(&self) -> Result<()> {
        let lowering = &self.payout.lowering;
        require!(lowering.is_pending(), PinaivuError::NothingLowering);
        require!(!self.payout.demand.is_open(), PinaivuError::DemandOpen);
        let passed = self.market.guarantee_delay().has_passed(lowering.requested(), now()?);
        require!(passed, PinaivuError::NotMatured);
        Ok(())
    }

    /// Lowers the guarantee.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let GuaranteeLower { coordinator, payout, .. } = ctx.accounts;
        let lower = Amount(payout.lowering.guarantee.max(payout.advanced));
        let less = Amount(payout.guarantee).saturating_sub(lower);
        let mut backing = coordinator.backing();
        backing.release(less).map_err(PinaivuError::from)?;
        coordinator.set_backing(backing);
        payout.guarantee = lower.0.min(payout.guarantee);
        payout.lowering = Lowering::default();
        next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        let sequence = next(&mut payout.sequence)?;
        payout.invariant()?;
        emit!(GuaranteeSetEvent {
            payout: payout.key(),
            sequence,
            guarantee: payout.guarantee,
            lowering_to: None,
            guaranteed: coordinator.guaranteed,
            guarantee_bond: coordinator.guarantee_bond,
        });
        Ok(())
    }
}
