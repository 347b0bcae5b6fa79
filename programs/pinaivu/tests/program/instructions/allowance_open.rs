//! Reserving money for one coordinator.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::AllowanceOpened;
use pinaivu::state::{Allowance, Escrow, PendingRelease, VERSION};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::reserving::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (owner, coordinator) = (stage.alice.address(), stage.coordinator.address);
    let (slot, expiry) = (stage.world.slot(), stage.world.time() + 3_600);
    let market = &stage.market;
    let open =
        stage.world.allowance_open(market, &owner, &stage.escrow, &coordinator, slot, 5, expiry);
    Case::of(open.1).anyone("payer")
}

#[test]
fn allowance_opened_moves_free_money_into_the_reservation() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, slot, expiry) = (world.market, world.slot(), world.time() + 1);
    let (allowance, open) = world.allowance_open(
        &market,
        &alice.address(),
        &escrow,
        &coordinator.address,
        slot,
        60,
        expiry,
    );
    let meta = world.ok(&open, &[&alice.key]);
    let stored: Allowance = world.read(&allowance);
    assert_eq!((stored.version, stored.escrow, stored.owner), (VERSION, escrow, alice.address()));
    assert_eq!((stored.coordinator, stored.opening_slot), (coordinator.address, slot));
    assert_eq!((stored.reserved, stored.released, stored.debited), (60, 0, 0));
    assert_eq!((stored.expiry_time, stored.expiry_observed_slot), (expiry, 0));
    assert_eq!((stored.pending_release, stored.sequence), (PendingRelease::default(), 1));
    let account: Escrow = world.read(&escrow);
    assert_eq!((account.free, account.allowances, account.sequence), (40, 1, 3));
    let opened: AllowanceOpened = event(&meta);
    assert_eq!((opened.allowance, opened.escrow), (allowance, escrow));
    assert_eq!((opened.coordinator, opened.sequence), (coordinator.address, 1));
    assert_eq!((opened.reserved, opened.expiry_time, opened.free), (60, expiry, 40));
}

#[test]
fn allowance_for_the_same_money_and_two_coordinators_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let second = world.coordinator();
    world.allowance(&alice, &escrow, &coordinator, 60);
    let (market, slot, expiry) = (world.market, world.slot(), world.time() + 1);
    let open = |world: &World, amount| {
        world
            .allowance_open(
                &market,
                &alice.address(),
                &escrow,
                &second.address,
                slot,
                amount,
                expiry,
            )
            .1
    };
    world.fails(&open(&world, 41), &[&alice.key], PinaivuError::InsufficientFree);
    world.fails(&open(&world, u64::MAX), &[&alice.key], PinaivuError::InsufficientFree);
    world.ok(&open(&world, 40), &[&alice.key]);
    assert_eq!(world.read::<Escrow>(&escrow).allowances, 2);
}

#[test]
fn allowance_of_zero_or_expired_already_or_out_of_window_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, slot, now) = (world.market, world.slot(), world.time());
    let open = |world: &World, slot, amount, expiry| {
        world
            .allowance_open(
                &market,
                &alice.address(),
                &escrow,
                &coordinator.address,
                slot,
                amount,
                expiry,
            )
            .1
    };
    world.fails(&open(&world, slot, 0, now + 1), &[&alice.key], PinaivuError::AmountZero);
    for expiry in [now, now - 1, 0, i64::MIN] {
        world.fails(&open(&world, slot, 1, expiry), &[&alice.key], PinaivuError::ExpiryInPast);
    }
    for slot in [slot + 1, slot - OPENING_SLOT_WINDOW - 1] {
        let late = open(&world, slot, 1, now + 1);
        world.fails(&late, &[&alice.key], PinaivuError::OpeningSlotOutOfWindow);
    }
    world.ok(&open(&world, slot, 1, i64::MAX), &[&alice.key]);
}

#[test]
fn allowance_on_anothers_escrow_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let bob = world.actor(0);
    let (market, slot, expiry) = (world.market, world.slot(), world.time() + 1);
    let (_, theft) = world.allowance_open(
        &market,
        &bob.address(),
        &escrow,
        &coordinator.address,
        slot,
        1,
        expiry,
    );
    world.fails(&theft, &[&bob.key], PinaivuError::NotOwner);
    let (_, mut unsigned) = world.allowance_open(
        &market,
        &alice.address(),
        &escrow,
        &coordinator.address,
        slot,
        1,
        expiry,
    );
    unsigned.accounts[1].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn allowance_for_another_markets_coordinator_is_refused() {
    let Setting { mut world, alice, escrow, .. } = setting(100);
    let other = world.open_market(CLASSIC);
    let foreign = world.coordinator_in(other);
    let (market, slot, expiry) = (world.market, world.slot(), world.time() + 1);
    let (_, open) =
        world.allowance_open(&market, &alice.address(), &escrow, &foreign.address, slot, 1, expiry);
    world.fails(&open, &[&alice.key], PinaivuError::WrongMarket);
}

#[test]
fn allowance_for_a_coordinator_below_the_minimum_bond_is_refused() {
    let Setting { mut world, alice, escrow, .. } = setting(100);
    let (market, slot, expiry) = (world.market, world.slot(), world.time() + 1);
    let authority = world.actor(MIN_BOND);
    let signer = world.key();
    let signer_key = solana_signer::Signer::pubkey(&signer);
    let (address, register) =
        world.coordinator_register(&market, &authority.address(), &signer_key, slot, FEE);
    world.ok(&register, &[&authority.key, &signer]);
    let poor = Coordinator { address, authority, signer };
    let (_, open) =
        world.allowance_open(&market, &alice.address(), &escrow, &address, slot, 1, expiry);
    world.fails(&open, &[&alice.key], PinaivuError::CoordinatorUnderbonded);
    let bond = world.coordinator_bond(&market, &poor, 1, MIN_BOND - 1);
    world.ok(&bond, &[&poor.authority.key]);
    world.fails(&open, &[&alice.key], PinaivuError::CoordinatorUnderbonded);
}

#[test]
fn allowance_opened_twice_in_a_slot_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    world.allowance(&alice, &escrow, &coordinator, 10);
    let (_, again) = world.allowance_open(
        &world.market,
        &alice.address(),
        &escrow,
        &coordinator.address,
        world.slot(),
        10,
        world.time() + 9,
    );
    world.fails(&again, &[&alice.key], custom(ALREADY_IN_USE));
}

#[test]
fn escrow_of_one_market_reserves_for_no_coordinator_of_another() {
    let mut it = setting(100);
    let other = it.world.open_market(CLASSIC);
    let coordinator = it.world.coordinator_in(other).address;
    let (slot, expiry) = (it.world.slot(), it.world.time() + 3_600);
    let owner = it.alice.address();
    let (_, open) =
        it.world.allowance_open(&other, &owner, &it.escrow, &coordinator, slot, 10, expiry);
    it.world.fails(&open, &[&it.alice.key], PinaivuError::WrongMarket);
}
