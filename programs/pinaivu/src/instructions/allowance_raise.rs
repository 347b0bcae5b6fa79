//! Reserves more money in an allowance, or lets it expire later. Takes effect at once.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::AllowanceRaised;
use crate::state::{Allowance, Coordinator, Escrow, Market, next};

/// What to add.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct AllowanceRaiseArgs {
    /// In base units of the mint; may be 0 when only the expiry moves.
    pub amount: u64,
    /// The new expiry in seconds since 1970; not before the present one.
    pub expiry_time: i64,
}

/// Accounts of `allowance_raise`.
#[derive(Accounts)]
pub struct AllowanceRaise<'info> {
    /// The escrow's owner, checked at `escrow`.
    pub owner: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// Where the money is.
    #[account(
        mut,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = owner @ PinaivuError::NotOwner,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// Who may debit. Bonded, checked in `validate`.
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// Gets the money.
    #[account(
        mut,
        has_one = escrow @ PinaivuError::WrongEscrow,
        has_one = coordinator @ PinaivuError::WrongCoordinator,
    )]
    pub allowance: Box<Account<'info, Allowance>>,
}

impl AllowanceRaise<'_> {
    fn validate(&self, args: &AllowanceRaiseArgs) -> Result<()> {
        let expiry = self.allowance.expiry_time;
        require!(args.expiry_time >= expiry, PinaivuError::ExpiryLowered);
        require!(args.expiry_time > now()?.time.0, PinaivuError::ExpiryInPast);
        let changes = args.amount > 0 || args.expiry_time > expiry;
        require!(changes, PinaivuError::NothingToChange);
        self.coordinator.require_bonded(&self.market)
    }

    /// Reserves the money.
    pub fn handle(ctx: Context<Self>, args: AllowanceRaiseArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let AllowanceRaise { escrow, allowance, .. } = ctx.accounts;
        escrow.take_free(args.amount)?;
        next(&mut escrow.sequence)?;
        escrow.invariant()?;
        let mut counters = allowance.reservation();
        counters.raise(Amount(args.amount)).map_err(PinaivuError::from)?;
        allowance.set_reservation(counters);
        allowance.expiry_time = args.expiry_time;
        // The expiry lies ahead again, so nobody has observed it.
        allowance.expiry_observed_slot = 0;
        let sequence = next(&mut allowance.sequence)?;
        allowance.invariant()?;
        emit!(AllowanceRaised {
            allowance: allowance.key(),
            sequence,
            amount: args.amount,
            reserved: allowance.reserved,
            remaining: allowance.remaining()?,
            expiry_time: allowance.expiry_time,
            free: escrow.free,
        });
        Ok(())
    }
}
