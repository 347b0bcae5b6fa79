//! Starts to take stake out. It stops counting at once and leaves after the market's unbonding delay.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::RuleError;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::NodeUnbonded;
use crate::state::{Node, next};

/// How much.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct NodeUnbondArgs {
    /// In base units of the mint; at most the active stake. The delay starts again for everything that
    /// waits already.
    pub amount: u64,
}

/// Accounts of `node_unbond`.
#[derive(Accounts)]
pub struct NodeUnbond<'info> {
    /// The node's operator, checked at `node`.
    pub operator: Signer<'info>,
    /// Gives the stake.
    #[account(mut, has_one = operator @ PinaivuError::NotOperator)]
    pub node: Box<Account<'info, Node>>,
}

impl NodeUnbond<'_> {
    fn validate(&self, args: &NodeUnbondArgs) -> Result<()> {
        require!(args.amount > 0, PinaivuError::AmountZero);
        Ok(())
    }

    /// Starts the delay.
    pub fn handle(ctx: Context<Self>, args: NodeUnbondArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let node = &mut ctx.accounts.node;
        let mut holdings = node.holdings();
        holdings.unbond(Amount(args.amount), now()?).map_err(|error| match error {
            RuleError::Insufficient => PinaivuError::InsufficientStake,
            other => other.into(),
        })?;
        node.set_holdings(holdings);
        let sequence = next(&mut node.sequence)?;
        node.invariant()?;
        emit!(NodeUnbonded {
            node: node.key(),
            sequence,
            amount: args.amount,
            stake: node.stake,
            unbonding: node.unbonding.amount,
        });
        Ok(())
    }
}
