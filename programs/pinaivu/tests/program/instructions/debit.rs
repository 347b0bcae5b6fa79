//! Debits to cumulative amounts.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::AllowancesDebited;
use pinaivu::state::Allowance;
use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use solana_pubkey::Pubkey;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};
use crate::settings::settling::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let debit = stage.world.debit(&stage.coordinator, &[(stage.allowance, 110)]);
    let others = &[
        "alice's spent allowance",
        "alice's leaving allowance",
        "alice's vouched allowance",
        "alice",
        "nothing there",
    ];
    Case::of(debit).again(Again::Idle).also("entry", others)
}

#[test]
fn debit_takes_each_allowance_to_its_cumulative_and_moves_no_tokens() {
    let mut it = setting();
    let [first, second] = it.allowances;
    let vault = it.world.tokens(&it.world.market.escrow_vault);
    let debited = it.debit(&[(first, 30), (second, 50)]);
    assert_eq!((it.debited(), it.totals()), ([30, 50], (80, 0, 0)));
    assert_eq!(it.world.tokens(&it.world.market.escrow_vault), vault);
    assert_eq!(
        (debited.coordinator, debited.taken, debited.debited),
        (it.coordinator.address, 80, 80)
    );
    let entries: Vec<_> =
        debited.entries.iter().map(|e| (e.allowance, e.debited, e.remaining)).collect();
    assert_eq!(entries, [(first, 30, 70), (second, 50, 0)]);
    let debited = it.debit(&[(first, 31)]);
    assert_eq!((debited.taken, debited.debited), (1, 81));
}

#[test]
fn debit_that_is_stale_changes_nothing_and_stops_nothing() {
    let mut it = setting();
    let [first, second] = it.allowances;
    it.debit(&[(first, 30)]);
    for stale in [30, 29, 0] {
        let debited = it.debit(&[(first, stale)]);
        assert_eq!((debited.taken, debited.entries.len()), (0, 0));
    }
    let debited = it.debit(&[(first, 7), (second, 5)]);
    assert_eq!((debited.taken, it.debited()), (5, [30, 5]));
}

#[test]
fn debit_beyond_what_remains_takes_what_is_there_and_stops_nothing() {
    let mut it = setting();
    let [first, second] = it.allowances;
    assert_eq!(it.debit(&[(first, u64::MAX), (second, 51)]).taken, 150);
    assert_eq!((it.debited(), it.totals().0), ([100, 50], 150));
    assert_eq!(it.debit(&[(first, u64::MAX)]).taken, 0);
}

#[test]
fn debit_after_a_raise_takes_the_rest_of_a_short_cumulative() {
    let mut it = setting();
    let [first, _] = it.allowances;
    it.debit(&[(first, 130)]);
    let expiry = it.world.read::<Allowance>(&first).expiry_time;
    let raise = it.world.allowance_raise(&it.world.market, &first, 100, expiry);
    it.world.ok(&raise, &[&it.alice.key]);
    assert_eq!(it.debit(&[(first, 130)]).taken, 30);
}

#[test]
fn debit_with_the_same_allowance_twice_counts_it_once() {
    let mut it = setting();
    let [first, second] = it.allowances;
    assert_eq!(it.debit(&[(first, 40), (first, 40)]).taken, 40);
    assert_eq!(it.debit(&[(first, 60), (first, 50), (first, 70)]).taken, 30);
    assert_eq!(it.debit(&[(first, 500), (second, 500), (first, 500), (second, 500)]).taken, 80);
    assert_eq!((it.debited(), it.totals().0), ([100, 50], 150));
}

#[test]
fn debit_of_an_allowance_that_was_closed_takes_nothing_and_stops_nothing() {
    let mut it = setting();
    let [first, second] = it.allowances;
    it.debit(&[(first, 100)]);
    it.world.pass(OPENING_SLOT_WINDOW + 1, 0);
    let close = it.world.allowance_close(&first);
    it.world.ok(&close, &[&it.alice.key]);
    let debited = it.debit(&[(first, 110), (second, 20)]);
    assert_eq!((debited.taken, debited.debited), (20, 120));
}

#[test]
fn debit_with_an_account_of_another_kind_is_refused_as_a_whole() {
    let mut it = setting();
    let [first, _] = it.allowances;
    let others =
        [it.escrow, it.payouts[0], it.nodes[0].address, it.alice.tokens, it.world.market.address];
    for other in others {
        it.refuses_debit(&[(first, 10), (other, 10)], PinaivuError::WrongEntryAccount);
    }
    let program = it.world.debit(&it.coordinator, &[(first, 10), (pinaivu::ID, 10)]);
    it.world.fails(&program, &[&it.coordinator.signer], PinaivuError::WrongEntryAccount);
    assert_eq!(it.debited(), [0, 0]);
}

#[test]
fn debit_of_another_coordinators_allowance_is_refused_as_a_whole() {
    let mut it = setting();
    let [first, second] = it.allowances;
    let rival = it.world.coordinator();
    let theirs = it.world.allowance(&it.alice, &it.escrow, &rival, 10);
    it.refuses_debit(&[(first, 10), (theirs, 10), (second, 10)], PinaivuError::WrongCoordinator);
    assert_eq!((it.debited(), it.world.read::<Allowance>(&theirs).debited), ([0, 0], 0));
}

#[test]
fn debit_of_a_read_only_allowance_is_refused() {
    let mut it = setting();
    let mut debit = it.world.debit(&it.coordinator, &[(it.allowances[0], 1)]);
    debit.accounts[2].is_writable = false;
    it.world.fails(&debit, &[&it.coordinator.signer], PinaivuError::EntryNotWritable);
}

#[test]
fn debit_with_no_entries_or_another_number_of_accounts_is_refused() {
    let mut it = setting();
    let [first, second] = it.allowances;
    it.refuses_debit(&[], PinaivuError::EntriesEmpty);
    let mut missing = it.world.debit(&it.coordinator, &[(first, 1), (second, 1)]);
    missing.accounts.pop();
    it.world.fails(&missing, &[&it.coordinator.signer], PinaivuError::EntryCountMismatch);
    let mut surplus = it.world.debit(&it.coordinator, &[(first, 1)]);
    surplus.accounts.push(surplus.accounts[2].clone());
    it.world.fails(&surplus, &[&it.coordinator.signer], PinaivuError::EntryCountMismatch);
}

#[test]
fn debit_by_anyone_but_the_hot_signer_is_refused() {
    let mut it = setting();
    let debit = it.world.debit(&it.coordinator, &[(it.allowances[0], 1)]);
    let mut cold = debit.clone();
    cold.accounts[0].pubkey = it.coordinator.authority.address();
    it.world.fails(&cold, &[&it.coordinator.authority.key], PinaivuError::NotSigner);
    let mut unsigned = debit;
    unsigned.accounts[0].is_signer = false;
    it.world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn debit_and_credit_write_only_the_coordinator_and_their_entries() {
    let it = setting();
    let debit = it.world.debit(&it.coordinator, &[(it.allowances[0], 1)]);
    let credit = it.world.credit(&it.world.market, &it.coordinator, &[(it.payouts[0], 1)], 0);
    let written = |instruction: &solana_instruction::Instruction| -> Vec<Pubkey> {
        let metas = instruction.accounts.iter();
        metas.filter(|meta| meta.is_writable).map(|meta| meta.pubkey).collect()
    };
    assert_eq!(written(&debit), [it.coordinator.address, it.allowances[0]]);
    assert_eq!(written(&credit), [it.coordinator.address, it.payouts[0]]);
}

#[test]
fn debit_of_as_many_allowances_as_a_transaction_holds_fits_the_compute_budget() {
    let mut it = setting();
    let mut entries = Vec::new();
    for _ in 0..24 {
        it.world.pass(1, 0);
        let allowance = it.world.allowance(&it.alice, &it.escrow, &it.coordinator, 2);
        entries.push((allowance, 1));
    }
    let debit = it.world.debit(&it.coordinator, &entries);
    let meta = it.world.ok(&debit, &[&it.coordinator.signer]);
    assert!(meta.compute_units_consumed < 200_000, "{}", meta.compute_units_consumed);
    assert_eq!(event::<AllowancesDebited>(&meta).taken, 24);
}
