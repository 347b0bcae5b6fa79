//! Registering, staking and closing a node.

use crate::harness::*;

/// A node whose operator has staked 100 of 150 tokens.
pub(crate) fn staked() -> (World, Node) {
    let mut world = World::new();
    let mut node = world.node();
    node.operator.tokens =
        world.token_account(&world.market.clone(), &node.operator.address(), 150);
    let stake = world.node_stake(&world.market, &node.address, &node.operator, 100);
    world.ok(&stake, &[&node.operator.key]);
    (world, node)
}
