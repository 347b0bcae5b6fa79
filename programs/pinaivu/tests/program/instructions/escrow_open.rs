//! Opening an escrow.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::EscrowOpened;
use pinaivu::state::{Escrow, VERSION};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (owner, slot) = (stage.newcomer.address(), stage.world.slot());
    Case::of(stage.world.escrow_open(&stage.market, &owner, slot).1).anyone("payer")
}

#[test]
fn escrow_opened_is_empty_and_belongs_to_its_owner() {
    let mut world = World::new();
    let (market, alice) = (world.market, world.actor(0));
    let slot = world.slot();
    let (escrow, open) = world.escrow_open(&market, &alice.address(), slot);
    let meta = world.ok(&open, &[&alice.key]);
    let stored: Escrow = world.read(&escrow);
    assert_eq!(
        (stored.version, stored.market, stored.owner),
        (VERSION, market.address, alice.address())
    );
    assert_eq!((stored.opening_slot, stored.free), (slot, 0));
    assert_eq!((stored.allowances, stored.sequence), (0, 1));
    let opened: EscrowOpened = event(&meta);
    assert_eq!((opened.escrow, opened.sequence), (escrow, 1));
    assert_eq!((opened.market, opened.owner), (market.address, alice.address()));
}

#[test]
fn escrow_opened_without_its_owners_signature_is_refused() {
    let mut world = World::new();
    let alice = world.actor(0);
    let (_, mut open) = world.escrow_open(&world.market, &alice.address(), world.slot());
    open.accounts[1].is_signer = false;
    world.fails(&open, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn escrow_opened_in_the_future_or_before_the_window_is_refused() {
    let mut world = World::new();
    let (market, alice, now) = (world.market, world.actor(0), world.slot());
    for slot in [now + 1, u64::MAX, now - OPENING_SLOT_WINDOW - 1, 0] {
        let (_, open) = world.escrow_open(&market, &alice.address(), slot);
        world.fails(&open, &[&alice.key], PinaivuError::OpeningSlotOutOfWindow);
    }
    for slot in [now, now - OPENING_SLOT_WINDOW] {
        let (_, open) = world.escrow_open(&market, &alice.address(), slot);
        world.ok(&open, &[&alice.key]);
    }
}

#[test]
fn escrow_opened_twice_is_refused() {
    let mut world = World::new();
    let alice = world.actor(5);
    world.escrow(&alice, 5);
    let (_, open) = world.escrow_open(&world.market, &alice.address(), world.slot());
    world.fails(&open, &[&alice.key], custom(ALREADY_IN_USE));
}
