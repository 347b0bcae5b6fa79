//! Closing a payout for good.

use pinaivu::error::PinaivuError;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.payout_close(&stage.flows.closable))
}

#[test]
fn payout_of_a_closed_node_closes_and_cannot_be_opened_again() {
    let mut it = setting();
    it.settle(50, 40);
    let owner = it.node.payout_owner.key.insecure_clone();
    let close = it.world.payout_close(&it.payout);
    it.world.fails(&close, &[&owner], PinaivuError::PayoutNotEmpty);
    it.world.ok(&it.claim(), &[]);
    it.world.fails(&close, &[&owner], PinaivuError::PayoutNotEmpty);
    let lower = it.world.guarantee_set(&it.coordinator, &it.payout, 0);
    it.world.ok(&lower, &[&it.coordinator.authority.key]);
    it.world.pass(OPENING_SLOT_WINDOW + 1, GUARANTEE_SECONDS);
    let apply = it.world.guarantee_lower(&it.market, &it.coordinator.address, &it.payout);
    it.world.ok(&apply, &[]);
    it.world.fails(&close, &[&owner], PinaivuError::PayoutInUse);
    let operator = it.node.operator.key.insecure_clone();
    it.world.ok(&it.world.node_close(&it.node.address, &operator.pubkey()), &[&operator]);
    let mut theft = close.clone();
    theft.accounts[0].pubkey = it.alice.address();
    let alice = it.alice.key.insecure_clone();
    it.world.fails(&theft, &[&alice], PinaivuError::NotPayoutOwner);
    let mut astray = close.clone();
    astray.accounts[4].pubkey = it.alice.address();
    it.world.fails(&astray, &[&owner], PinaivuError::WrongRentReceiver);
    it.world.ok(&close, &[&owner]);
    assert!(!it.world.exists(&it.payout));
    let (_, open) = it.world.payout_open(&it.market, &it.coordinator.address, &it.node.address);
    it.world.fails(&open, &[], anchor_lang::error::ErrorCode::AccountNotInitialized);
    // An old credit for it changes nothing and stops nothing.
    let credit = it.world.credit(&it.market, &it.coordinator, &[(it.payout, 50)], 0);
    it.world.ok(&credit, &[&it.coordinator.signer]);
    assert_eq!(it.coordinator().credited, 40);
}

#[test]
fn payout_with_a_guarantee_or_an_advance_does_not_close() {
    let mut it = setting();
    it.demand_and_wait(GUARANTEE);
    let owner = it.node.payout_owner.key.insecure_clone();
    let close = it.world.payout_close(&it.payout);
    it.world.fails(&close, &[&owner], PinaivuError::PayoutNotEmpty);
    it.world.ok(&it.settle_demand(), &[]);
    it.world.fails(&close, &[&owner], PinaivuError::PayoutNotEmpty);
}

/// Nobody could settle the demand any more, and its rent would be lost.
#[test]
fn payout_with_a_demand_against_a_closed_coordinator_closes() {
    let mut it = setting();
    let authority = it.coordinator.authority.key.insecure_clone();
    let lower = it.world.guarantee_set(&it.coordinator, &it.payout, 0);
    it.world.ok(&lower, &[&authority]);
    it.world.pass(GUARANTEE_SLOTS, GUARANTEE_SECONDS);
    let (market, coordinator) = (it.market, it.coordinator.address);
    it.world.ok(&it.world.guarantee_lower(&market, &coordinator, &it.payout), &[]);
    it.demand_and_wait(1);
    let unbond = it.world.coordinator_unbond(&it.coordinator, BOND, MIN_BOND);
    it.world.ok(&unbond, &[&authority]);
    it.world.pass(OPENING_SLOT_WINDOW + 1, UNBOND_SECONDS);
    it.world.ok(&it.world.coordinator_unbond_claim(&market, &it.coordinator), &[]);
    it.world.ok(&it.world.coordinator_close(&market, &it.coordinator), &[&authority]);
    assert!(it.payout().demand.is_open());
    it.world.fails(&it.settle_demand(), &[], anchor_lang::error::ErrorCode::AccountNotInitialized);
    let owner = it.node.payout_owner.key.insecure_clone();
    it.world.ok(&it.world.payout_close(&it.payout), &[&owner]);
    assert!(!it.world.exists(&it.payout));
}
