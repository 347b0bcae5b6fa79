//! How far the bond stands for a node.

use pinaivu::error::PinaivuError;
use pinaivu::event::GuaranteeSet;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let others = &["closable payout", "demanded payout", "falling payout", "refillable payout"];
    Case::of(stage.world.guarantee_set(&stage.coordinator, &stage.payout, 120))
        .also("payout", others)
}

#[test]
fn guarantee_rises_at_once_within_the_bond_and_not_beyond() {
    let mut it = setting();
    let authority = it.coordinator.authority.key.insecure_clone();
    let second = it.world.node();
    let other = it.world.payout(&it.coordinator, &second);
    it.world.ok(&it.world.guarantee_set(&it.coordinator, &it.payout, 600), &[&authority]);
    it.world.ok(&it.world.guarantee_set(&it.coordinator, &other, 400), &[&authority]);
    assert_eq!((it.payout().guarantee, it.coordinator().guaranteed), (600, 1_000));
    for more in [601, u64::MAX] {
        let set = it.world.guarantee_set(&it.coordinator, &it.payout, more);
        it.world.fails(&set, &[&authority], PinaivuError::GuaranteesUncovered);
    }
    let same = it.world.guarantee_set(&it.coordinator, &it.payout, 600);
    it.world.fails(&same, &[&authority], PinaivuError::NothingToChange);
}

#[test]
fn guarantee_asked_to_fall_stands_until_its_delay_has_passed_and_can_be_kept() {
    let mut it = setting();
    let authority = it.coordinator.authority.key.insecure_clone();
    let lower = it.world.guarantee_set(&it.coordinator, &it.payout, 0);
    let set: GuaranteeSet = event(&it.world.ok(&lower, &[&authority]));
    assert_eq!((set.guarantee, set.lowering_to), (GUARANTEE, Some(0)));
    assert_eq!((it.payout().guarantee, it.coordinator().guaranteed), (GUARANTEE, GUARANTEE));
    let keep = it.world.guarantee_set(&it.coordinator, &it.payout, GUARANTEE);
    let set: GuaranteeSet = event(&it.world.ok(&keep, &[&authority]));
    assert_eq!((set.guarantee, set.lowering_to), (GUARANTEE, None));
    it.world.pass(GUARANTEE_SLOTS, GUARANTEE_SECONDS);
    let apply = it.world.guarantee_lower(&it.market, &it.coordinator.address, &it.payout);
    it.world.fails(&apply, &[], PinaivuError::NothingLowering);
}

#[test]
fn guarantee_set_by_the_hot_key_or_for_anothers_node_is_refused() {
    let mut it = setting();
    let mut hot = it.world.guarantee_set(&it.coordinator, &it.payout, 301);
    hot.accounts[0].pubkey = it.coordinator.signer.pubkey();
    let signer = it.coordinator.signer.insecure_clone();
    it.world.fails(&hot, &[&signer], PinaivuError::NotAuthority);
    let rival = it.world.coordinator();
    let foreign = it.world.guarantee_set(&rival, &it.payout, 0);
    it.world.fails(&foreign, &[&rival.authority.key], PinaivuError::WrongCoordinator);
}
