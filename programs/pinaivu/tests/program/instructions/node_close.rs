//! Closing a node for good.

use pinaivu::error::PinaivuError;
use pinaivu::event::NodeClosed;
use pinaivu::state::Node as NodeAccount;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::staked::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let leaver = &stage.leaver;
    Case::of(stage.world.node_close(&leaver.address, &leaver.operator.address()))
}

#[test]
fn node_with_stake_or_unbonding_stake_does_not_close() {
    let (mut world, node) = staked();
    let (market, operator) = (world.market, node.operator.address());
    let slot = world.read::<NodeAccount>(&node.address).opening_slot;
    let close = world.node_close(&node.address, &operator);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    world.fails(&close, &[&node.operator.key], PinaivuError::NodeNotEmpty);
    world.ok(&world.node_unbond(&node.address, &operator, 100), &[&node.operator.key]);
    world.fails(&close, &[&node.operator.key], PinaivuError::NodeNotEmpty);
    world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    world.ok(&world.node_unbond_claim(&market, &node.address, &node.operator.tokens), &[]);
    let bob = world.actor(0);
    let theft = world.node_close(&node.address, &bob.address());
    world.fails(&theft, &[&bob.key], PinaivuError::NotOperator);
    let meta = world.ok(&close, &[&node.operator.key]);
    assert_eq!(event::<NodeClosed>(&meta).node, node.address);
    assert!(!world.exists(&node.address));
    let (same, register) =
        world.node_register(&market, &operator, &node.signer.pubkey(), &operator, slot);
    assert_eq!(same, node.address);
    let refused = PinaivuError::OpeningSlotOutOfWindow;
    world.fails(&register, &[&node.operator.key, &node.signer], refused);
}

#[test]
fn node_closed_while_its_address_could_open_again_is_refused() {
    let mut world = World::new();
    let node = world.node();
    let close = world.node_close(&node.address, &node.operator.address());
    world.pass(OPENING_SLOT_WINDOW, 0);
    world.fails(&close, &[&node.operator.key], PinaivuError::TooYoungToClose);
    world.pass(1, 0);
    world.ok(&close, &[&node.operator.key]);
}
