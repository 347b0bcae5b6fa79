//! Gives a node another hot key. The new key signs too.

use anchor_lang::prelude::*;

use crate::error::PinaivuError;
use crate::event::NodeSignerRotated;
use crate::state::{Node, next};

/// Accounts of `node_rotate_signer`.
#[derive(Accounts)]
pub struct NodeRotateSigner<'info> {
    /// The node's operator, checked at `node`.
    pub operator: Signer<'info>,
    /// The hot key from now on; signs to show that it is the operator's.
    pub new_signer: Signer<'info>,
    /// The node.
    #[account(mut, has_one = operator @ PinaivuError::NotOperator)]
    pub node: Box<Account<'info, Node>>,
}

impl NodeRotateSigner<'_> {
    fn validate(&self) -> Result<()> {
        require_keys_neq!(self.new_signer.key(), self.node.signer, PinaivuError::NothingToChange);
        Ok(())
    }

    /// Changes the key.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        ctx.accounts.validate()?;
        let NodeRotateSigner { new_signer, node, .. } = ctx.accounts;
        let old_signer = node.signer;
        node.signer = new_signer.key();
        let sequence = next(&mut node.sequence)?;
        node.invariant()?;
        emit!(NodeSignerRotated {
            node: node.key(),
            sequence,
            old_signer,
            new_signer: node.signer,
        });
        Ok(())
    }
}
