//! Pays out stake whose delay has passed, to a token account of the operator. Anyone may call it.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_rules::RuleError;

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::NodeUnbondClaimed;
use crate::state::ledger::Vault;
use crate::state::{Ledger, Market, Node, next};
use crate::transfer::Money;

/// Accounts of `node_unbond_claim`.
#[derive(Accounts)]
pub struct NodeUnbondClaim<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Gives the stake.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
    pub node: Box<Account<'info, Node>>,
    /// The market's stake vault.
    #[account(
        mut,
        seeds = [seeds::STAKE_VAULT, market.key().as_ref()],
        bump = market.stake_vault_bump,
    )]
    pub stake_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// A token account of the operator.
    #[account(
        mut,
        constraint = destination.owner == node.operator @ PinaivuError::WrongTokenAccount,
    )]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl NodeUnbondClaim<'_> {
    /// Moves the stake out.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let NodeUnbondClaim { market, ledger, node, stake_vault, mint, destination, token_program } =
            ctx.accounts;
        let mut holdings = node.holdings();
        let claimed =
            holdings.claim(now()?, market.unbond_delay()).map_err(|error| match error {
                RuleError::Nothing => PinaivuError::NothingUnbonding,
                other => other.into(),
            })?;
        node.set_holdings(holdings);
        let sequence = next(&mut node.sequence)?;
        node.invariant()?;
        Money { market, mint, token_program }.pay(stake_vault, destination, claimed.0)?;
        let ledger_sequence = ledger.shrink(Vault::Stake, claimed.0)?;
        ledger.invariant(Vault::Stake, stake_vault.amount)?;
        emit!(NodeUnbondClaimed {
            node: node.key(),
            sequence,
            ledger_sequence,
            amount: claimed.0,
            stake: node.stake,
            stake_liabilities: ledger.stake_liabilities,
            vault_balance: stake_vault.amount,
        });
        Ok(())
    }
}
