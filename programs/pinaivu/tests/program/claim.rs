//! Credits and fees paid out.

use pinaivu::error::PinaivuError;
use pinaivu::event::{FeesClaimed, PayoutClaimed, PayoutOpened};
use pinaivu::state::{Coordinator as CoordinatorAccount, Ledger, Payout};
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::harness::*;

struct Setting {
    world: World,
    coordinator: Coordinator,
    allowance: Pubkey,
    node: Node,
    payout: Pubkey,
}

/// 100 debited, 80 credited to one node, 10 kept, 10 not distributed.
fn setting() -> Setting {
    let mut world = World::new();
    let alice = world.actor(1_000);
    let escrow = world.escrow(&alice, 1_000);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 500);
    let node = world.node();
    let payout = world.payout(&coordinator, &node);
    let mut it = Setting { world, coordinator, allowance, node, payout };
    it.settle(100, 80, 10);
    it
}

impl Setting {
    fn settle(&mut self, debited: u64, credited: u64, fees: u64) {
        let signer = &self.coordinator.signer;
        let debit = self.world.debit(&self.coordinator, &[(self.allowance, debited)]);
        self.world.ok(&debit, &[signer]);
        let market = self.world.market;
        let credit =
            self.world.credit(&market, &self.coordinator, &[(self.payout, credited)], fees);
        self.world.ok(&credit, &[signer]);
    }

    fn claim(&self, destination: &Pubkey) -> Instruction {
        let market = self.world.market;
        self.world.claim(&market, &self.coordinator.address, &self.payout, destination)
    }

    fn fee_claim(&self, destination: &Pubkey) -> Instruction {
        self.world.fee_claim(&self.world.market, &self.coordinator.address, destination)
    }
}

#[test]
fn payout_opened_by_anyone_names_the_nodes_payout_owner() {
    let mut world = World::new();
    let (market, coordinator, node) = (world.market, world.coordinator(), world.node());
    let (payout, open) = world.payout_open(&market, &coordinator.address, &node.address);
    let meta = world.ok(&open, &[]);
    let stored: Payout = world.read(&payout);
    assert_eq!((stored.coordinator, stored.node), (coordinator.address, node.address));
    assert_eq!(stored.payout_owner, node.payout_owner.address());
    assert_eq!((stored.credited, stored.paid, stored.guarantee, stored.sequence), (0, 0, 0, 1));
    let opened: PayoutOpened = event(&meta);
    assert_eq!((opened.payout, opened.payout_owner), (payout, node.payout_owner.address()));
    world.fails(&open, &[], custom(ALREADY_IN_USE));
}

#[test]
fn payout_between_two_markets_is_refused() {
    let mut world = World::new();
    let other = world.open_market(CLASSIC);
    let (market, coordinator, foreign) = (world.market, world.coordinator(), world.node_in(other));
    for its in [market, other] {
        let (_, open) = world.payout_open(&its, &coordinator.address, &foreign.address);
        world.fails(&open, &[], PinaivuError::WrongMarket);
    }
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
fn claim_of_another_coordinators_payout_is_refused() {
    let mut it = setting();
    let rival = it.world.coordinator();
    let destination = it.node.payout_owner.tokens;
    let market = it.world.market;
    let claim = it.world.claim(&market, &rival.address, &it.payout, &destination);
    it.world.fails(&claim, &[], PinaivuError::WrongCoordinator);
}

#[test]
fn claim_from_another_market_is_refused() {
    let mut it = setting();
    let other = it.world.open_market(CLASSIC);
    let rich = it.world.actor_in(other, 500);
    it.world.escrow_in(other, &rich, 500);
    let owner = it.node.payout_owner.address();
    let destination = it.world.token_account(&other, &owner, 0);
    let claim = it.world.claim(&other, &it.coordinator.address, &it.payout, &destination);
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
    let claim = it.world.claim(&market, &it.coordinator.address, &payout, &destination);
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

#[test]
fn fees_are_paid_once_and_only_to_the_authority() {
    let mut it = setting();
    let (market, destination) = (it.world.market, it.coordinator.authority.tokens);
    let thief = it.world.actor(0);
    for wrong in [thief.tokens, it.node.payout_owner.tokens] {
        it.world.fails(&it.fee_claim(&wrong), &[], PinaivuError::WrongTokenAccount);
    }
    let meta = it.world.ok(&it.fee_claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 10);
    let stored: CoordinatorAccount = it.world.read(&it.coordinator.address);
    assert_eq!((stored.fees, stored.fees_paid), (10, 10));
    let claimed: FeesClaimed = event(&meta);
    assert_eq!(
        (claimed.coordinator, claimed.amount, claimed.fees_paid),
        (it.coordinator.address, 10, 10)
    );
    assert_eq!((claimed.escrow_liabilities, claimed.vault_balance), (990, 990));
    it.world.fails(&it.fee_claim(&destination), &[], PinaivuError::NothingToClaim);
    it.settle(110, 80, 11);
    it.world.ok(&it.fee_claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 11);
    assert_eq!(it.world.tokens(&market.escrow_vault), 989);
}

#[test]
fn rest_that_was_never_distributed_stays_in_the_pool() {
    let mut it = setting();
    let (node, authority) = (it.node.payout_owner.tokens, it.coordinator.authority.tokens);
    it.world.ok(&it.claim(&node), &[]);
    it.world.ok(&it.fee_claim(&authority), &[]);
    let market = it.world.market;
    // 900 are Alice's, 10 were debited and belong to nobody yet.
    assert_eq!(it.world.tokens(&market.escrow_vault), 910);
    assert_eq!(it.world.read::<Ledger>(&market.ledger).escrow_liabilities, 910);
    it.settle(100, 90, 10);
    it.world.ok(&it.claim(&node), &[]);
    assert_eq!(it.world.tokens(&node), 90);
}
