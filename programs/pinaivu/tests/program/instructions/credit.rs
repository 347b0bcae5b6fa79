//! Credits to cumulative amounts.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use solana_pubkey::Pubkey;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};
use crate::settings::settling::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let payouts = [(stage.payout, 85)];
    let others = &[
        "alice",
        "closable payout",
        "demanded payout",
        "falling payout",
        "nothing there",
        "refillable payout",
    ];
    let credit = stage.world.credit(&stage.market, &stage.coordinator, &payouts, 9);
    Case::of(credit).again(Again::Idle).also("entry", others)
}

#[test]
fn credit_takes_each_node_to_its_cumulative_and_keeps_the_fees() {
    let mut it = setting();
    let ([first, _], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    let vault = it.world.tokens(&it.world.market.escrow_vault);
    let credited = it.credit(&[(node, 60), (other, 29)], 10);
    assert_eq!((it.credited(), it.totals()), ([60, 29], (100, 89, 10)));
    assert_eq!(it.world.tokens(&it.world.market.escrow_vault), vault);
    assert_eq!((credited.debited, credited.credited, credited.fees), (100, 89, 10));
    let entries: Vec<_> = credited.entries.iter().map(|e| (e.payout, e.credited)).collect();
    assert_eq!(entries, [(node, 60), (other, 29)]);
}

#[test]
fn credit_that_is_stale_changes_nothing_and_stops_nothing() {
    let mut it = setting();
    let ([first, _], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    it.credit(&[(node, 60)], 9);
    for stale in [60, 59, 0] {
        let credited = it.credit(&[(node, stale)], 9);
        assert!(credited.entries.is_empty());
    }
    let credited = it.credit(&[(node, 3), (other, 4)], 2);
    assert_eq!((credited.credited, credited.fees, credited.entries.len()), (64, 9, 1));
    assert_eq!(it.credited(), [60, 4]);
}

#[test]
fn credit_beyond_what_was_debited_takes_what_is_there_nodes_before_fees() {
    let mut it = setting();
    let ([first, second], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    let credited = it.credit(&[(node, 70), (other, u64::MAX)], 10);
    assert_eq!((it.credited(), credited.fees), ([70, 30], 0));
    it.debit(&[(second, 4)]);
    // The same cumulatives again: the other node's is still short and comes first.
    let credited = it.credit(&[(node, 70), (other, u64::MAX)], 10);
    assert_eq!((it.credited(), credited.fees), ([70, 34], 0));
    it.debit(&[(second, 20)]);
    let credited = it.credit(&[], 10);
    assert_eq!((it.credited(), credited.fees), ([70, 34], 10));
}

#[test]
fn credit_before_anything_was_debited_gives_nothing() {
    let mut it = setting();
    let credited = it.credit(&[(it.payouts[0], 10)], 10);
    assert_eq!((credited.credited, credited.fees, it.totals()), (0, 0, (0, 0, 0)));
}

#[test]
fn credit_keeps_fees_up_to_the_rate_rounded_down() {
    let mut it = setting();
    let [first, _] = it.allowances;
    for (debited, most) in [(9, 0), (10, 1), (19, 1), (99, 9), (100, 10)] {
        it.debit(&[(first, debited)]);
        assert_eq!(it.credit(&[], u64::MAX).fees, most, "of {debited}");
    }
}

#[test]
fn credit_with_the_same_payout_twice_counts_it_once() {
    let mut it = setting();
    let ([first, _], [node, other]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    it.credit(&[(node, 40), (node, 40), (other, 1), (node, 50)], 0);
    assert_eq!((it.credited(), it.totals().1), ([50, 1], 51));
}

#[test]
fn credit_with_an_account_of_another_kind_or_coordinator_is_refused_as_a_whole() {
    let mut it = setting();
    let ([first, _], [node, _]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    for other in [first, it.escrow, it.nodes[0].address, it.alice.tokens] {
        it.refuses_credit(&[(node, 10), (other, 10)], PinaivuError::WrongEntryAccount);
    }
    let rival = it.world.coordinator();
    let theirs = it.world.payout(&rival, &it.nodes[0]);
    it.refuses_credit(&[(node, 10), (theirs, 10)], PinaivuError::WrongCoordinator);
    assert_eq!(it.credited(), [0, 0]);
}

#[test]
fn credit_of_an_address_with_nothing_at_it_changes_nothing_and_stops_nothing() {
    let mut it = setting();
    let ([first, _], [node, _]) = (it.allowances, it.payouts);
    it.debit(&[(first, 100)]);
    // What closing a payout leaves behind.
    it.credit(&[(Pubkey::new_unique(), 10), (it.alice.address(), 10), (node, 10)], 0);
    assert_eq!((it.credited(), it.totals().1), ([10, 0], 10));
}

#[test]
fn credit_with_no_entries_or_another_number_of_accounts_or_read_only_is_refused() {
    let mut it = setting();
    let [node, other] = it.payouts;
    it.refuses_credit(&[], PinaivuError::EntriesEmpty);
    let mut missing =
        it.world.credit(&it.world.market, &it.coordinator, &[(node, 1), (other, 1)], 0);
    missing.accounts.pop();
    it.world.fails(&missing, &[&it.coordinator.signer], PinaivuError::EntryCountMismatch);
    let mut frozen = it.world.credit(&it.world.market, &it.coordinator, &[(node, 1)], 0);
    frozen.accounts[3].is_writable = false;
    it.world.fails(&frozen, &[&it.coordinator.signer], PinaivuError::EntryNotWritable);
}

#[test]
fn credit_by_anyone_but_the_hot_signer_or_in_another_market_is_refused() {
    let mut it = setting();
    let credit = it.world.credit(&it.world.market, &it.coordinator, &[(it.payouts[0], 1)], 0);
    let mut cold = credit.clone();
    cold.accounts[0].pubkey = it.coordinator.authority.address();
    it.world.fails(&cold, &[&it.coordinator.authority.key], PinaivuError::NotSigner);
    let mut unsigned = credit.clone();
    unsigned.accounts[0].is_signer = false;
    it.world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
    let other = it.world.open_market(CLASSIC);
    let mut foreign = credit;
    foreign.accounts[1].pubkey = other.address;
    it.world.fails(&foreign, &[&it.coordinator.signer], PinaivuError::WrongMarket);
}
