//! Starts to take bonds out. They stop counting at once.
//!
//! The guarantee bond leaves after the guarantee delay and never below what it guarantees. The penalty
//! bond leaves after the unbonding delay and can be slashed until it has left.

use anchor_lang::prelude::*;
use pinaivu_protocol::units::Amount;
use pinaivu_rules::{RuleError, Stake};

use crate::clock::now;
use crate::error::PinaivuError;
use crate::event::CoordinatorUnbonded;
use crate::state::{Coordinator, next};

/// How much of each.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct CoordinatorUnbondArgs {
    /// Of the guarantee bond, in base units of the mint. The delay starts again for what waits already.
    pub guarantee: u64,
    /// Of the penalty bond, in base units of the mint. The delay starts again for what waits already.
    pub penalty: u64,
}

/// Accounts of `coordinator_unbond`.
#[derive(Accounts)]
pub struct CoordinatorUnbond<'info> {
    /// The coordinator's cold authority, checked at `coordinator`.
    pub authority: Signer<'info>,
    /// Gives the bonds.
    #[account(mut, has_one = authority @ PinaivuError::NotAuthority)]
    pub coordinator: Box<Account<'info, Coordinator>>,
}

impl CoordinatorUnbond<'_> {
    fn validate(args: &CoordinatorUnbondArgs) -> Result<()> {
        require!(args.guarantee > 0 || args.penalty > 0, PinaivuError::AmountZero);
        Ok(())
    }

    /// Starts the delays.
    pub fn handle(ctx: Context<Self>, args: CoordinatorUnbondArgs) -> Result<()> {
        Self::validate(&args)?;
        let coordinator = &mut ctx.accounts.coordinator;
        let mut guarantee = coordinator.guarantee_stake();
        unbond(&mut guarantee, args.guarantee)?;
        coordinator.set_guarantee_stake(guarantee);
        let covered = coordinator.guaranteed <= coordinator.guarantee_bond;
        require!(covered, PinaivuError::GuaranteesUncovered);
        let mut penalty = coordinator.penalty_stake();
        unbond(&mut penalty, args.penalty)?;
        coordinator.set_penalty_stake(penalty);
        let sequence = next(&mut coordinator.sequence)?;
        coordinator.invariant()?;
        emit!(CoordinatorUnbonded {
            coordinator: coordinator.key(),
            sequence,
            guarantee_bond: coordinator.guarantee_bond,
            guarantee_unbonding: coordinator.guarantee_unbonding.amount,
            penalty_bond: coordinator.penalty_bond,
            penalty_unbonding: coordinator.penalty_unbonding.amount,
        });
        Ok(())
    }
}

/// Leaves a bond that nothing is asked of as it is, its clock included.
fn unbond(stake: &mut Stake, amount: u64) -> Result<()> {
    if amount == 0 {
        return Ok(());
    }
    stake.unbond(Amount(amount), now()?).map_err(|error| match error {
        RuleError::Insufficient => PinaivuError::InsufficientStake,
        other => other.into(),
    })?;
    Ok(())
}
