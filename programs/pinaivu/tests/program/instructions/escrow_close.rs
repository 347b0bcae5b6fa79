//! Closing an empty escrow for good.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::EscrowClosed;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.escrow_close(&stage.empty, &stage.bob.address()))
}

#[test]
fn escrow_closed_returns_its_rent_and_its_address_never_opens_again() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(5));
    let slot = world.slot();
    let escrow = world.escrow(&alice, 5);
    let close = world.escrow_close(&escrow, &alice.address());
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    world.fails(&close, &[&alice.key], PinaivuError::EscrowNotEmpty);
    world.ok(&world.escrow_withdraw(&market, &escrow, &alice, 5), &[&alice.key]);

    let rent = world.svm.get_balance(&escrow).unwrap();
    let before = world.svm.get_balance(&world.payer.pubkey()).unwrap();
    let meta = world.ok(&close, &[&alice.key]);
    assert!(!world.exists(&escrow));
    // Who paid the rent has it again, less the fee of two signatures.
    let after = world.svm.get_balance(&world.payer.pubkey()).unwrap();
    assert_eq!(after, before + rent - 10_000);
    assert_eq!(event::<EscrowClosed>(&meta).escrow, escrow);

    let (same, open) = world.escrow_open(&market, &alice.address(), slot);
    assert_eq!(same, escrow);
    world.fails(&open, &[&alice.key], PinaivuError::OpeningSlotOutOfWindow);
}

#[test]
fn escrow_closed_while_its_address_could_open_again_is_refused() {
    let mut world = World::new();
    let alice = world.actor(0);
    let escrow = world.escrow(&alice, 0);
    let close = world.escrow_close(&escrow, &alice.address());
    world.fails(&close, &[&alice.key], PinaivuError::TooYoungToClose);
    world.pass(OPENING_SLOT_WINDOW, 1_000_000);
    world.fails(&close, &[&alice.key], PinaivuError::TooYoungToClose);
    world.pass(1, 0);
    world.ok(&close, &[&alice.key]);
}

#[test]
fn escrow_with_an_open_allowance_does_not_close() {
    let mut world = World::new();
    let alice = world.actor(5);
    let escrow = world.escrow(&alice, 5);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 5);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = world.escrow_close(&escrow, &alice.address());
    world.fails(&close, &[&alice.key], PinaivuError::AllowancesOpen);
    world.ok(&world.debit(&coordinator, &[(allowance, 5)]), &[&coordinator.signer]);
    world.ok(&world.allowance_close(&allowance), &[&alice.key]);
    world.ok(&close, &[&alice.key]);
}

#[test]
fn escrow_closed_by_anyone_but_the_owner_is_refused() {
    let mut world = World::new();
    let (alice, bob) = (world.actor(0), world.actor(0));
    let escrow = world.escrow(&alice, 0);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    world.fails(
        &world.escrow_close(&escrow, &bob.key.pubkey()),
        &[&bob.key],
        PinaivuError::NotOwner,
    );
    let mut unsigned = world.escrow_close(&escrow, &alice.address());
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}
