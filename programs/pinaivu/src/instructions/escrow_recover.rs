//! Returns tokens that a sweep cannot credit: of another mint than the market's, or sent to an escrow
//! that is closed. Only the escrow's owner can, whose key is in the escrow's address.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{
    Mint, TokenAccount, TokenInterface, TransferChecked, transfer_checked,
};
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::EscrowRecovered;
use crate::state::Market;
use crate::state::escrow::escrow_seeds;

/// Which escrow.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EscrowRecoverArgs {
    /// The slot in the escrow's address.
    pub opening_slot: u64,
}

/// Accounts of `escrow_recover`.
#[derive(Accounts)]
#[instruction(args: EscrowRecoverArgs)]
pub struct EscrowRecover<'info> {
    /// The escrow's owner: its key is in the escrow's address.
    pub owner: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// CHECK: the escrow's address, whether there is an account or not.
    #[account(
        seeds = [
            seeds::ESCROW,
            market.key().as_ref(),
            owner.key().as_ref(),
            &args.opening_slot.to_le_bytes(),
        ],
        bump,
    )]
    pub escrow: UncheckedAccount<'info>,
    /// A token account of the escrow.
    #[account(mut, constraint = source.owner == escrow.key() @ PinaivuError::WrongTokenAccount)]
    pub source: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Of those tokens; may be any.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Any token account; the owner's signature covers the choice.
    #[account(mut)]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Of that mint.
    pub token_program: Interface<'info, TokenInterface>,
}

impl EscrowRecover<'_> {
    fn validate(&self) -> Result<()> {
        let closed = self.escrow.data_is_empty();
        let sweepable = self.mint.key() == self.market.mint && !closed;
        require!(!sweepable, PinaivuError::SweepInstead);
        require!(self.source.amount > 0, PinaivuError::NothingToSweep);
        Ok(())
    }

    /// Moves the whole balance out. No balance that the program keeps is touched.
    pub fn handle(ctx: Context<Self>, args: EscrowRecoverArgs) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = ctx.accounts;
        let amount = accounts.source.amount;
        let (market, owner) = (accounts.market.key(), accounts.owner.key());
        let slot = args.opening_slot.to_le_bytes();
        let signer = escrow_seeds(&market, &owner, &slot, &ctx.bumps.escrow);
        let transfer = TransferChecked {
            from: accounts.source.to_account_info(),
            mint: accounts.mint.to_account_info(),
            to: accounts.destination.to_account_info(),
            authority: accounts.escrow.to_account_info(),
        };
        transfer_checked(
            CpiContext::new_with_signer(accounts.token_program.key(), transfer, &[&signer]),
            amount,
            accounts.mint.decimals,
        )?;
        emit!(EscrowRecovered {
            escrow: accounts.escrow.key(),
            mint: accounts.mint.key(),
            destination: accounts.destination.key(),
            amount,
        });
        Ok(())
    }
}
