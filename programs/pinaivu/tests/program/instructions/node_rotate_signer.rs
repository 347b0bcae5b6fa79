//! Changing a node's hot key.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::NodeSignerRotated;
use pinaivu::state::Node as NodeAccount;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let operator = stage.node.operator.address();
    let rotate =
        stage.world.node_rotate_signer(&stage.node.address, &operator, &stage.fresh.pubkey());
    Case::of(rotate).anyone("payer")
}

#[test]
fn signer_rotated_by_the_operator_needs_the_new_keys_signature() {
    let mut world = World::new();
    let (node, fresh, bob) = (world.node(), world.key(), world.actor(0));
    let operator = node.operator.address();
    let rotate = world.node_rotate_signer(&node.address, &operator, &fresh.pubkey());
    let mut squatted = rotate.clone();
    squatted.accounts[2].is_signer = false;
    world.fails(&squatted, &[&node.operator.key], ErrorCode::AccountNotSigner);
    let theft = world.node_rotate_signer(&node.address, &bob.address(), &fresh.pubkey());
    world.fails(&theft, &[&bob.key, &fresh], PinaivuError::NotOperator);
    let meta = world.ok(&rotate, &[&node.operator.key, &fresh]);
    assert_eq!(world.read::<NodeAccount>(&node.address).signer, fresh.pubkey());
    let rotated: NodeSignerRotated = event(&meta);
    assert_eq!((rotated.node, rotated.sequence), (node.address, 2));
    assert_eq!((rotated.old_signer, rotated.new_signer), (node.signer.pubkey(), fresh.pubkey()));
    let same = world.node_rotate_signer(&node.address, &operator, &fresh.pubkey());
    world.fails(&same, &[&node.operator.key, &fresh], PinaivuError::NothingToChange);
}
