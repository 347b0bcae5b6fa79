//! Registers a node. The hot signer signs too, so that nobody can register another's key.

use anchor_lang::prelude::*;
use pinaivu_protocol::seeds;

use crate::clock::require_openable;
use crate::event::NodeRegistered;
use crate::state::{Market, Node, NodeStatus, Unbonding, VERSION};

/// Where the node will be and who it earns for.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct NodeRegisterArgs {
    /// A recent slot; part of the address.
    pub opening_slot: u64,
    /// Whose token account is paid. Cannot be changed later.
    pub payout_owner: Pubkey,
}

/// Accounts of `node_register`.
#[derive(Accounts)]
#[instruction(args: NodeRegisterArgs)]
pub struct NodeRegister<'info> {
    /// Pays rent and gets it back at the end.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Cold wallet that owns the stake.
    pub operator: Signer<'info>,
    /// Hot key; signs to show that it is the registrant's.
    pub signer: Signer<'info>,
    /// The market.
    pub market: Box<Account<'info, Market>>,
    /// The node.
    #[account(
        init,
        payer = payer,
        space = 8 + Node::INIT_SPACE,
        seeds = [
            seeds::NODE,
            market.key().as_ref(),
            operator.key().as_ref(),
            &args.opening_slot.to_le_bytes(),
        ],
        bump,
    )]
    pub node: Box<Account<'info, Node>>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

impl NodeRegister<'_> {
    fn validate(&self, args: &NodeRegisterArgs) -> Result<()> {
        self.market.require_open()?;
        require_openable(args.opening_slot)
    }

    /// Registers the node.
    pub fn handle(ctx: Context<Self>, args: NodeRegisterArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let accounts = ctx.accounts;
        accounts.node.set_inner(Node {
            version: VERSION,
            bump: ctx.bumps.node,
            market: accounts.market.key(),
            operator: accounts.operator.key(),
            signer: accounts.signer.key(),
            payout_owner: args.payout_owner,
            opening_slot: args.opening_slot,
            stake: 0,
            unbonding: Unbonding::default(),
            status: NodeStatus::Active,
            sequence: 1,
            endpoint_reserved: [0; 130],
            rent_payer: accounts.payer.key(),
            reserved: [0; 32],
        });
        accounts.node.invariant()?;
        emit!(NodeRegistered {
            node: accounts.node.key(),
            sequence: accounts.node.sequence,
            market: accounts.market.key(),
            operator: accounts.operator.key(),
            signer: accounts.signer.key(),
            payout_owner: args.payout_owner,
        });
        Ok(())
    }
}
