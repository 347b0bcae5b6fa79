//! Pays out bonds whose delay has passed, to a token account of the cold authority. Anyone may call it.

use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};
use pinaivu_protocol::seeds;
use pinaivu_rules::{Delay, Moment, RuleError, Stake};

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::CoordinatorUnbondClaimed;
use crate::state::ledger::Vault;
use crate::state::{Coordinator, Ledger, Market, next};
use crate::transfer::Money;

/// Accounts of `coordinator_unbond_claim`.
#[derive(Accounts)]
pub struct CoordinatorUnbondClaim<'info> {
    /// The market.
    #[account(
        has_one = mint @ PinaivuError::WrongMint,
        has_one = token_program @ PinaivuError::WrongTokenProgram,
    )]
    pub market: Box<Account<'info, Market>>,
    /// The market's ledger.
    #[account(mut, seeds = [seeds::LEDGER, market.key().as_ref()], bump = ledger.bump)]
    pub ledger: Box<Account<'info, Ledger>>,
    /// Gives the bonds.
    #[account(mut, has_one = market @ PinaivuError::WrongMarket)]
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
    /// A token account of the coordinator's cold authority.
    #[account(
        mut,
        constraint = destination.owner == coordinator.authority @ PinaivuError::WrongTokenAccount,
    )]
    pub destination: Box<InterfaceAccount<'info, TokenAccount>>,
    /// Checked at `market`.
    pub token_program: Interface<'info, TokenInterface>,
}

impl CoordinatorUnbondClaim<'_> {
    /// Moves out whichever bond is due.
    pub fn handle(ctx: Context<Self>) -> Result<()> {
        let CoordinatorUnbondClaim {
            market,
            ledger,
            coordinator,
            bond_vault,
            mint,
            destination,
            token_program,
        } = ctx.accounts;
        let now = now()?;
        let (mut guarantee, mut penalty) =
            (coordinator.guarantee_stake(), coordinator.penalty_stake());
        let from_guarantee = due(&mut guarantee, market.guarantee_delay(), now)?;
        let from_penalty = due(&mut penalty, market.unbond_delay(), now)?;
        coordinator.set_guarantee_stake(guarantee);
        coordinator.set_penalty_stake(penalty);
        let amount = from_guarantee.checked_add(from_penalty).ok_or(PinaivuError::Overflow)?;
        if amount == 0 {
            let waits = coordinator.guarantee_unbonding.amount > 0
                || coordinator.penalty_unbonding.amount > 0;
            require!(!waits, PinaivuError::NotMatured);
            return err!(PinaivuError::NothingUnbonding);
        }
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        Money { market, mint, token_program }.pay(bond_vault, destination, amount)?;
        let ledger_sequence = ledger.shrink(Vault::Bond, amount)?;
        ledger.invariant(Vault::Bond, bond_vault.amount)?;
        emit!(CoordinatorUnbondClaimed {
            coordinator: coordinator.key(),
            sequence,
            ledger_sequence,
            guarantee: from_guarantee,
            penalty: from_penalty,
            bond_liabilities: ledger.bond_liabilities,
            vault_balance: bond_vault.amount,
        });
        Ok(())
    }
}

/// Takes out what has waited long enough; 0 when nothing has.
fn due(stake: &mut Stake, delay: Delay, now: Moment) -> Result<u64> {
    match stake.claim(now, delay) {
        Ok(amount) => Ok(amount.0),
        Err(RuleError::Nothing | RuleError::NotMatured) => Ok(0),
        Err(error) => Err(PinaivuError::from(error).into()),
    }
}
