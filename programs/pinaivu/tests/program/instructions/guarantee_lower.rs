//! A guarantee that falls.

use pinaivu::error::PinaivuError;
use solana_instruction::Instruction;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let coordinator = &stage.coordinator.address;
    Case::of(stage.world.guarantee_lower(&stage.market, coordinator, &stage.flows.falling))
}

fn lowering(to: u64) -> (Setting, Instruction) {
    let mut it = setting();
    let lower = it.world.guarantee_set(&it.coordinator, &it.payout, to);
    it.world.ok(&lower, &[&it.coordinator.authority.key]);
    let apply = it.world.guarantee_lower(&it.market, &it.coordinator.address, &it.payout);
    (it, apply)
}

#[test]
fn guarantee_falls_once_its_delay_has_passed_in_slots_and_time() {
    let (mut it, apply) = lowering(120);
    it.world.pass(GUARANTEE_SLOTS, GUARANTEE_SECONDS - 1);
    it.world.fails(&apply, &[], PinaivuError::NotMatured);
    it.world.pass(0, 1);
    it.world.ok(&apply, &[]);
    assert_eq!((it.payout().guarantee, it.coordinator().guaranteed), (120, 120));
    it.world.fails(&apply, &[], PinaivuError::NothingLowering);
    // What it no longer stands for can leave.
    let unbond = it.world.coordinator_unbond(&it.coordinator, BOND - 120, 0);
    it.world.ok(&unbond, &[&it.coordinator.authority.key]);
}

#[test]
fn node_that_sees_its_guarantee_fall_is_still_paid() {
    let (mut it, apply) = lowering(0);
    it.world.pass(GUARANTEE_SLOTS - LIVENESS_SLOTS - 1, GUARANTEE_SECONDS - LIVENESS_SECONDS);
    it.demand_and_wait(250);
    it.world.pass(GUARANTEE_SLOTS, GUARANTEE_SECONDS);
    it.world.fails(&apply, &[], PinaivuError::DemandOpen);
    it.world.ok(&it.settle_demand(), &[]);
    assert_eq!(it.got(), 250);
    // The rest falls; what was advanced stays until credit has come.
    it.world.ok(&apply, &[]);
    assert_eq!((it.payout().guarantee, it.payout().advanced), (250, 250));
    assert_eq!(it.coordinator().guaranteed, 0);
}

#[test]
fn guarantee_with_another_market_or_coordinator_does_not_fall() {
    let (mut it, _) = lowering(0);
    it.world.pass(GUARANTEE_SLOTS, GUARANTEE_SECONDS);
    let (other, rival) = (it.world.open_market(CLASSIC), it.world.coordinator());
    let elsewhere = it.world.guarantee_lower(&other, &it.coordinator.address, &it.payout);
    it.world.fails(&elsewhere, &[], PinaivuError::WrongMarket);
    let foreign = it.world.guarantee_lower(&it.market, &rival.address, &it.payout);
    it.world.fails(&foreign, &[], PinaivuError::WrongCoordinator);
}
