//! Closes a node without stake. Its address is never used again; what it was credited stays claimable.

use anchor_lang::prelude::*;

use crate::clock::require_closable;
use crate::error::PinaivuError;
use crate::event::NodeClosed;
use crate::state::{Node, next};

/// Accounts of `node_close`.
#[derive(Accounts)]
pub struct NodeClose<'info> {
    /// The node's operator, checked at `node`.
    pub operator: Signer<'info>,
    /// Without stake, checked in `validate`.
    #[account(
        mut,
        close = rent_payer,
        has_one = operator @ PinaivuError::NotOperator,
        has_one = rent_payer @ PinaivuError::WrongRentReceiver,
    )]
    pub node: Box<Account<'info, Node>>,
    /// CHECK: paid the rent, checked at `node`.
    #[account(mut)]
    pub rent_payer: UncheckedAccount<'info>,
}

impl NodeClose<'_> {
    fn validate(&self) -> Result<()> {
        let total = self.node.holdings().total().map_err(PinaivuError::from)?;
        require!(total.0 == 0, PinaivuError::NodeNotEmpty);
        require_closable(self.node.opening_slot)
    }

    /// Closes the node.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let node = &mut ctx.accounts.node;
        let sequence = next(&mut node.sequence)?;
        node.invariant()?;
        emit!(NodeClosed { node: node.key(), sequence });
        Ok(())
    }
}
