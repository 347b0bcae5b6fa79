//! Gives the guarantee bond back what it advanced, out of credit that came later. Anyone may call it.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_rules::RuleError;

use crate::error::PinaivuError;
use crate::event::GuaranteeRefilled;
use crate::state::ledger::Vault;
use crate::state::{Coordinator, Ledger, Market, Payout, next};
use crate::transfer::Money;

/// Accounts of `guarantee_refill`.
#[derive(Accounts)]
pub struct GuaranteeRefill<'info> {
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
    /// Of the node that the bond paid.
    #[account(mut, has_one = coordinator @ PinaivuError::WrongCoordinator)]
    pub payout: Box<Account<'info, Payout>>,
    /// The market's escrow vault: credit is in there.
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
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl GuaranteeRefill<'_> {
    /// Moves the money.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let GuaranteeRefill {
            market,
            ledger,
            coordinator,
            payout,
            escrow_vault,
            bond_vault,
            mint,
            token_program,
        } = ctx.accounts;
        let mut debt = payout.debt();
        let amount = debt.refill().map_err(|error| match error {
            RuleError::Nothing => PinaivuError::NothingToRefill,
            other => other.into(),
        })?;
        payout.set_debt(debt);
        let mut backing = coordinator.backing();
        backing.refill(amount).map_err(PinaivuError::from)?;
        coordinator.set_backing(backing);
        next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        let sequence = next(&mut payout.sequence)?;
        payout.invariant()?;
        Money { market, mint, token_program }.pay(escrow_vault, bond_vault, amount.0)?;
        ledger.shrink(Vault::Escrow, amount.0)?;
        let ledger_sequence = ledger.grow(Vault::Bond, amount.0)?;
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        ledger.invariant(Vault::Bond, bond_vault.amount)?;
        emit!(GuaranteeRefilled {
            payout: payout.key(),
            sequence,
            ledger_sequence,
            amount: amount.0,
            advanced: payout.advanced,
            guarantee_bond: coordinator.guarantee_bond,
            escrow_liabilities: ledger.escrow_liabilities,
            bond_liabilities: ledger.bond_liabilities,
        });
        Ok(())
    }
}
