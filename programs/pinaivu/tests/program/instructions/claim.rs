//! Credits paid out.

use pinaivu::error::PinaivuError;
use pinaivu::event::PayoutClaimed;
use pinaivu::state::{Ledger, Payout};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::settled::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let tokens = &stage.node.payout_owner.tokens;
    Case::of(stage.world.claim(&stage.market, &stage.payout, tokens))
}

#[test]
fn claim_by_anyone_pays_exactly_what_was_credited() {
    let mut it = setting();
    let (market, destination) = (it.world.market, it.node.payout_owner.tokens);
    let meta = it.world.ok(&it.claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 80);
    assert_eq!(it.world.tokens(&market.escrow_vault), 920);
    let stored: Payout = it.world.read(&it.payout);
    assert_eq!((stored.credited, stored.paid), (80, 80));
    assert_eq!(it.world.read::<Ledger>(&market.ledger).escrow_liabilities, 920);
    let claimed: PayoutClaimed = event(&meta);
    assert_eq!((claimed.payout, claimed.destination), (it.payout, destination));
    assert_eq!((claimed.amount, claimed.paid), (80, 80));
    assert_eq!((claimed.escrow_liabilities, claimed.vault_balance), (920, 920));
}

#[test]
fn claim_twice_pays_nothing_the_second_time() {
    let mut it = setting();
    let destination = it.node.payout_owner.tokens;
    it.world.ok(&it.claim(&destination), &[]);
    it.world.fails(&it.claim(&destination), &[], PinaivuError::NothingToClaim);
    assert_eq!(it.world.tokens(&destination), 80);
}

#[test]
fn claim_after_more_credit_pays_only_the_difference() {
    let mut it = setting();
    let destination = it.node.payout_owner.tokens;
    it.world.ok(&it.claim(&destination), &[]);
    it.settle(101, 81, 10);
    it.world.ok(&it.claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 81);
}

#[test]
fn claim_to_anyone_but_the_payout_owner_is_refused() {
    let mut it = setting();
    let thief = it.world.actor(0);
    for destination in [thief.tokens, it.node.operator.tokens, it.coordinator.authority.tokens] {
        it.world.fails(&it.claim(&destination), &[], PinaivuError::WrongTokenAccount);
    }
}

#[test]
fn claim_from_another_market_is_refused() {
    let mut it = setting();
    let other = it.world.open_market(CLASSIC);
    let rich = it.world.actor_in(other, 500);
    it.world.escrow_in(other, &rich, 500);
    let owner = it.node.payout_owner.address();
    let destination = it.world.token_account(&other, &owner, 0);
    let claim = it.world.claim(&other, &it.payout, &destination);
    it.world.fails(&claim, &[], PinaivuError::WrongMarket);
    let fees = it.world.fee_claim(&other, &it.coordinator.address, &destination);
    it.world.fails(&fees, &[], PinaivuError::WrongMarket);
}

#[test]
fn claim_before_anything_is_credited_is_refused() {
    let mut it = setting();
    let second = it.world.node();
    let payout = it.world.payout(&it.coordinator, &second);
    let destination = second.payout_owner.tokens;
    let market = it.world.market;
    let claim = it.world.claim(&market, &payout, &destination);
    it.world.fails(&claim, &[], PinaivuError::NothingToClaim);
}

#[test]
fn claim_for_a_node_that_was_closed_still_pays() {
    let mut it = setting();
    it.world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = it.world.node_close(&it.node.address, &it.node.operator.address());
    it.world.ok(&close, &[&it.node.operator.key]);
    it.settle(200, 170, 10);
    let destination = it.node.payout_owner.tokens;
    it.world.ok(&it.claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 170);
}

#[test]
fn claim_with_a_donation_in_the_vault_pays_only_what_was_credited() {
    let mut it = setting();
    let (vault, destination) = (it.world.market.escrow_vault, it.node.payout_owner.tokens);
    it.world.donate(&vault, 1_000);
    it.world.ok(&it.claim(&destination), &[]);
    assert_eq!((it.world.tokens(&destination), it.world.tokens(&vault)), (80, 1_920));
}
