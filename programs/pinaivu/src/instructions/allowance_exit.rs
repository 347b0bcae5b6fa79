//! Returns reserved money whose delay has passed. Anyone may call it; the coordinator has no say.
//!
//! Two things end a reservation. A *release* pays at most what was asked for, to the destination fixed
//! then. An *expiry* returns all that is left to the escrow: the first call after it only notes the
//! slot, so that the delay can be counted in slots too, and a later call moves the money. Debits stay
//! valid until the money has moved.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_protocol::units::{Amount, Slot};
use pinaivu_rules::{Moment, UnixSeconds};

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::{AllowanceExited, AllowanceExpired};
use crate::state::ledger::Vault;
use crate::state::{Allowance, Escrow, Ledger, Market, PendingRelease, next};
use crate::transfer::Money;

/// Accounts of `allowance_exit`.
#[derive(Accounts)]
pub struct AllowanceExit<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Where the money goes unless the release named a token account.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// Holds the money.
    #[account(mut, has_one = escrow @ PinaivuError::WrongEscrow)]
    pub allowance: Box<Account<'info, Allowance>>,
    /// The market's escrow vault.
    #[account(
        mut,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump = market.escrow_vault_bump,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// The token account that the release named; needed only when it named one.
    #[account(mut)]
    pub destination: Option<Box<InterfaceAccount<'info, TokenAccount>>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

/// What an exit does now.
#[derive(Default)]
struct Due {
    /// The release's delay has passed.
    release: bool,
    /// The expiry has passed and nobody has noted it.
    observe: bool,
    /// The delay after the expiry has passed.
    expiry: bool,
}

impl<'info> AllowanceExit<'info> {
    fn due(&self, now: Moment) -> Due {
        let (allowance, delay) = (&self.allowance, self.market.exit_delay());
        let pending = &allowance.pending_release;
        let expired = allowance.has_expired(now);
        let observed = allowance.expiry_observed_slot != 0;
        let expiry = Moment {
            slot: Slot(allowance.expiry_observed_slot),
            time: UnixSeconds(allowance.expiry_time),
        };
        Due {
            release: pending.is_pending() && delay.has_passed(pending.requested(), now),
            observe: expired && !observed,
            expiry: expired && observed && delay.has_passed(expiry, now),
        }
    }

    fn validate(&self, now: Moment, due: &Due) -> Result<()> {
        if due.release || due.observe || due.expiry {
            return Ok(());
        }
        let waits = self.allowance.pending_release.is_pending() || self.allowance.has_expired(now);
        if waits { err!(PinaivuError::NotMatured) } else { err!(PinaivuError::NothingToExit) }
    }

    /// Pays the release, notes the expiry, or returns what is left: whatever is due.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        let now = now()?;
        let due = accounts.due(now);
        accounts.validate(now, &due)?;

        let (mut paid, mut returned) = (0, 0);
        if due.release {
            let pending = accounts.allowance.pending_release;
            accounts.allowance.pending_release = PendingRelease::default();
            let amount = accounts.release(Amount(pending.amount))?;
            match pending.token_account() {
                Some(destination) => {
                    accounts.pay(destination, amount)?;
                    paid = amount;
                }
                None => returned = amount,
            }
        }
        if due.observe {
            accounts.allowance.expiry_observed_slot = now.slot.0;
        }
        if due.expiry {
            // A release that has not matured ends here too: the owner gets it now, in the escrow.
            accounts.allowance.pending_release = PendingRelease::default();
            let rest = accounts.release(Amount::MAX)?;
            returned = rest.checked_add(returned).ok_or(PinaivuError::Overflow)?;
        }
        accounts.finish(&due, paid, returned)
    }

    fn release(&mut self, asked: Amount) -> Result<u64> {
        let mut counters = self.allowance.reservation();
        let amount = counters.release(asked).map_err(PinaivuError::from)?;
        self.allowance.set_reservation(counters);
        Ok(amount.0)
    }

    fn pay(&mut self, address: Pubkey, amount: u64) -> Result<()> {
        let Self { market, ledger, escrow_vault, mint, destination, token_program, .. } = self;
        let destination = destination.as_mut().ok_or(PinaivuError::DestinationMissing)?;
        require_keys_eq!(destination.key(), address, PinaivuError::WrongDestination);
        if amount > 0 {
            Money { market, mint, token_program }.pay(escrow_vault, destination, amount)?;
            ledger.shrink(Vault::Escrow, amount)?;
        }
        ledger.invariant(Vault::Escrow, escrow_vault.amount)
    }

    fn finish(&mut self, due: &Due, paid: u64, returned: u64) -> Result<()> {
        let Self { ledger, escrow, allowance, escrow_vault, .. } = self;
        if returned > 0 {
            escrow.add_free(returned)?;
            next(&mut escrow.sequence)?;
            escrow.invariant()?;
        }
        let sequence = next(&mut allowance.sequence)?;
        allowance.invariant()?;
        let remaining = allowance.remaining()?;
        if due.observe {
            emit!(AllowanceExpired { allowance: allowance.key(), sequence, remaining });
        }
        if due.release || due.expiry {
            emit!(AllowanceExited {
                allowance: allowance.key(),
                sequence,
                paid,
                returned,
                released: allowance.released,
                remaining,
                free: escrow.free,
                escrow_liabilities: ledger.escrow_liabilities,
                vault_balance: escrow_vault.amount,
            });
        }
        Ok(())
    }
}
