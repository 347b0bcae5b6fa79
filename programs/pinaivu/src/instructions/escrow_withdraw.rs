//! Takes free money out of an escrow, at once, to any token account the owner names.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::EscrowWithdrawn;
use crate::state::ledger::Vault;
use crate::state::{Escrow, Ledger, Market, next};
use crate::transfer::Money;

/// How much.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EscrowWithdrawArgs {
    /// In base units of the mint; at most what is free.
    pub amount: u64,
}

/// Accounts of `escrow_withdraw`.
#[derive(Accounts)]
pub struct EscrowWithdraw<'info> {
    /// The escrow's owner, checked at `escrow`.
    pub owner: Signer<'info>,
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Gives the money.
    #[account(
        mut,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = owner @ PinaivuError::NotOwner,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The market's escrow vault.
    #[account(
        mut,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump = market.escrow_vault_bump,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Any token account of the mint; the owner's signature covers the choice.
    #[account(mut)]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl EscrowWithdraw<'_> {
    fn validate(&self, args: &EscrowWithdrawArgs) -> Result<()> {
        require!(args.amount > 0, PinaivuError::AmountZero);
        Ok(())
    }

    /// Moves the money out.
    pub fn handle(ctx: Context<Self>, args: EscrowWithdrawArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let EscrowWithdraw {
            owner: _,
            market,
            ledger,
            escrow,
            escrow_vault,
            mint,
            destination,
            token_program,
        } = ctx.accounts;
        escrow.take_free(args.amount)?;
        let sequence = next(&mut escrow.sequence)?;
        escrow.invariant()?;
        Money { market, mint, token_program }.pay(escrow_vault, destination, args.amount)?;
        let ledger_sequence = ledger.shrink(Vault::Escrow, args.amount)?;
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        emit!(EscrowWithdrawn {
            escrow: escrow.key(),
            sequence,
            ledger_sequence,
            destination: destination.key(),
            amount: args.amount,
            free: escrow.free,
            escrow_liabilities: ledger.escrow_liabilities,
            vault_balance: escrow_vault.amount,
        });
        Ok(())
    }
}
