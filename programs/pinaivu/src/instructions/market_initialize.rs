//! Opens the market of a mint on this cluster, with its ledger and its three empty vaults.
//!
//! Only the program's upgrade authority may: the address has room for one market per mint and cluster,
//! and whoever opens it fixes the rules.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::MarketInitialized;
use crate::mint::require_accepted;
use crate::program::Pinaivu;
use crate::state::{Ledger, Market, MarketRules, VERSION};

/// The market's rules.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct MarketInitializeArgs {
    /// Genesis hash of this cluster; nobody can check it on chain, everybody can off chain.
    pub genesis_hash: [u8; 32],
    /// May pause, and propose changes.
    pub governance: Pubkey,
    /// The rules.
    pub rules: MarketRules,
}

/// Accounts of `market_initialize`.
#[derive(Accounts)]
#[instruction(args: MarketInitializeArgs)]
pub struct MarketInitialize<'info> {
    /// Pays rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// The program's upgrade authority, checked against `program_data`.
    pub upgrade_authority: Signer<'info>,
    /// This program; names its `program_data`.
    #[account(
        constraint = program.programdata_address()? == Some(program_data.key())
            @ PinaivuError::NotUpgradeAuthority,
    )]
    pub program: Program<'info, Pinaivu>,
    /// Names the upgrade authority.
    #[account(
        constraint = program_data.upgrade_authority_address == Some(upgrade_authority.key())
            @ PinaivuError::NotUpgradeAuthority,
    )]
    pub program_data: Box<Account<'info, ProgramData>>,
    /// The money. Only with extensions that are accepted, checked in `validate`. That it belongs to
    /// `token_program` is checked by that program when the vaults are made.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// The market.
    #[account(
        init,
        payer = payer,
        space = 8 + Market::INIT_SPACE,
        seeds = [seeds::MARKET, mint.key().as_ref(), args.genesis_hash.as_ref()],
        bump,
    )]
    pub market: Box<Account<'info, Market>>,
    /// Its ledger.
    #[account(
        init,
        payer = payer,
        space = 8 + Ledger::INIT_SPACE,
        seeds = [seeds::LEDGER, market.key().as_ref()],
        bump,
    )]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Holds users' money and unpaid credits.
    #[account(
        init,
        payer = payer,
        seeds = [seeds::ESCROW_VAULT, market.key().as_ref()],
        bump,
        token::mint = mint,
        token::authority = market,
        token::token_program = token_program,
    )]
    pub escrow_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Holds nodes' stake.
    #[account(
        init,
        payer = payer,
        seeds = [seeds::STAKE_VAULT, market.key().as_ref()],
        bump,
        token::mint = mint,
        token::authority = market,
        token::token_program = token_program,
    )]
    pub stake_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Holds coordinators' bonds.
    #[account(
        init,
        payer = payer,
        seeds = [seeds::BOND_VAULT, market.key().as_ref()],
        bump,
        token::mint = mint,
        token::authority = market,
        token::token_program = token_program,
    )]
    pub bond_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Owns the mint.
    pub token_program: Interface<'info, TokenInterface>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

impl MarketInitialize<'_> {
    fn validate(&self) -> Result<()> {
        require_accepted(&self.mint.to_account_info())
    }

    /// Opens the market.
    pub fn handle(ctx: Context<Self>, args: MarketInitializeArgs) -> Result<()> {
        ctx.accounts.validate()?;
        let accounts = ctx.accounts;
        accounts.market.set_inner(Market {
            version: VERSION,
            bump: ctx.bumps.market,
            escrow_vault_bump: ctx.bumps.escrow_vault,
            stake_vault_bump: ctx.bumps.stake_vault,
            bond_vault_bump: ctx.bumps.bond_vault,
            mint_decimals: accounts.mint.decimals,
            paused: false,
            fee_cap_bps: 0,
            mint: accounts.mint.key(),
            token_program: accounts.token_program.key(),
            genesis_hash: args.genesis_hash,
            governance: args.governance,
            exit_delay_slots: 0,
            exit_delay_seconds: 0,
            unbond_delay_slots: 0,
            unbond_delay_seconds: 0,
            min_stake: 0,
            min_bond: 0,
            sequence: 1,
            liveness_slots: 0,
            liveness_seconds: 0,
            guarantee_delay_slots: 0,
            guarantee_delay_seconds: 0,
            governance_delay_slots: 0,
            governance_delay_seconds: 0,
            proposals: 0,
            reserved: [0; 72],
        });
        accounts.market.set_rules(&args.rules);
        accounts.market.invariant()?;
        accounts.ledger.set_inner(Ledger {
            version: VERSION,
            bump: ctx.bumps.ledger,
            market: accounts.market.key(),
            escrow_liabilities: 0,
            stake_liabilities: 0,
            bond_liabilities: 0,
            sequence: 1,
            reserved: [0; 64],
        });
        emit!(MarketInitialized {
            market: accounts.market.key(),
            sequence: accounts.market.sequence,
            mint: accounts.mint.key(),
            governance: args.governance,
            rules: args.rules,
        });
        Ok(())
    }
}
