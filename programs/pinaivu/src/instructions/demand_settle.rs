//! Pays a demand whose liveness period has passed: what is credited by now out of the pool, what is
//! still short out of the guarantee bond, as far as the guarantee goes. Anyone may call it.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_protocol::units::Amount;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::DemandSettled;
use crate::state::ledger::Vault;
use crate::state::{Coordinator, Demand, Ledger, Market, Payout, next};
use crate::transfer::Money;

/// Accounts of `demand_settle`.
#[derive(Accounts)]
pub struct DemandSettle<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Whose bond.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// What was demanded.
    #[account(mut, has_one = coordinator @ PinaivuError::WrongCoordinator)]
    pub payout: Box<Account<'info, Payout>>,
    /// The market's escrow vault.
    #[account(
        mut,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump = market.escrow_vault_bump,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The market's bond vault.
    #[account(
        mut,
        seeds = [seeds::BOND_VAULT, market.key().as_ref()],
        bump = market.bond_vault_bump,
    )]
    pub bond_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// A token account of the payout owner.
    #[account(
        mut,
        constraint = destination.owner == payout.payout_owner @ PinaivuError::WrongTokenAccount,
    )]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl DemandSettle<'_> {
    fn validate(&self) -> Result<()> {
        let demand = &self.payout.demand;
        require!(demand.is_open(), PinaivuError::NoDemand);
        let passed = self.market.liveness().has_passed(demand.opened(), now()?);
        require!(passed, PinaivuError::NotMatured);
        Ok(())
    }

    /// Pays, and ends the demand whether all of it was there or not.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let DemandSettle {
            market,
            ledger,
            coordinator,
            payout,
            escrow_vault,
            bond_vault,
            mint,
            destination,
            token_program,
        } = ctx.accounts;
        let mut debt = payout.debt();
        let claimed = debt.claimable();
        if claimed > Amount::ZERO {
            debt.claim().map_err(PinaivuError::from)?;
        }
        let demanded = Amount(payout.demand.cumulative);
        let advanced = debt.advance(demanded).map_err(PinaivuError::from)?;
        let mut backing = coordinator.backing();
        backing.pay(advanced).map_err(PinaivuError::from)?;
        payout.set_debt(debt);
        payout.demand = Demand::default();
        coordinator.set_backing(backing);
        next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        let sequence = next(&mut payout.sequence)?;
        payout.invariant()?;
        let money = Money { market, mint, token_program };
        if claimed > Amount::ZERO {
            money.pay(escrow_vault, destination, claimed.0)?;
            ledger.shrink(Vault::Escrow, claimed.0)?;
        }
        if advanced > Amount::ZERO {
            money.pay(bond_vault, destination, advanced.0)?;
            ledger.shrink(Vault::Bond, advanced.0)?;
        }
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        ledger.invariant(Vault::Bond, bond_vault.amount)?;
        emit!(DemandSettled {
            payout: payout.key(),
            sequence,
            ledger_sequence: ledger.sequence,
            destination: destination.key(),
            demanded: demanded.0,
            claimed: claimed.0,
            advanced: advanced.0,
            paid: payout.paid,
            guarantee_bond: coordinator.guarantee_bond,
            escrow_liabilities: ledger.escrow_liabilities,
            bond_liabilities: ledger.bond_liabilities,
        });
        Ok(())
    }
}
