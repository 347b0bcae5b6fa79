//! Gives a node another hot key. The new key signs too.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::NodeSignerRotated;
use crate::state::{Node, RetiredSigner, next};

/// Accounts of `node_rotate_signer`.
#[derive(Accounts)]
pub struct NodeRotateSigner<'info> {
    /// Pays the rent of the old key's record and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The node's operator, checked at `node`.
    pub operator: Signer<'info>,
    /// The hot key from now on; signs to show that it is the operator's.
    #[account(constraint = new_signer.key() != node.signer @ PinaivuError::NothingToChange)]
    pub new_signer: Signer<'info>,
    /// The node.
    #[account(mut, has_one = operator @ PinaivuError::NotOperator)]
    pub node: Box<Account<'info, Node>>,
    /// The old key's record.
    #[account(
        init,
        payer = payer,
        space = 8 + RetiredSigner::INIT_SPACE,
        seeds = [seeds::RETIRED_SIGNER, node.key().as_ref(), node.signer.as_ref()],
        bump,
    )]
    pub retired_signer: Box<Account<'info, RetiredSigner>>,
    /// CHECK: where the new key's record would be had it been retired; must not exist, else the new
    /// key could not be retired again.
    #[account(
        seeds = [seeds::RETIRED_SIGNER, node.key().as_ref(), new_signer.key().as_ref()],
        bump,
        constraint = returning.data_is_empty() @ PinaivuError::SignerRetired,
    )]
    pub returning: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl NodeRotateSigner<'_> {
    /// Changes the key.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let NodeRotateSigner { payer, new_signer, node, retired_signer, .. } = ctx.accounts;
        let old_signer = node.signer;
        retired_signer.set_inner(RetiredSigner::new(
            ctx.bumps.retired_signer,
            node.market,
            node.key(),
            old_signer,
            now()?,
            payer.key(),
        ));
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
