//! Opens an escrow.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::require_openable;
use crate::event::EscrowOpened;
use crate::state::{Escrow, Market, VERSION};

/// Where the escrow will be.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct EscrowOpenArgs {
    /// A recent slot; part of the address.
    pub opening_slot: u64,
}

/// Accounts of `escrow_open`.
#[derive(Accounts)]
#[instruction(args: EscrowOpenArgs)]
pub struct EscrowOpen<'info> {
    /// Pays rent and gets it back at the end.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Whose money it will be.
    pub owner: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The escrow.
    #[account(
        init,
        payer = payer,
        space = 8 + Escrow::INIT_SPACE,
        seeds = [
            seeds::ESCROW,
            market.key().as_ref(),
            owner.key().as_ref(),
            &args.opening_slot.to_le_bytes(),
        ],
        bump,
    )]
    pub escrow: Box<Account<'info, Escrow>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl EscrowOpen<'_> {
    fn validate(&self, args: &EscrowOpenArgs) -> Result<()> {
        require_openable(args.opening_slot)
    }

    /// Opens the escrow.
    pub fn handle(ctx: Context<Self>, args: EscrowOpenArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let accounts = ctx.accounts;
        accounts.escrow.set_inner(Escrow {
            version: VERSION,
            bump: ctx.bumps.escrow,
            market: accounts.market.key(),
            owner: accounts.owner.key(),
            opening_slot: args.opening_slot,
            free: 0,
            allowances: 0,
            sequence: 1,
            rent_payer: accounts.payer.key(),
            reserved: [0; 96],
        });
        accounts.escrow.invariant()?;
        emit!(EscrowOpened {
            escrow: accounts.escrow.key(),
            sequence: accounts.escrow.sequence,
            market: accounts.market.key(),
            owner: accounts.owner.key(),
        });
        Ok(())
    }
}
