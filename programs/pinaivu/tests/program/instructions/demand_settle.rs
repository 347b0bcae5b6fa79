//! Demands paid out of credit and guarantee.

use pinaivu::error::PinaivuError;
use pinaivu::event::DemandSettled;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (payout, tokens) = (&stage.flows.demanded, &stage.flows.demanded_tokens);
    Case::of(stage.world.demand_settle(&stage.market, payout, tokens))
}

#[test]
fn starved_node_among_settled_ones_is_paid_out_of_the_bond() {
    let mut it = setting();
    let second = it.world.node();
    let other = it.world.payout(&it.coordinator, &second);
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 400)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    let credit = it.world.credit(&it.market, &it.coordinator, &[(other, 360)], 0);
    it.world.ok(&credit, &[&it.coordinator.signer]);
    it.demand_and_wait(90);
    let settled: DemandSettled = event(&it.world.ok(&it.settle_demand(), &[]));
    assert_eq!((settled.demanded, settled.claimed, settled.advanced), (90, 0, 90));
    assert_eq!((settled.paid, settled.guarantee_bond), (90, BOND - 90));
    assert_eq!((it.got(), it.payout().advanced), (90, 90));
    assert_eq!(it.coordinator().guaranteed, GUARANTEE - 90);
}

#[test]
fn demand_before_the_liveness_period_has_passed_pays_nothing() {
    let mut it = setting();
    it.world.fails(&it.settle_demand(), &[], PinaivuError::NoDemand);
    let transaction = it.demand(&it.coordinator.signer, &it.head(90));
    let owner = it.node.payout_owner.key.insecure_clone();
    it.world.sends(&transaction, &[&owner]);
    let settle = it.settle_demand();
    it.world.pass(LIVENESS_SLOTS - 1, LIVENESS_SECONDS);
    it.world.fails(&settle, &[], PinaivuError::NotMatured);
    it.world.pass(0, 100);
    it.world.fails(&settle, &[], PinaivuError::NotMatured);
    it.world.pass(1, 0);
    it.world.ok(&settle, &[]);
    it.world.fails(&settle, &[], PinaivuError::NoDemand);
    assert_eq!(it.got(), 90);
}

#[test]
fn credit_that_comes_within_the_period_pays_and_the_bond_pays_only_the_rest() {
    let mut it = setting();
    it.demand_and_wait(100);
    it.settle(500, 70);
    let settled: DemandSettled = event(&it.world.ok(&it.settle_demand(), &[]));
    assert_eq!((settled.claimed, settled.advanced, it.got()), (70, 30, 100));
    // All of it: the bond pays nothing.
    it.demand_and_wait(150);
    it.settle(500, 150);
    let settled: DemandSettled = event(&it.world.ok(&it.settle_demand(), &[]));
    assert_eq!((settled.claimed, settled.advanced, it.got()), (50, 0, 150));
    it.world.ok(&it.refill(), &[]);
    assert_eq!((it.coordinator().guarantee_bond, it.payout().advanced), (BOND, 0));
}

#[test]
fn demand_then_resumed_settlement_never_pays_twice() {
    let mut it = setting();
    it.demand_and_wait(200);
    it.world.ok(&it.settle_demand(), &[]);
    it.settle(1_000, 200);
    it.world.fails(&it.claim(), &[], PinaivuError::NothingToClaim);
    let owner = it.node.payout_owner.key.insecure_clone();
    let again = it.demand(&it.coordinator.signer, &it.head(200));
    it.world.refuses(&again, &[&owner], PinaivuError::NothingToDemand);
    it.settle(1_000, 230);
    it.world.ok(&it.claim(), &[]);
    assert_eq!(it.got(), 230);
}

#[test]
fn demand_beyond_the_guarantee_pays_up_to_it_and_an_exhausted_one_nothing() {
    let mut it = setting();
    it.demand_and_wait(1_000_000);
    let settled: DemandSettled = event(&it.world.ok(&it.settle_demand(), &[]));
    assert_eq!((settled.advanced, it.got()), (GUARANTEE, GUARANTEE));
    it.demand_and_wait(2_000_000);
    let settled: DemandSettled = event(&it.world.ok(&it.settle_demand(), &[]));
    assert_eq!((settled.advanced, it.got()), (0, GUARANTEE));
    assert_eq!(it.coordinator().guaranteed, 0);
}

#[test]
fn sybil_receipts_of_a_stolen_key_take_nothing_from_others_guarantees() {
    let mut it = setting();
    let sybil = it.world.node();
    let theirs = it.world.payout(&it.coordinator, &sybil);
    let mut head = it.head(u64::MAX >> 1);
    head.node.0 = sybil.address.to_bytes();
    let owner = sybil.payout_owner.key.insecure_clone();
    let open = it.world.demand_open(&it.market, &theirs, &owner.pubkey());
    let verify = verify_records(&[(&it.coordinator.signer, &head)]);
    it.world.sends(&[verify, open], &[&owner]);
    it.world.pass(LIVENESS_SLOTS, LIVENESS_SECONDS);
    let settle = it.world.demand_settle(&it.market, &theirs, &sybil.payout_owner.tokens);
    let settled: DemandSettled = event(&it.world.ok(&settle, &[]));
    assert_eq!((settled.advanced, it.world.tokens(&sybil.payout_owner.tokens)), (0, 0));
    it.demand_and_wait(GUARANTEE);
    it.world.ok(&it.settle_demand(), &[]);
    assert_eq!(it.got(), GUARANTEE);
}

#[test]
fn demand_of_a_closed_node_is_still_paid() {
    let mut it = setting();
    it.world.pass(pinaivu_protocol::seeds::OPENING_SLOT_WINDOW + 1, 0);
    let operator = it.node.operator.key.insecure_clone();
    it.world.ok(&it.world.node_close(&it.node.address, &operator.pubkey()), &[&operator]);
    let mut transaction = it.demand(&it.coordinator.signer, &it.head(5));
    // The node's account is gone; the payout owner needs none.
    transaction[1].accounts[4].pubkey = pinaivu::ID;
    let owner = it.node.payout_owner.key.insecure_clone();
    it.world.sends(&transaction, &[&owner]);
    it.world.pass(LIVENESS_SLOTS, LIVENESS_SECONDS);
    it.world.ok(&it.settle_demand(), &[]);
    assert_eq!(it.got(), 5);
}

#[test]
fn demand_to_anyone_but_the_payout_owner_or_from_another_market_is_refused() {
    let mut it = setting();
    it.demand_and_wait(90);
    let theft = it.world.demand_settle(&it.market, &it.payout, &it.alice.tokens);
    it.world.fails(&theft, &[], PinaivuError::WrongTokenAccount);
    let other = it.world.open_market(CLASSIC);
    let tokens = it.node.payout_owner.tokens;
    let elsewhere = it.world.demand_settle(&other, &it.payout, &tokens);
    it.world.fails(&elsewhere, &[], PinaivuError::WrongMarket);
}
