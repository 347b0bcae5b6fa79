//! Closes a coordinator without bonds, fees, guarantees and advances, for good.
//!
//! What it credited stays claimable. What it debited and never distributed belongs to nobody: the vault
//! owes it to no one from now on, and nobody is ever credited with it.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::require_closable;
use crate::error::PinaivuError;
use crate::event::CoordinatorClosed;
use crate::state::ledger::Vault;
use crate::state::{Coordinator, Ledger, Market, next};

/// Accounts of `coordinator_close`.
#[derive(Accounts)]
pub struct CoordinatorClose<'info> {
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Empty, checked in `validate`.
    #[account(
        mut,
        close = rent_payer,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = authority @ PinaivuError::NotAuthority,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// CHECK: paid the rent, checked at `coordinator`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl CoordinatorClose<'_> {
    fn validate(&self) -> Result<()> {
        self.coordinator.require_empty()?;
        require_closable(self.coordinator.opening_slot)
    }

    /// Closes the coordinator.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let CoordinatorClose { ledger, coordinator, .. } = ctx.accounts;
        let rest = coordinator.totals().undistributed().map_err(PinaivuError::from)?;
        let ledger_sequence = ledger.shrink(Vault::Escrow, rest.0)?;
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(CoordinatorClosed {
            coordinator: coordinator.key(),
            sequence,
            ledger_sequence,
            undistributed: rest.0,
            escrow_liabilities: ledger.escrow_liabilities,
        });
        Ok(())
    }
}
