//! Starting to take bonds out.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorUnbonded;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Again, Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.coordinator_unbond(&stage.coordinator, 1, 1)).again(Again::Repeats)
}

#[test]
fn bond_that_is_not_guaranteed_starts_to_leave_and_stops_counting() {
    let mut it = setting();
    let unbond = it.world.coordinator_unbond(&it.coordinator, BOND - GUARANTEE, 1);
    let meta = it.world.ok(&unbond, &[&it.coordinator.authority.key]);
    let stored = it.coordinator();
    assert_eq!((stored.guarantee_bond, stored.guarantee_unbonding.amount), (300, 700));
    assert_eq!((stored.penalty_bond, stored.penalty_unbonding.amount), (MIN_BOND - 1, 1));
    let unbonded: CoordinatorUnbonded = event(&meta);
    assert_eq!((unbonded.guarantee_bond, unbonded.guarantee_unbonding), (300, 700));
    assert_eq!((unbonded.penalty_bond, unbonded.penalty_unbonding), (MIN_BOND - 1, 1));
    // Below the minimum nobody can reserve more.
    let (alice, expiry) = (it.alice.key.insecure_clone(), it.world.time() + 7_200);
    let raise = it.world.allowance_raise(&it.market, &it.allowance, 1, expiry);
    it.world.fails(&raise, &[&alice], PinaivuError::CoordinatorUnderbonded);
}

#[test]
fn bond_that_guarantees_or_is_not_there_does_not_leave() {
    let mut it = setting();
    let authority = it.coordinator.authority.key.insecure_clone();
    for (guarantee, penalty, error) in [
        (0, 0, PinaivuError::AmountZero),
        (BOND - GUARANTEE + 1, 0, PinaivuError::GuaranteesUncovered),
        (BOND + 1, 0, PinaivuError::InsufficientStake),
        (u64::MAX, 0, PinaivuError::InsufficientStake),
        (0, MIN_BOND + 1, PinaivuError::InsufficientStake),
        (1, u64::MAX, PinaivuError::InsufficientStake),
    ] {
        let unbond = it.world.coordinator_unbond(&it.coordinator, guarantee, penalty);
        it.world.fails(&unbond, &[&authority], error);
    }
    let mut hot = it.world.coordinator_unbond(&it.coordinator, 1, 0);
    hot.accounts[0].pubkey = it.coordinator.signer.pubkey();
    let signer = it.coordinator.signer.insecure_clone();
    it.world.fails(&hot, &[&signer], PinaivuError::NotAuthority);
}
