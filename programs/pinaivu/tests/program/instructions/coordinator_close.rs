//! Closing a coordinator for good.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorClosed;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.coordinator_close(&stage.market, &stage.flows.quitter))
}

#[test]
fn coordinator_without_bonds_and_guarantees_closes_and_its_credits_stay_claimable() {
    let mut it = setting();
    it.settle(50, 40);
    let authority = it.coordinator.authority.key.insecure_clone();
    let close = it.world.coordinator_close(&it.market, &it.coordinator);
    let lower = it.world.guarantee_set(&it.coordinator, &it.payout, 0);
    it.world.ok(&lower, &[&authority]);
    it.world.pass(OPENING_SLOT_WINDOW + 1, GUARANTEE_SECONDS);
    let apply = it.world.guarantee_lower(&it.market, &it.coordinator.address, &it.payout);
    it.world.ok(&apply, &[]);
    it.world.fails(&close, &[&authority], PinaivuError::CoordinatorNotEmpty);
    let unbond = it.world.coordinator_unbond(&it.coordinator, BOND, MIN_BOND);
    it.world.ok(&unbond, &[&authority]);
    it.world.fails(&close, &[&authority], PinaivuError::CoordinatorNotEmpty);
    it.world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    let claim = it.world.coordinator_unbond_claim(&it.market, &it.coordinator);
    it.world.ok(&claim, &[]);
    // Ten were debited and never distributed: the program owes them to nobody from now on.
    let mut world = it.world.fork();
    let meta = world.send_unchecked(&[close], &[&authority]).unwrap();
    let closed: CoordinatorClosed = event(&meta);
    assert_eq!((closed.undistributed, closed.escrow_liabilities), (10, 9_990));
    world.left_behind(&it.market.escrow_vault, 10);
    assert!(!world.exists(&it.coordinator.address));
    world.ok(&it.claim(), &[]);
    assert_eq!(world.tokens(&it.node.payout_owner.tokens), 40);
    // With the coordinator closed the payout closes while the node goes on.
    let owner = it.node.payout_owner.key.insecure_clone();
    world.ok(&world.payout_close(&it.payout), &[&owner]);
}

#[test]
fn coordinator_with_an_advance_fees_or_too_young_does_not_close() {
    let mut it = setting();
    let authority = it.coordinator.authority.key.insecure_clone();
    let close = it.world.coordinator_close(&it.market, &it.coordinator);
    it.demand_and_wait(GUARANTEE);
    it.world.ok(&it.settle_demand(), &[]);
    let unbond = it.world.coordinator_unbond(&it.coordinator, BOND - GUARANTEE, MIN_BOND);
    it.world.ok(&unbond, &[&authority]);
    it.world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    let claim = it.world.coordinator_unbond_claim(&it.market, &it.coordinator);
    it.world.ok(&claim, &[]);
    it.world.fails(&close, &[&authority], PinaivuError::CoordinatorNotEmpty);
    let mut world = World::new();
    let market = world.market;
    let young = world.coordinator();
    let unbond = world.coordinator_unbond(&young, 0, MIN_BOND);
    world.ok(&unbond, &[&young.authority.key]);
    world.pass(UNBOND_SLOTS, UNBOND_SECONDS);
    world.ok(&world.coordinator_unbond_claim(&market, &young), &[]);
    let close = world.coordinator_close(&market, &young);
    world.fails(&close, &[&young.authority.key], PinaivuError::TooYoungToClose);
    world.pass(OPENING_SLOT_WINDOW - UNBOND_SLOTS + 1, 0);
    let mut theft = close.clone();
    let thief = world.key();
    theft.accounts[0].pubkey = thief.pubkey();
    world.fails(&theft, &[&thief], PinaivuError::NotAuthority);
    world.ok(&close, &[&young.authority.key]);
}
