//! Putting up bonds.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorBonded;
use pinaivu::state::Coordinator as CoordinatorAccount;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let bond = stage.world.coordinator_bond(&stage.market, &stage.coordinator, 5, 5);
    Case::of(bond).again(Again::Repeats)
}

#[test]
fn bonds_are_added_each_to_its_own_and_held_in_the_bond_vault() {
    let mut world = World::new();
    let (market, mut coordinator) = (world.market, world.coordinator());
    let authority = coordinator.authority.address();
    coordinator.authority.tokens = world.token_account(&market, &authority, 100);
    let bond = world.coordinator_bond(&market, &coordinator, 30, 4);
    let meta = world.ok(&bond, &[&coordinator.authority.key]);
    let stored: CoordinatorAccount = world.read(&coordinator.address);
    assert_eq!((stored.guarantee_bond, stored.penalty_bond), (30, MIN_BOND + 4));
    assert_eq!(world.tokens(&coordinator.authority.tokens), 66);
    assert_eq!(world.tokens(&market.bond_vault), MIN_BOND + 34);
    let bonded: CoordinatorBonded = event(&meta);
    assert_eq!((bonded.coordinator, bonded.sequence), (coordinator.address, 3));
    assert_eq!((bonded.guarantee_bond, bonded.penalty_bond), (30, MIN_BOND + 4));
    assert_eq!((bonded.bond_liabilities, bonded.vault_balance), (MIN_BOND + 34, MIN_BOND + 34));
}

#[test]
fn bond_of_nothing_or_more_than_fits_or_by_another_is_refused() {
    let mut world = World::new();
    let (market, coordinator, bob) = (world.market, world.coordinator(), world.actor(10));
    let bond = |world: &World, guarantee, penalty| {
        world.coordinator_bond(&market, &coordinator, guarantee, penalty)
    };
    let key = &coordinator.authority.key;
    world.fails(&bond(&world, 0, 0), &[key], PinaivuError::AmountZero);
    world.fails(&bond(&world, u64::MAX, 1), &[key], PinaivuError::Overflow);
    world.fails(&bond(&world, 1, 0), &[key], custom(INSUFFICIENT_TOKENS));
    let mut foreign = bond(&world, 1, 0);
    foreign.accounts[0].pubkey = bob.address();
    foreign.accounts[6].pubkey = bob.tokens;
    world.fails(&foreign, &[&bob.key], PinaivuError::NotAuthority);
}
