//! Closes a payout with nothing in it, for good.
//!
//! Its address has no opening slot of its own. So it closes only when it cannot be opened again: once the
//! node or the coordinator, whose addresses never return, is closed.

use anchor_lang::prelude::*;
use anchor_lang::system_program;

use crate::error::PinaivuError;
use crate::event::PayoutClosed;
use crate::state::{Payout, next};

/// Accounts of `payout_close`.
#[derive(Accounts)]
pub struct PayoutClose<'info> {
    /// The payout owner, checked at `payout`: what a later credit would bring is lost to it.
    pub payout_owner: Signer<'info>,
    /// CHECK: the coordinator, open or closed; checked at `payout`.
    pub coordinator: UncheckedAccount<'info>,
    /// CHECK: the node, open or closed; checked at `payout`.
    pub node: UncheckedAccount<'info>,
    /// Empty, checked in `validate`.
    #[account(
        mut,
        close = rent_payer,
        has_one = payout_owner @ PinaivuError::NotPayoutOwner,
        has_one = coordinator @ PinaivuError::WrongCoordinator,
        has_one = node @ PinaivuError::WrongNode,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub payout: Box<Account<'info, Payout>>,
    /// CHECK: paid the rent, checked at `payout`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl PayoutClose<'_> {
    fn validate(&self) -> Result<()> {
        self.payout.require_empty()?;
        // What this program closed belongs to the system program afterwards.
        let closed = [&self.coordinator, &self.node]
            .iter()
            .any(|account| account.owner == &system_program::ID && account.data_is_empty());
        require!(closed, PinaivuError::PayoutInUse);
        Ok(())
    }

    /// Closes the payout.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let payout = &mut ctx.accounts.payout;
        let sequence = next(&mut payout.sequence)?;
        payout.invariant()?;
        emit!(PayoutClosed { payout: payout.key(), sequence });
        Ok(())
    }
}
