//! Closes a node without stake. Its address is never used again; what it was credited stays claimable.

use anchor_lang::prelude::*;

use crate::clock::require_closable;
use crate::error::PinaivuError;
use crate::event::NodeClosed;
use crate::state::{Node, next};

/// Accounts of `node_close`.
#[derive(Accounts)]
pub struct NodeClose<'info> {
    /// The node's operator, checked at `node`; gets the rent.
    #[account(mut)]
    pub operator: Signer<'info>,
    /// Without stake, checked in `validate`.
    #[account(mut, close = operator, has_one = operator @ PinaivuError::NotOperator)]
    pub node: Box<Account<'info, Node>>,
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
