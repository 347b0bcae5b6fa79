//! Stake that has waited, paid out.

use pinaivu::error::PinaivuError;
use pinaivu::event::{NodeUnbondClaimed, NodeUnbonded};
use pinaivu::state::{Ledger, Node as NodeAccount, Unbonding};

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::staked::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (node, tokens) = (&stage.node.address, &stage.node.operator.tokens);
    Case::of(stage.world.node_unbond_claim(&stage.market, node, tokens))
}

#[test]
fn stake_unbonded_stops_counting_at_once_and_leaves_after_both_delays() {
    let (mut world, node) = staked();
    let market = world.market;
    let meta = world
        .ok(&world.node_unbond(&node.address, &node.operator.address(), 30), &[&node.operator.key]);
    let stored: NodeAccount = world.read(&node.address);
    let waiting =
        Unbonding { amount: 30, requested_slot: world.slot(), requested_time: world.time() };
    assert_eq!((stored.stake, stored.unbonding), (70, waiting));
    assert_eq!(world.read::<Ledger>(&market.ledger).stake_liabilities, 100);
    let unbonded: NodeUnbonded = event(&meta);
    assert_eq!((unbonded.node, unbonded.sequence), (node.address, 3));
    assert_eq!((unbonded.amount, unbonded.stake, unbonded.unbonding), (30, 70, 30));

    let claim = world.node_unbond_claim(&market, &node.address, &node.operator.tokens);
    let (slot, time) = (world.slot(), world.time());
    let seconds = i64::try_from(UNBOND_SECONDS).unwrap();
    world.fails(&claim, &[], PinaivuError::NotMatured);
    world.set_clock(slot + UNBOND_SLOTS - 1, time + seconds);
    world.fails(&claim, &[], PinaivuError::NotMatured);
    world.set_clock(slot + UNBOND_SLOTS, time + seconds - 1);
    world.fails(&claim, &[], PinaivuError::NotMatured);
    world.set_clock(slot + UNBOND_SLOTS, time + seconds);
    let meta = world.ok(&claim, &[]);
    assert_eq!((world.tokens(&node.operator.tokens), world.tokens(&market.stake_vault)), (80, 70));
    let claimed: NodeUnbondClaimed = event(&meta);
    assert_eq!((claimed.node, claimed.amount, claimed.stake), (node.address, 30, 70));
    assert_eq!((claimed.stake_liabilities, claimed.vault_balance), (70, 70));
    world.fails(&claim, &[], PinaivuError::NothingUnbonding);
}

#[test]
fn stake_unbonded_twice_waits_anew_for_all_of_it() {
    let (mut world, node) = staked();
    let (market, operator) = (world.market, node.operator.address());
    world.ok(&world.node_unbond(&node.address, &operator, 30), &[&node.operator.key]);
    world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    world.ok(&world.node_unbond(&node.address, &operator, 1), &[&node.operator.key]);
    let claim = world.node_unbond_claim(&market, &node.address, &node.operator.tokens);
    world.fails(&claim, &[], PinaivuError::NotMatured);
    world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    world.ok(&claim, &[]);
    assert_eq!(world.tokens(&node.operator.tokens), 81);
}

#[test]
fn unbonded_stake_is_paid_to_the_operator_only() {
    let (mut world, node) = staked();
    let (market, bob) = (world.market, world.actor(0));
    let operator = node.operator.address();
    world.ok(&world.node_unbond(&node.address, &operator, 100), &[&node.operator.key]);
    world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    for destination in [bob.tokens, node.payout_owner.tokens] {
        let theft = world.node_unbond_claim(&market, &node.address, &destination);
        world.fails(&theft, &[], PinaivuError::WrongTokenAccount);
    }
    let second = world.token_account(&market, &operator, 0);
    world.ok(&world.node_unbond_claim(&market, &node.address, &second), &[]);
    assert_eq!(world.tokens(&second), 100);
}
