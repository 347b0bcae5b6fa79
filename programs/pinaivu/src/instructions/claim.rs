//! Pays a node what it was credited and not yet paid, by a claim or by a demand. Anyone may call it; the
//! money goes to a token account of the payout owner.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::RuleError;

use crate::error::PinaivuError;
use crate::event::PayoutClaimed;
use crate::state::ledger::Vault;
use crate::state::{Ledger, Market, Payout, next};
use crate::transfer::Money;

/// Accounts of `claim`.
#[derive(Accounts)]
pub struct Claim<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// What is owed. Its coordinator may be closed.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub payout: Box<Account<'info, Payout>>,
    /// The market's escrow vault.
    #[account(
        mut,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump = market.escrow_vault_bump,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
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

impl Claim<'_> {
    /// Moves the money out.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let Claim { market, ledger, payout, escrow_vault, mint, destination, token_program } =
            ctx.accounts;
        let mut debt = payout.debt();
        let Amount(amount) = debt.claim().map_err(|error| match error {
            RuleError::Nothing => PinaivuError::NothingToClaim,
            other => other.into(),
        })?;
        payout.set_debt(debt);
        let sequence = next(&mut payout.sequence)?;
        payout.invariant()?;
        Money { market, mint, token_program }.pay(escrow_vault, destination, amount)?;
        let ledger_sequence = ledger.shrink(Vault::Escrow, amount)?;
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        emit!(PayoutClaimed {
            payout: payout.key(),
            sequence,
            ledger_sequence,
            destination: destination.key(),
            amount,
            paid: payout.paid,
            escrow_liabilities: ledger.escrow_liabilities,
            vault_balance: escrow_vault.amount,
        });
        Ok(())
    }
}
