//! Adds to a coordinator's bonds.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;

use crate::error::PinaivuError;
use crate::event::CoordinatorBonded;
use crate::state::ledger::Vault;
use crate::state::{Coordinator, Ledger, Market, next};
use crate::transfer::Money;

/// How much to add to each.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CoordinatorBondArgs {
    /// Added to the guarantee bond, in base units of the mint.
    pub guarantee: u64,
    /// Added to the penalty bond, in base units of the mint.
    pub penalty: u64,
}

/// Accounts of `coordinator_bond`.
#[derive(Accounts)]
pub struct CoordinatorBond<'info> {
    /// The coordinator's cold authority, checked at `coordinator`; may spend from `source`.
    pub authority: Signer<'info>,
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Puts up the bonds.
    #[account(
        mut,
        has_one = market @ PinaivuError::WrongMarket,
        has_one = authority @ PinaivuError::NotAuthority,
    )]
    pub coordinator: Box<Account<'info, Coordinator>>,
    /// The market's bond vault.
    #[account(
        mut,
        seeds = [seeds::BOND_VAULT, market.key().as_ref()],
        bump = market.bond_vault_bump,
    )]
    pub bond_vault: Box<InterfaceAccount<'info, TokenAccount>>,
    /// The money, checked at `market`.
    pub mint: Box<InterfaceAccount<'info, Mint>>,
    /// Where the money comes from; the token program checks mint and authority.
    #[account(mut)]
    pub source: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl CoordinatorBond<'_> {
    fn validate(&self, args: &CoordinatorBondArgs) -> Result<()> {
        self.market.require_open()?;
        require!(args.guarantee > 0 || args.penalty > 0, PinaivuError::AmountZero);
        let lost = self.coordinator.slashed && args.penalty > 0;
        require!(!lost, PinaivuError::CoordinatorSlashed);
        Ok(())
    }

    /// Moves the bonds in.
    pub fn handle(ctx: Context<Self>, args: CoordinatorBondArgs) -> Result<()> {
        ctx.accounts.validate(&args)?;
        let CoordinatorBond {
            authority,
            market,
            ledger,
            coordinator,
            bond_vault,
            mint,
            source,
            token_program,
        } = ctx.accounts;
        let total = args.guarantee.checked_add(args.penalty).ok_or(PinaivuError::Overflow)?;
        Money { market, mint, token_program }.deposit(source, authority, bond_vault, total)?;
        coordinator.add_bonds(args.guarantee, args.penalty)?;
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        let ledger_sequence = ledger.grow(Vault::Bond, total)?;
        ledger.invariant(Vault::Bond, bond_vault.amount)?;
        emit!(CoordinatorBonded {
            coordinator: coordinator.key(),
            sequence,
            ledger_sequence,
            guarantee_bond: coordinator.guarantee_bond,
            penalty_bond: coordinator.penalty_bond,
            bond_liabilities: ledger.bond_liabilities,
            vault_balance: bond_vault.amount,
        });
        Ok(())
    }
}
