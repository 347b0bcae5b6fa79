//! Registering a node.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::NodeRegistered;
use pinaivu::state::{Node as NodeAccount, NodeStatus, Unbonding, VERSION};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (operator, signer) = (stage.newcomer.address(), stage.fresh.pubkey());
    let slot = stage.world.slot();
    let register =
        stage.world.node_register(&stage.market, &operator, &signer, &operator, slot);
    Case::of(register.1).anyone("payer").anyone("signer")
}

#[test]
fn node_registered_is_active_and_has_no_stake() {
    let mut world = World::new();
    let (market, operator, owner) = (world.market, world.actor(0), world.actor(0));
    let (signer, slot) = (world.key(), world.slot());
    let (address, register) =
        world.node_register(&market, &operator.address(), &signer.pubkey(), &owner.address(), slot);
    let meta = world.ok(&register, &[&operator.key, &signer]);
    let node: NodeAccount = world.read(&address);
    assert_eq!(
        (node.version, node.market, node.operator),
        (VERSION, market.address, operator.address())
    );
    assert_eq!((node.signer, node.payout_owner), (signer.pubkey(), owner.address()));
    assert_eq!((node.opening_slot, node.stake), (slot, 0));
    assert_eq!((node.unbonding, node.status), (Unbonding::default(), NodeStatus::Active));
    assert_eq!(node.sequence, 1);
    let registered: NodeRegistered = event(&meta);
    assert_eq!((registered.node, registered.sequence), (address, 1));
    assert_eq!((registered.market, registered.operator), (market.address, operator.address()));
    assert_eq!((registered.signer, registered.payout_owner), (signer.pubkey(), owner.address()));
}

#[test]
fn node_registered_without_either_signature_is_refused() {
    let mut world = World::new();
    let (market, operator, signer) = (world.market, world.actor(0), world.key());
    let address = operator.address();
    let (_, register) =
        world.node_register(&market, &address, &signer.pubkey(), &address, world.slot());
    let mut squatted = register.clone();
    squatted.accounts[2].is_signer = false;
    world.fails(&squatted, &[&operator.key], ErrorCode::AccountNotSigner);
    let mut unwanted = register.clone();
    unwanted.accounts[1].is_signer = false;
    world.fails(&unwanted, &[&signer], ErrorCode::AccountNotSigner);
    world.ok(&register, &[&operator.key, &signer]);
    world.fails(&register, &[&operator.key, &signer], custom(ALREADY_IN_USE));
}

#[test]
fn node_registered_out_of_the_window_is_refused() {
    let mut world = World::new();
    let (market, operator, signer) = (world.market, world.actor(0), world.key());
    let (address, now) = (operator.address(), world.slot());
    for slot in [now + 1, now - OPENING_SLOT_WINDOW - 1] {
        let (_, register) =
            world.node_register(&market, &address, &signer.pubkey(), &address, slot);
        let refused = PinaivuError::OpeningSlotOutOfWindow;
        world.fails(&register, &[&operator.key, &signer], refused);
    }
}
