//! Adds money to an escrow. Anyone may fund anyone's.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::EscrowDeposited;
use crate::state::ledger::Vault;
use crate::state::{Escrow, Ledger, Market, next};
use crate::transfer::Money;

/// How much.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EscrowDepositArgs {
    /// In base units of the mint.
    pub amount: u64,
}

/// Accounts of `escrow_deposit`.
#[derive(Accounts)]
pub struct EscrowDeposit<'info> {
    /// May spend from `source`; the token program checks.
    pub depositor: Signer<'info>,
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Receives the credit.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
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
    /// Where the money comes from; the token program checks mint and authority.
    #[account(mut)]
    pub source: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl EscrowDeposit<'_> {
    fn validate(&self, args: &EscrowDepositArgs) -> Result<()> {
        self.market.require_open()?;
        require!(args.amount > 0, PinaivuError::AmountZero);
        Ok(())
    }

    /// Moves the money in.
    pub fn handle(ctx: Context<Self>, args: EscrowDepositArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let EscrowDeposit {
            depositor,
            market,
            ledger,
            escrow,
            escrow_vault,
            mint,
            source,
            token_program,
        } = ctx.accounts;
        Money { market, mint, token_program }.deposit(
            source,
            depositor,
            escrow_vault,
            args.amount,
        )?;
        escrow.add_free(args.amount)?;
        let sequence = next(&mut escrow.sequence)?;
        escrow.invariant()?;
        let ledger_sequence = ledger.grow(Vault::Escrow, args.amount)?;
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        emit!(EscrowDeposited {
            escrow: escrow.key(),
            sequence,
            ledger_sequence,
            depositor: depositor.key(),
            amount: args.amount,
            free: escrow.free,
            escrow_liabilities: ledger.escrow_liabilities,
            vault_balance: escrow_vault.amount,
        });
        Ok(())
    }
}
