//! Closes an escrow without money and allowances, and its deposit account. Its address is never used
//! again.

use anchor_lang::prelude::*;
use anchor_spl::associated_token::get_associated_token_address_with_program_id;
use anchor_spl::token_interface::{CloseAccount, TokenAccount, TokenInterface, close_account};

use crate::clock::require_closable;
use crate::error::PinaivuError;
use crate::event::EscrowClosed;
use crate::state::escrow::escrow_seeds;
use crate::state::{Escrow, Market, next};

/// Accounts of `escrow_close`.
#[derive(Accounts)]
pub struct EscrowClose<'info> {
    /// The escrow's owner, checked at `escrow`; gets the deposit account's rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    /// The market.
    #[account(has_one = token_program @ PinaivuError::WrongTokenProgram)]
    pub market: Box<Account<'info, Market>>,
    /// Empty, checked in `validate`.
    #[account(
        mut,
        close = rent_payer,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = owner @ PinaivuError::NotOwner,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// CHECK: paid the rent, checked at `escrow`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
    /// CHECK: the escrow's associated token account, whether it was ever made or not. Its address is
    /// checked in `validate`, so that none is forgotten.
    #[account(mut)]
    pub deposit_account: UncheckedAccount<'info>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl EscrowClose<'_> {
    fn validate(&self) -> Result<()> {
        let deposit_account = get_associated_token_address_with_program_id(
            &self.escrow.key(),
            &self.market.mint,
            &self.market.token_program,
        );
        let given = self.deposit_account.key();
        require_keys_eq!(given, deposit_account, PinaivuError::WrongTokenAccount);
        self.escrow.require_empty()?;
        require_closable(self.escrow.opening_slot)
    }

    /// Closes the deposit account, if there is one, and the escrow.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let EscrowClose { owner, escrow, deposit_account, token_program, .. } = ctx.accounts;
        if *deposit_account.owner == token_program.key() {
            let balance = {
                let data = deposit_account.try_borrow_data()?;
                TokenAccount::try_deserialize(&mut data.as_ref())?.amount
            };
            require!(balance == 0, PinaivuError::EscrowNotEmpty);
            let slot = escrow.opening_slot.to_le_bytes();
            let signer = escrow_seeds(&escrow.market, &escrow.owner, &slot, &escrow.bump);
            let accounts = CloseAccount {
                account: deposit_account.to_account_info(),
                destination: owner.to_account_info(),
                authority: escrow.to_account_info(),
            };
            close_account(CpiContext::new_with_signer(token_program.key(), accounts, &[&signer]))?;
        }
        let sequence = next(&mut escrow.sequence)?;
        escrow.invariant()?;
        emit!(EscrowClosed { escrow: escrow.key(), sequence });
        Ok(())
    }
}
