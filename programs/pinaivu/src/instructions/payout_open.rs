//! Opens the account for what a coordinator owes a node. Anyone may, and pays its rent.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::PayoutOpened;
use crate::state::{Coordinator, Demand, Lowering, Market, Node, Payout, VERSION};

/// Accounts of `payout_open`.
#[derive(Accounts)]
pub struct PayoutOpen<'info> {
    /// Pays rent and gets it back at the end.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The market of both.
    pub market: Box<Account<'info, Market>>,
    /// Who owes.
    #[account(has_one = market @ PinaivuError::WrongMarket)]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// Who earns.
    #[account(has_one = market @ PinaivuError::WrongMarket)]
    pub node: Box<Account<'info, Node>>,
    /// The payout.
    #[account(
        init,
        payer = payer,
        space = 8 + Payout::INIT_SPACE,
        seeds = [seeds::PAYOUT, coordinator.key().as_ref(), node.key().as_ref()],
        bump,
    )]
    pub payout: Box<Account<'info, Payout>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl PayoutOpen<'_> {
    /// Opens the payout.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = ctx.accounts;
        accounts.payout.set_inner(Payout {
            version: VERSION,
            bump: ctx.bumps.payout,
            coordinator: accounts.coordinator.key(),
            node: accounts.node.key(),
            payout_owner: accounts.node.payout_owner,
            credited: 0,
            paid: 0,
            guarantee: 0,
            sequence: 1,
            market: accounts.market.key(),
            advanced: 0,
            lowering: Lowering::default(),
            demand: Demand::default(),
            rent_payer: accounts.payer.key(),
            reserved: [0; 40],
        });
        let payout = &accounts.payout;
        payout.invariant()?;
        emit!(PayoutOpened {
            payout: payout.key(),
            sequence: payout.sequence,
            coordinator: payout.coordinator,
            node: payout.node,
            payout_owner: payout.payout_owner,
        });
        Ok(())
    }
}
