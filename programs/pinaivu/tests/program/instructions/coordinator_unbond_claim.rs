//! Bonds that leave.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorUnbondClaimed;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.coordinator_unbond_claim(&stage.market, &stage.coordinator))
}

#[test]
fn bonds_leave_each_after_its_own_delay_in_slots_and_time() {
    let mut it = setting();
    let claim = it.world.coordinator_unbond_claim(&it.market, &it.coordinator);
    it.world.fails(&claim, &[], PinaivuError::NothingUnbonding);
    let unbond = it.world.coordinator_unbond(&it.coordinator, 200, 20);
    it.world.ok(&unbond, &[&it.coordinator.authority.key]);
    it.world.pass(GUARANTEE_SLOTS - 1, GUARANTEE_SECONDS);
    it.world.fails(&claim, &[], PinaivuError::NotMatured);
    it.world.pass(1, 0);
    let meta = it.world.ok(&claim, &[]);
    let claimed: CoordinatorUnbondClaimed = event(&meta);
    assert_eq!((claimed.guarantee, claimed.penalty), (200, 0));
    assert_eq!(it.world.tokens(&it.coordinator.authority.tokens), 200);
    it.world.pass(UNBOND_SLOTS - GUARANTEE_SLOTS, UNBOND_SECONDS - GUARANTEE_SECONDS - 1);
    it.world.fails(&claim, &[], PinaivuError::NotMatured);
    it.world.pass(0, 1);
    let claimed: CoordinatorUnbondClaimed = event(&it.world.ok(&claim, &[]));
    assert_eq!((claimed.guarantee, claimed.penalty), (0, 20));
    assert_eq!(it.world.tokens(&it.coordinator.authority.tokens), 220);
    assert_eq!(claimed.bond_liabilities, BOND + MIN_BOND - 220);
    it.world.fails(&claim, &[], PinaivuError::NothingUnbonding);
}

#[test]
fn bonds_go_to_nobody_but_the_authority() {
    let mut it = setting();
    let unbond = it.world.coordinator_unbond(&it.coordinator, 200, 20);
    it.world.ok(&unbond, &[&it.coordinator.authority.key]);
    it.world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    let mut theft = it.world.coordinator_unbond_claim(&it.market, &it.coordinator);
    let place =
        theft.accounts.iter().position(|account| account.pubkey == it.coordinator.authority.tokens);
    theft.accounts[place.unwrap()].pubkey = it.alice.tokens;
    it.world.fails(&theft, &[], PinaivuError::WrongTokenAccount);
}
