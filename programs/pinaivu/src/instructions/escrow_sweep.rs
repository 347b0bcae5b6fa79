//! Credits an escrow with what lies in its deposit account. Anyone may call it.
//!
//! The deposit account is the escrow's associated token account, so that a wallet or an exchange funds
//! the escrow with a plain transfer to its address. A pause does not stop this: the money has arrived,
//! and only here can its owner get it out again.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::EscrowSwept;
use crate::state::escrow::escrow_seeds;
use crate::state::ledger::Vault;
use crate::state::{Escrow, Ledger, Market, next};
use crate::transfer::Money;

/// Accounts of `escrow_sweep`.
#[derive(Accounts)]
pub struct EscrowSweep<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Receives the credit and signs for its deposit account.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub escrow: Box<Account<'info, Escrow>>,
    /// The escrow's associated token account.
    #[account(
        mut,
        associated_token::mint = mint,
        associated_token::authority = escrow,
        associated_token::token_program = token_program,
    )]
    pub deposit_account: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The market's escrow vault.
    #[account(
        mut,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump = market.escrow_vault_bump,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl EscrowSweep<'_> {
    fn validate(&self) -> Result<()> {
        require!(self.deposit_account.amount > 0, PinaivuError::NothingToSweep);
        Ok(())
    }

    /// Moves the whole balance in.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let EscrowSweep {
            market,
            ledger,
            escrow,
            deposit_account,
            escrow_vault,
            mint,
            token_program,
        } = ctx.accounts;
        let amount = deposit_account.amount;
        let (slot, authority) = (escrow.opening_slot.to_le_bytes(), escrow.to_account_info());
        let signer = escrow_seeds(&escrow.market, &escrow.owner, &slot, &escrow.bump);
        Money { market, mint, token_program }.collect(
            deposit_account,
            authority,
            escrow_vault,
            amount,
            &signer,
        )?;
        escrow.add_free(amount)?;
        let sequence = next(&mut escrow.sequence)?;
        escrow.invariant()?;
        let ledger_sequence = ledger.grow(Vault::Escrow, amount)?;
        ledger.invariant(Vault::Escrow, escrow_vault.amount)?;
        emit!(EscrowSwept {
            escrow: escrow.key(),
            sequence,
            ledger_sequence,
            amount,
            free: escrow.free,
            escrow_liabilities: ledger.escrow_liabilities,
            vault_balance: escrow_vault.amount,
        });
        Ok(())
    }
}
