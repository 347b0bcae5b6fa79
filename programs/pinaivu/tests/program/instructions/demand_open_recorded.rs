//! Demanding what a recorded receipt shows.

use pinaivu::error::PinaivuError;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let owner = stage.node.payout_owner.address();
    let open = stage.world.demand_open_recorded(&stage.payout, &owner, &stage.flows.record);
    let payees = &["node's operator", "node's signer"];
    Case::of(open).also("payee", payees).also("node", &["left out"])
}

#[test]
fn receipt_in_the_log_counts_whichever_key_signed_it() {
    let mut it = setting();
    let receipt = it.receipt(0, 120);
    it.log(std::slice::from_ref(&receipt), 4);
    let fresh = it.world.key();
    let rotate = it.world.coordinator_rotate_signer(&it.coordinator, &fresh.pubkey());
    it.world.ok(&rotate, &[&it.coordinator.authority.key, &fresh]);
    let record = it.record(&receipt);
    let owner = it.node.payout_owner.key.insecure_clone();
    let open = it.world.demand_open_recorded(&it.payout, &owner.pubkey(), &record);
    it.world.ok(&open, &[&owner]);
    it.world.pass(LIVENESS_SLOTS, LIVENESS_SECONDS);
    it.world.ok(&it.settle_demand(), &[]);
    assert_eq!(it.got(), 120);
    it.world.fails(&open, &[&owner], PinaivuError::NothingToDemand);
}

#[test]
fn record_of_another_node_or_coordinator_is_refused() {
    let mut it = setting();
    let receipt = it.receipt(0, 120);
    it.log(std::slice::from_ref(&receipt), 0);
    let record = it.record(&receipt);
    let (second, rival) = (it.world.node(), it.world.coordinator());
    let other = it.world.payout(&it.coordinator, &second);
    let theirs = it.world.payout(&rival, &it.node);
    let thief = second.payout_owner.key.insecure_clone();
    let open = it.world.demand_open_recorded(&other, &thief.pubkey(), &record);
    it.world.fails(&open, &[&thief], PinaivuError::WrongNode);
    let owner = it.node.payout_owner.key.insecure_clone();
    let open = it.world.demand_open_recorded(&theirs, &owner.pubkey(), &record);
    it.world.fails(&open, &[&owner], PinaivuError::WrongCoordinator);
    let open = it.world.demand_open_recorded(&it.payout, &it.alice.address(), &record);
    let alice = it.alice.key.insecure_clone();
    it.world.fails(&open, &[&alice], PinaivuError::NotPayee);
}
