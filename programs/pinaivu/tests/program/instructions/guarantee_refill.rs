//! Credit that gives the bond back what it advanced.

use pinaivu::error::PinaivuError;
use pinaivu::event::GuaranteeRefilled;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let coordinator = &stage.coordinator.address;
    Case::of(stage.world.guarantee_refill(&stage.market, coordinator, &stage.flows.refillable))
}

#[test]
fn credit_after_a_demand_refills_the_bond_first_and_pays_nobody_twice() {
    let mut it = setting();
    it.demand_and_wait(200);
    it.world.ok(&it.settle_demand(), &[]);
    assert_eq!((it.got(), it.coordinator().guarantee_bond), (200, BOND - 200));
    it.world.fails(&it.refill(), &[], PinaivuError::NothingToRefill);

    it.settle(500, 150);
    it.world.fails(&it.claim(), &[], PinaivuError::NothingToClaim);
    let refilled: GuaranteeRefilled = event(&it.world.ok(&it.refill(), &[]));
    assert_eq!((refilled.amount, refilled.advanced), (150, 50));
    assert_eq!(it.coordinator().guarantee_bond, BOND - 50);

    it.settle(500, 260);
    // In whatever order: 60 to the node, 50 to the bond.
    it.world.ok(&it.claim(), &[]);
    it.world.ok(&it.refill(), &[]);
    assert_eq!((it.got(), it.coordinator().guarantee_bond), (260, BOND));
    assert_eq!((it.payout().paid, it.payout().advanced), (260, 0));
    assert_eq!(it.coordinator().guaranteed, GUARANTEE);
    it.world.fails(&it.refill(), &[], PinaivuError::NothingToRefill);
    it.world.fails(&it.claim(), &[], PinaivuError::NothingToClaim);
}

#[test]
fn refill_of_another_market_or_coordinator_is_refused() {
    let mut it = setting();
    it.demand_and_wait(200);
    it.world.ok(&it.settle_demand(), &[]);
    it.settle(500, 200);
    let (other, rival) = (it.world.open_market(CLASSIC), it.world.coordinator());
    let elsewhere = it.world.guarantee_refill(&other, &it.coordinator.address, &it.payout);
    it.world.fails(&elsewhere, &[], PinaivuError::WrongMarket);
    let foreign = it.world.guarantee_refill(&it.market, &rival.address, &it.payout);
    it.world.fails(&foreign, &[], PinaivuError::WrongCoordinator);
}
