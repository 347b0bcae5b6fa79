//! Pays a coordinator the fees it kept and was not yet paid. Anyone may call it; the money goes to a
//! token account of the cold authority.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_rules::RuleError;

use crate::error::PinaivuError;
use crate::event::FeesClaimed;
use crate::state::ledger::Vault;
use crate::state::{Coordinator, Ledger, Market, next};
use crate::transfer::Money;

/// Accounts of `fee_claim`.
#[derive(Accounts)]
pub struct FeeClaim<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Whose fees.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The market's escrow vault.
    #[account(
        mut,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump = market.escrow_vault_bump,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// A token account of the coordinator's cold authority.
    #[account(
        mut,
        constraint = destination.owner == coordinator.authority @ PinaivuError::WrongTokenAccount,
    )]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl FeeClaim<'_> {
    /// Moves the money out.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let FeeClaim {
            market,
            ledger,
            coordinator,
            escrow_vault,
            mint,
            destination,
            token_program,
        } = ctx.accounts;
        let mut totals = coordinator.totals();
        let due = totals.pay_fees().map_err(|error| match error {
            RuleError::Nothing => PinaivuError::NothingToClaim,
            other => other.into(),
        })?;
        coordinator.set_totals(totals);
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        Money { market, mint, token_program }.pay(escrow_vault, destination, due.0)?;
        let ledger_sequence = ledger.shrink(Vault::Escrow, due.0)?;
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        emit!(FeesClaimed {
            coordinator: coordinator.key(),
            sequence,
            ledger_sequence,
            destination: destination.key(),
            amount: due.0,
            fees_paid: coordinator.fees_paid,
            escrow_liabilities: ledger.escrow_liabilities,
            vault_balance: escrow_vault.amount,
        });
        Ok(())
    }
}
