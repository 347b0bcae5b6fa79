//! Reserved money on its way back, after a release or the expiry. No operator takes part.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{AllowanceExited, AllowanceExpired};
use pinaivu::state::{Ledger, PendingRelease};

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::leaving::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let destination = Some(stage.alice.tokens);
    Case::of(stage.world.allowance_exit(&stage.market, &stage.leaving, destination))
}

#[test]
fn release_before_its_delay_in_slots_or_in_time_does_not_exit() {
    let mut it = setting();
    it.release(25, None);
    let exit = it.exit(None);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    let (slot, time) = (it.world.slot(), it.world.time());
    it.world.set_clock(slot + EXIT_SLOTS, time + 59);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    it.world.set_clock(slot + EXIT_SLOTS - 1, time + 1_000_000);
    // The expiry has passed too by now; it is noted, but the release stays where it is.
    it.world.ok(&exit, &[]);
    assert_eq!((it.stored().pending_release.amount, it.stored().released), (25, 0));
    it.world.set_clock(slot + EXIT_SLOTS, time + 60);
    it.world.ok(&exit, &[]);
    assert_eq!((it.stored().pending_release.amount, it.stored().released), (0, 25));
}

#[test]
fn release_to_a_token_account_is_paid_there_by_anyone() {
    let mut it = setting();
    it.release(25, Some(it.alice.tokens));
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(Some(it.alice.tokens));
    let meta = it.world.ok(&exit, &[]);
    assert_eq!((it.world.tokens(&it.alice.tokens), it.free()), (25, 40));
    assert_eq!(
        (it.stored().released, it.stored().pending_release),
        (25, PendingRelease::default())
    );
    let exited: AllowanceExited = event(&meta);
    assert_eq!((exited.allowance, exited.sequence), (it.allowance, 3));
    assert_eq!((exited.paid, exited.returned, exited.released), (25, 0, 25));
    assert_eq!((exited.remaining, exited.free), (35, 40));
    assert_eq!((exited.escrow_liabilities, exited.vault_balance), (75, 75));
    it.world.fails(&exit, &[], PinaivuError::NothingToExit);
}

#[test]
fn release_back_to_the_escrow_becomes_free_money() {
    let mut it = setting();
    it.release(60, None);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(None);
    let meta = it.world.ok(&exit, &[]);
    assert_eq!((it.free(), it.stored().released), (100, 60));
    let exited: AllowanceExited = event(&meta);
    assert_eq!((exited.paid, exited.returned, exited.free), (0, 60, 100));
    assert_eq!(it.world.read::<Ledger>(&it.world.market.ledger).escrow_liabilities, 100);
    it.world.fails(&exit, &[], PinaivuError::NothingToExit);
}

#[test]
fn release_with_the_wrong_destination_or_none_is_not_paid() {
    let mut it = setting();
    let thief = it.world.actor(0);
    it.release(25, Some(it.alice.tokens));
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let (stolen, missing) = (it.exit(Some(thief.tokens)), it.exit(None));
    it.world.fails(&stolen, &[], PinaivuError::WrongDestination);
    it.world.fails(&missing, &[], PinaivuError::DestinationMissing);
    let vault = it.exit(Some(it.world.market.escrow_vault));
    it.world.fails(&vault, &[], ErrorCode::ConstraintDuplicateMutableAccount);
    let right = it.exit(Some(it.alice.tokens));
    it.world.ok(&right, &[]);
}

#[test]
fn release_to_the_vault_never_pays_and_can_be_asked_for_again() {
    let mut it = setting();
    let vault = it.world.market.escrow_vault;
    it.release(25, Some(vault));
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(Some(vault));
    it.world.fails(&exit, &[], ErrorCode::ConstraintDuplicateMutableAccount);
    it.release(25, None);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(None);
    it.world.ok(&exit, &[]);
    assert_eq!(it.free(), 65);
}

#[test]
fn debit_during_the_delay_comes_before_the_release() {
    let mut it = setting();
    it.release(60, Some(it.alice.tokens));
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 45)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(Some(it.alice.tokens));
    it.world.ok(&exit, &[]);
    assert_eq!(it.world.tokens(&it.alice.tokens), 15);
    assert_eq!((it.stored().released, it.stored().debited), (15, 45));
    // What has left cannot be debited any more.
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 60)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    assert_eq!(it.stored().debited, 45);
}

#[test]
fn release_after_everything_was_debited_pays_nothing_and_is_done() {
    let mut it = setting();
    it.release(60, Some(it.alice.tokens));
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 60)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(Some(it.alice.tokens));
    let meta = it.world.ok(&exit, &[]);
    assert_eq!(event::<AllowanceExited>(&meta).paid, 0);
    assert_eq!((it.world.tokens(&it.alice.tokens), it.stored().pending_release.amount), (0, 0));
}

#[test]
fn expiry_is_noted_first_and_returns_everything_after_the_delay() {
    let mut it = setting();
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 10)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    let expiry = it.stored().expiry_time;
    let exit = it.exit(None);
    let slot = it.world.slot() + 9_000;
    it.world.set_clock(slot, expiry - 1);
    it.world.fails(&exit, &[], PinaivuError::NothingToExit);

    it.world.set_clock(slot, expiry);
    let meta = it.world.ok(&exit, &[]);
    let expired: AllowanceExpired = event(&meta);
    assert_eq!((expired.allowance, expired.remaining), (it.allowance, 50));
    assert!(events::<AllowanceExited>(&meta).is_empty());
    assert_eq!((it.stored().expiry_observed_slot, it.stored().released), (slot, 0));

    it.world.set_clock(slot + EXIT_SLOTS, expiry + 59);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    it.world.set_clock(slot + EXIT_SLOTS - 1, expiry + 60);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    // What was served before the expiry can still be debited.
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 15)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    it.world.set_clock(slot + EXIT_SLOTS, expiry + 60);
    let meta = it.world.ok(&exit, &[]);
    let exited: AllowanceExited = event(&meta);
    assert_eq!((exited.paid, exited.returned, exited.remaining), (0, 45, 0));
    assert_eq!((it.free(), it.stored().released, it.stored().debited), (85, 45, 15));
}

#[test]
fn expiry_seen_only_after_the_clock_jumped_still_waits_its_slots() {
    let mut it = setting();
    let exit = it.exit(None);
    // The cluster halts: a day passes in time and not a slot in which anyone could settle.
    it.world.set_clock(it.world.slot() + 1, it.world.time() + 86_400);
    it.world.ok(&exit, &[]);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    it.world.pass(EXIT_SLOTS - 1, 0);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    it.world.pass(1, 0);
    it.world.ok(&exit, &[]);
    assert_eq!(it.free(), 100);
}

#[test]
fn expiry_that_matures_with_a_release_pays_the_release_and_returns_the_rest() {
    let mut it = setting();
    let expiry = it.stored().expiry_time;
    it.world.set_clock(it.world.slot() + 1, expiry);
    it.release(20, Some(it.alice.tokens));
    let exit = it.exit(Some(it.alice.tokens));
    it.world.ok(&exit, &[]);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let meta = it.world.ok(&exit, &[]);
    let exited: AllowanceExited = event(&meta);
    assert_eq!((exited.paid, exited.returned, exited.remaining), (20, 40, 0));
    assert_eq!((it.world.tokens(&it.alice.tokens), it.free()), (20, 80));
}

#[test]
fn expiry_that_matures_before_a_release_returns_that_too() {
    let mut it = setting();
    let expiry = it.stored().expiry_time;
    let exit = it.exit(None);
    it.world.set_clock(it.world.slot() + 1, expiry);
    it.world.ok(&exit, &[]);
    it.world.pass(EXIT_SLOTS - 1, EXIT_SECONDS);
    it.release(20, Some(it.alice.tokens));
    it.world.pass(1, 0);
    let meta = it.world.ok(&exit, &[]);
    assert_eq!(event::<AllowanceExited>(&meta).returned, 60);
    assert_eq!((it.free(), it.stored().pending_release.amount), (100, 0));
}

#[test]
fn exit_with_nothing_asked_for_and_nothing_expired_is_refused() {
    let mut it = setting();
    let exit = it.exit(None);
    it.world.fails(&exit, &[], PinaivuError::NothingToExit);
}

#[test]
fn exit_into_anothers_escrow_is_refused() {
    let mut it = setting();
    let bob = it.world.actor(1);
    let bobs = it.world.escrow(&bob, 1);
    it.release(60, None);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let mut exit = it.exit(None);
    exit.accounts[2].pubkey = bobs;
    it.world.fails(&exit, &[], PinaivuError::WrongEscrow);
}

#[test]
fn exit_with_a_donation_in_the_vault_pays_only_what_is_owed() {
    let mut it = setting();
    let vault = it.world.market.escrow_vault;
    it.world.donate(&vault, 500);
    it.release(u64::MAX, Some(it.alice.tokens));
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(Some(it.alice.tokens));
    it.world.ok(&exit, &[]);
    assert_eq!((it.world.tokens(&it.alice.tokens), it.world.tokens(&vault)), (60, 540));
}

/// What moves nothing changes nothing: readers of sequences would look for what is not there.
#[test]
fn exit_of_money_that_was_debited_meanwhile_moves_nothing_and_counts_nowhere() {
    let mut it = setting();
    let tokens = it.alice.tokens;
    it.release(60, Some(tokens));
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 60)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let market = it.world.market;
    let ledger: Ledger = it.world.read(&market.ledger);
    let escrow: pinaivu::state::Escrow = it.world.read(&it.escrow);
    let meta = it.world.ok(&it.exit(Some(tokens)), &[]);
    assert!(events::<AllowanceExpired>(&meta).is_empty());
    assert_eq!(it.world.read::<Ledger>(&market.ledger), ledger);
    assert_eq!(it.world.read::<pinaivu::state::Escrow>(&it.escrow), escrow);
    assert!(!it.stored().pending_release.is_pending());
}

#[test]
fn exit_into_an_escrow_of_another_version_is_refused() {
    let mut it = setting();
    it.release(60, None);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let mut account = it.world.svm.get_account(&it.escrow).unwrap();
    account.data[8] += 1;
    it.world.set_account(it.escrow, account);
    let failure = it.world.send_unchecked(&[it.exit(None)], &[]).unwrap_err();
    assert_eq!(Refusal(refusal(&failure)), Refusal::from(PinaivuError::InvariantBroken));
}
