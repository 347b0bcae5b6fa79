//! Adds stake to a node. Anyone may; it belongs to the operator from then on.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_protocol::units::Amount;

use crate::error::PinaivuError;
use crate::event::NodeStaked;
use crate::state::ledger::Vault;
use crate::state::{Ledger, Market, Node, next};
use crate::transfer::Money;

/// How much.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct NodeStakeArgs {
    /// In base units of the mint.
    pub amount: u64,
}

/// Accounts of `node_stake`.
#[derive(Accounts)]
pub struct NodeStake<'info> {
    /// May spend from `source`; the token program checks.
    pub depositor: Signer<'info>,
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Receives the stake.
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
    /// Where the money comes from; the token program checks mint and authority.
    #[account(mut)]
    pub source: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl NodeStake<'_> {
    fn validate(&self, args: &NodeStakeArgs) -> Result<()> {
        self.market.require_open()?;
        self.node.require_active()?;
        require!(args.amount > 0, PinaivuError::AmountZero);
        Ok(())
    }

    /// Moves the stake in.
    pub fn handle(ctx: Context<Self>, args: NodeStakeArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let NodeStake { depositor, market, ledger, node, stake_vault, mint, source, token_program } =
            ctx.accounts;
        Money { market, mint, token_program }.deposit(
            source,
            depositor,
            stake_vault,
            args.amount,
        )?;
        let mut holdings = node.holdings();
        holdings.add(Amount(args.amount)).map_err(PinaivuError::from)?;
        node.set_holdings(holdings);
        let sequence = next(&mut node.sequence)?;
        node.invariant()?;
        let ledger_sequence = ledger.grow(Vault::Stake, args.amount)?;
        ledger.invariant(Vault::Stake, stake_vault.amount)?;
        emit!(NodeStaked {
            node: node.key(),
            sequence,
            ledger_sequence,
            amount: args.amount,
            stake: node.stake,
            stake_liabilities: ledger.stake_liabilities,
            vault_balance: stake_vault.amount,
        });
        Ok(())
    }
}
