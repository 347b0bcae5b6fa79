//! Registering, staking and closing a node.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{
    NodeClosed, NodeRegistered, NodeSignerRotated, NodeStaked, NodeUnbondClaimed, NodeUnbonded,
};
use pinaivu::state::{Ledger, Node as NodeAccount, NodeStatus, Unbonding, VERSION};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;

/// A node whose operator has staked 100 of 150 tokens.
fn staked() -> (World, Node) {
    let mut world = World::new();
    let mut node = world.node();
    node.operator.tokens =
        world.token_account(&world.market.clone(), &node.operator.address(), 150);
    let stake = world.node_stake(&world.market, &node.address, &node.operator, 100);
    world.ok(&stake, &[&node.operator.key]);
    (world, node)
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

#[test]
fn signer_rotated_by_the_operator_needs_the_new_keys_signature() {
    let mut world = World::new();
    let (node, fresh, bob) = (world.node(), world.key(), world.actor(0));
    let operator = node.operator.address();
    let rotate = world.node_rotate_signer(&node.address, &operator, &fresh.pubkey());
    let mut squatted = rotate.clone();
    squatted.accounts[1].is_signer = false;
    world.fails(&squatted, &[&node.operator.key], ErrorCode::AccountNotSigner);
    let theft = world.node_rotate_signer(&node.address, &bob.address(), &fresh.pubkey());
    world.fails(&theft, &[&bob.key, &fresh], PinaivuError::NotOperator);
    let meta = world.ok(&rotate, &[&node.operator.key, &fresh]);
    assert_eq!(world.read::<NodeAccount>(&node.address).signer, fresh.pubkey());
    let rotated: NodeSignerRotated = event(&meta);
    assert_eq!((rotated.node, rotated.sequence), (node.address, 2));
    assert_eq!((rotated.old_signer, rotated.new_signer), (node.signer.pubkey(), fresh.pubkey()));
    world.fails(&rotate, &[&node.operator.key, &fresh], PinaivuError::NothingToChange);
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
