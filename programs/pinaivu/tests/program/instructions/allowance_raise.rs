//! Reserving more, or for longer.

use pinaivu::error::PinaivuError;
use pinaivu::event::AllowanceRaised;
use pinaivu::state::{Allowance, Escrow};

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};
use crate::settings::reserving::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let expiry = stage.world.time() + 12_600;
    let raise = stage.world.allowance_raise(&stage.market, &stage.allowance, 5, expiry);
    let others = &["alice's leaving allowance", "alice's spent allowance", "alice's vouched allowance"];
    Case::of(raise).again(Again::Repeats).also("allowance", others)
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
