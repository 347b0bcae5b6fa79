//! Reserving money for a coordinator.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{AllowanceClosed, AllowanceOpened, AllowanceRaised};
use pinaivu::state::{Allowance, Escrow, PendingRelease, VERSION};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_pubkey::Pubkey;

use crate::harness::*;

struct Setting {
    world: World,
    alice: Actor,
    escrow: Pubkey,
    coordinator: Coordinator,
}

fn setting(deposit: u64) -> Setting {
    let mut world = World::new();
    let alice = world.actor(deposit);
    let escrow = world.escrow(&alice, deposit);
    let coordinator = world.coordinator();
    Setting { world, alice, escrow, coordinator }
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
fn allowance_raised_takes_effect_at_once() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let allowance = world.allowance(&alice, &escrow, &coordinator, 10);
    world.ok(&world.debit(&coordinator, &[(allowance, 4)]), &[&coordinator.signer]);
    let expiry = world.read::<Allowance>(&allowance).expiry_time;
    let raise = world.allowance_raise(&world.market, &allowance, 30, expiry);
    let meta = world.ok(&raise, &[&alice.key]);
    let stored: Allowance = world.read(&allowance);
    assert_eq!((stored.reserved, stored.debited, stored.expiry_time), (40, 4, expiry));
    assert_eq!(world.read::<Escrow>(&escrow).free, 60);
    let raised: AllowanceRaised = event(&meta);
    assert_eq!((raised.allowance, raised.sequence, raised.amount), (allowance, 3, 30));
    assert_eq!((raised.reserved, raised.remaining), (40, 36));
    assert_eq!((raised.expiry_time, raised.free), (expiry, 60));
}

#[test]
fn allowance_raised_may_move_only_the_expiry_and_only_later() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, allowance) = (world.market, world.allowance(&alice, &escrow, &coordinator, 10));
    let expiry = world.read::<Allowance>(&allowance).expiry_time;
    let raise =
        |world: &World, amount, expiry| world.allowance_raise(&market, &allowance, amount, expiry);
    world.fails(&raise(&world, 1, expiry - 1), &[&alice.key], PinaivuError::ExpiryLowered);
    world.fails(&raise(&world, 0, expiry), &[&alice.key], PinaivuError::NothingToChange);
    world.ok(&raise(&world, 0, expiry + 1), &[&alice.key]);
    let stored: Allowance = world.read(&allowance);
    assert_eq!((stored.reserved, stored.expiry_time), (10, expiry + 1));
}

#[test]
fn allowance_raised_by_more_than_is_free_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, allowance) = (world.market, world.allowance(&alice, &escrow, &coordinator, 10));
    let expiry = world.read::<Allowance>(&allowance).expiry_time;
    for amount in [91, u64::MAX] {
        let raise = world.allowance_raise(&market, &allowance, amount, expiry);
        world.fails(&raise, &[&alice.key], PinaivuError::InsufficientFree);
    }
    world.ok(&world.allowance_raise(&market, &allowance, 90, expiry), &[&alice.key]);
}

#[test]
fn allowance_raised_after_its_expiry_needs_a_new_one_and_forgets_the_old() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, allowance) = (world.market, world.allowance(&alice, &escrow, &coordinator, 10));
    let expiry = world.read::<Allowance>(&allowance).expiry_time;
    world.set_clock(world.slot() + 5, expiry);
    let late = world.allowance_raise(&market, &allowance, 1, expiry);
    world.fails(&late, &[&alice.key], PinaivuError::ExpiryInPast);
    world.ok(&world.allowance_exit(&market, &allowance, None), &[]);
    assert_eq!(world.read::<Allowance>(&allowance).expiry_observed_slot, world.slot());
    world.ok(&world.allowance_raise(&market, &allowance, 0, expiry + 100), &[&alice.key]);
    assert_eq!(world.read::<Allowance>(&allowance).expiry_observed_slot, 0);
    world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = world.allowance_exit(&market, &allowance, None);
    world.fails(&exit, &[], PinaivuError::NothingToExit);
}

#[test]
fn allowance_raised_by_anyone_but_the_owner_is_refused() {
    let Setting { mut world, alice, escrow, coordinator } = setting(100);
    let (market, allowance) = (world.market, world.allowance(&alice, &escrow, &coordinator, 10));
    let bob = world.actor(50);
    let bobs = world.escrow(&bob, 50);
    let expiry = world.read::<Allowance>(&allowance).expiry_time;
    let mut raise = world.allowance_raise(&market, &allowance, 1, expiry);
    raise.accounts[0].pubkey = bob.address();
    world.fails(&raise, &[&bob.key], PinaivuError::NotOwner);
    raise.accounts[2].pubkey = bobs;
    world.fails(&raise, &[&bob.key], PinaivuError::WrongEscrow);
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
    let before = world.svm.get_balance(&alice.address()).unwrap();
    let meta = world.ok(&close, &[&alice.key]);
    assert!(!world.exists(&allowance));
    assert_eq!(world.svm.get_balance(&alice.address()).unwrap(), before + rent);
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
