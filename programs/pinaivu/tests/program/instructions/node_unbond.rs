//! Starting to take stake out.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};
use crate::settings::staked::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let operator = stage.node.operator.address();
    Case::of(stage.world.node_unbond(&stage.node.address, &operator, 5)).again(Again::Repeats)
}

#[test]
fn stake_unbonded_beyond_what_is_active_or_by_another_is_refused() {
    let (mut world, node) = staked();
    let (operator, bob) = (node.operator.address(), world.actor(0));
    let unbond = |world: &World, amount| world.node_unbond(&node.address, &operator, amount);
    world.fails(&unbond(&world, 0), &[&node.operator.key], PinaivuError::AmountZero);
    for amount in [101, u64::MAX] {
        let refused = PinaivuError::InsufficientStake;
        world.fails(&unbond(&world, amount), &[&node.operator.key], refused);
    }
    let theft = world.node_unbond(&node.address, &bob.address(), 1);
    world.fails(&theft, &[&bob.key], PinaivuError::NotOperator);
    let mut unsigned = unbond(&world, 1);
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
    world.ok(&unbond(&world, 100), &[&node.operator.key]);
    world.fails(&unbond(&world, 1), &[&node.operator.key], PinaivuError::InsufficientStake);
}
