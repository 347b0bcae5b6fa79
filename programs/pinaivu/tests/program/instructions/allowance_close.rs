//! Closing an empty allowance for good.

use pinaivu::error::PinaivuError;
use pinaivu::event::AllowanceClosed;
use pinaivu::state::Escrow;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::reserving::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.allowance_close(&stage.spent))
}

#[test]
fn allowance_closed_returns_its_rent_and_its_address_never_opens_again() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, slot) = (world.market, world.slot());
    let allowance = world.allowance(&alice, &escrow, &coordinator, 10);
    let close = world.allowance_close(&allowance);
    world.fails(&close, &[&alice.key], PinaivuError::AllowanceNotEmpty);
    world.ok(&world.debit(&coordinator, &[(allowance, 10)]), &[&coordinator.signer]);
    world.fails(&close, &[&alice.key], PinaivuError::TooYoungToClose);
    world.pass(OPENING_SLOT_WINDOW, 0);
    world.fails(&close, &[&alice.key], PinaivuError::TooYoungToClose);
    world.pass(1, 0);

    let rent = world.svm.get_balance(&allowance).unwrap();
    let before = world.svm.get_balance(&world.payer.pubkey()).unwrap();
    let meta = world.ok(&close, &[&alice.key]);
    assert!(!world.exists(&allowance));
    // Who paid the rent has it again, less the fee of two signatures.
    let after = world.svm.get_balance(&world.payer.pubkey()).unwrap();
    assert_eq!(after, before + rent - 10_000);
    assert_eq!(world.read::<Escrow>(&escrow).allowances, 0);
    let closed: AllowanceClosed = event(&meta);
    assert_eq!((closed.allowance, closed.allowances), (allowance, 0));

    let expiry = world.time() + 100;
    let (same, open) = world.allowance_open(
        &market,
        &alice.address(),
        &escrow,
        &coordinator.address,
        slot,
        1,
        expiry,
    );
    assert_eq!(same, allowance);
    world.fails(&open, &[&alice.key], PinaivuError::OpeningSlotOutOfWindow);
}

#[test]
fn allowance_closed_by_anyone_but_the_owner_or_with_another_escrow_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let bob = world.actor(5);
    let bobs = world.escrow(&bob, 5);
    let allowance = world.allowance(&alice, &escrow, &coordinator, 10);
    world.ok(&world.debit(&coordinator, &[(allowance, 10)]), &[&coordinator.signer]);
    world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = world.allowance_close(&allowance);
    let mut theft = close.clone();
    theft.accounts[0].pubkey = bob.address();
    world.fails(&theft, &[&bob.key], PinaivuError::NotOwner);
    let mut other = close.clone();
    other.accounts[1].pubkey = bobs;
    world.fails(&other, &[&alice.key], PinaivuError::WrongEscrow);
    world.ok(&close, &[&alice.key]);
}
