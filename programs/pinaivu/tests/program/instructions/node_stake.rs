//! Adding stake.

use pinaivu::error::PinaivuError;
use pinaivu::event::NodeStaked;
use pinaivu::state::Node as NodeAccount;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let operator = &stage.node.operator;
    let stake = stage.world.node_stake(&stage.market, &stage.node.address, operator, 5);
    Case::of(stake).again(Again::Repeats).also("node", &["idle", "leaver", "rival node"])
}

#[test]
fn stake_from_anyone_belongs_to_the_node() {
    let mut world = World::new();
    let (market, node, bob) = (world.market, world.node(), world.actor(10));
    let meta = world.ok(&world.node_stake(&market, &node.address, &bob, 7), &[&bob.key]);
    assert_eq!(world.read::<NodeAccount>(&node.address).stake, 7);
    assert_eq!((world.tokens(&bob.tokens), world.tokens(&market.stake_vault)), (3, 7));
    let staked: NodeStaked = event(&meta);
    assert_eq!((staked.node, staked.sequence, staked.ledger_sequence), (node.address, 2, 2));
    assert_eq!((staked.amount, staked.stake), (7, 7));
    assert_eq!((staked.stake_liabilities, staked.vault_balance), (7, 7));
}

#[test]
fn stake_of_zero_or_more_than_there_is_is_refused() {
    let mut world = World::new();
    let (market, node, bob) = (world.market, world.node(), world.actor(10));
    let stake = |world: &World, amount| world.node_stake(&market, &node.address, &bob, amount);
    world.fails(&stake(&world, 0), &[&bob.key], PinaivuError::AmountZero);
    world.fails(&stake(&world, 11), &[&bob.key], custom(INSUFFICIENT_TOKENS));
    world.ok(&stake(&world, 1), &[&bob.key]);
}

#[test]
fn stake_for_another_markets_node_is_refused() {
    let mut world = World::new();
    let other = world.open_market(CLASSIC);
    let (market, foreign, bob) = (world.market, world.node_in(other), world.actor(10));
    let stake = world.node_stake(&market, &foreign.address, &bob, 1);
    world.fails(&stake, &[&bob.key], PinaivuError::WrongMarket);
}
