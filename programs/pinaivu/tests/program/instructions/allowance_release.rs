//! Asking for reserved money back.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::AllowanceReleaseRequested;
use pinaivu::state::PendingRelease;
use solana_pubkey::Pubkey;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};
use crate::settings::leaving::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let owner = stage.alice.address();
    let release = stage.world.allowance_release(&stage.allowance, &owner, 5, None);
    let others = &["alice's leaving allowance", "alice's vouched allowance"];
    Case::of(release).again(Again::Idle).also("allowance", others)
}

#[test]
fn release_is_noted_with_slot_time_and_destination_and_moves_nothing() {
    let mut it = setting();
    let owner = it.alice.address();
    let release = it.world.allowance_release(&it.allowance, &owner, 25, Some(it.alice.tokens));
    let meta = it.world.ok(&release, &[&it.alice.key]);
    let expected = PendingRelease {
        amount: 25,
        requested_slot: it.world.slot(),
        requested_time: it.world.time(),
        destination: it.alice.tokens,
    };
    assert_eq!(it.stored().pending_release, expected);
    assert_eq!((it.stored().released, it.free()), (0, 40));
    let requested: AllowanceReleaseRequested = event(&meta);
    assert_eq!((requested.allowance, requested.sequence), (it.allowance, 2));
    assert_eq!((requested.pending, requested.remaining), (25, 60));
    assert_eq!(requested.destination, Some(it.alice.tokens));
}

#[test]
fn release_to_the_zero_key_or_of_nothing_is_refused() {
    let mut it = setting();
    let owner = it.alice.address();
    let zero = it.world.allowance_release(&it.allowance, &owner, 1, Some(Pubkey::default()));
    it.world.fails(&zero, &[&it.alice.key], PinaivuError::WrongDestination);
    let nothing = it.world.allowance_release(&it.allowance, &owner, 0, None);
    it.world.fails(&nothing, &[&it.alice.key], PinaivuError::NothingToChange);
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 60)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    let spent = it.world.allowance_release(&it.allowance, &owner, u64::MAX, None);
    it.world.fails(&spent, &[&it.alice.key], PinaivuError::NothingToChange);
}

#[test]
fn release_of_more_than_remains_asks_for_what_remains() {
    let mut it = setting();
    let debit = it.world.debit(&it.coordinator, &[(it.allowance, 20)]);
    it.world.ok(&debit, &[&it.coordinator.signer]);
    it.release(u64::MAX, None);
    assert_eq!(it.stored().pending_release.amount, 40);
    it.release(40, None);
    assert_eq!(it.stored().pending_release.amount, 40);
    it.release(1, None);
    assert_eq!(it.stored().pending_release.amount, 1);
}

#[test]
fn release_asked_for_again_replaces_the_first_and_waits_anew() {
    let mut it = setting();
    it.release(60, Some(it.alice.tokens));
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    it.release(10, None);
    let exit = it.exit(None);
    it.world.fails(&exit, &[], PinaivuError::NotMatured);
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    it.world.ok(&exit, &[]);
    assert_eq!((it.free(), it.stored().released), (50, 10));
}

#[test]
fn release_withdrawn_by_asking_for_nothing_never_pays() {
    let mut it = setting();
    it.release(60, None);
    it.release(0, None);
    assert_eq!(it.stored().pending_release, PendingRelease::default());
    it.world.pass(EXIT_SLOTS, EXIT_SECONDS);
    let exit = it.exit(None);
    it.world.fails(&exit, &[], PinaivuError::NothingToExit);
}

#[test]
fn release_by_anyone_but_the_owner_is_refused() {
    let mut it = setting();
    let bob = it.world.actor(0);
    let theft = it.world.allowance_release(&it.allowance, &bob.address(), 1, Some(bob.tokens));
    it.world.fails(&theft, &[&bob.key], PinaivuError::NotOwner);
    let mut unsigned = it.world.allowance_release(&it.allowance, &it.alice.address(), 1, None);
    unsigned.accounts[0].is_signer = false;
    it.world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}
