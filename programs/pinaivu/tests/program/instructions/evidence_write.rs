//! Collecting evidence: opening, writing, closing.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::state::{EvidenceBuffer, MAX_EVIDENCE_LEN};
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Again, Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let owner = stage.alice.address();
    let write = stage.world.evidence_write(&owner, &stage.flows.evidence, 2, &[1, 2, 3]);
    Case::of(write).again(Again::Idle)
}

#[test]
fn evidence_is_written_in_parts_by_its_owner_and_closed_by_it() {
    let mut world = World::new();
    let (alice, bob) = (world.actor(0), world.actor(0));
    let owner = alice.address();
    let (evidence, open) = world.evidence_open(&owner, 7, 5);
    world.ok(&open, &[&alice.key]);
    world.fails(&open, &[&alice.key], custom(ALREADY_IN_USE));
    assert_eq!(world.read::<EvidenceBuffer>(&evidence).data, [0; 5]);
    world.ok(&world.evidence_write(&owner, &evidence, 0, &[1, 2]), &[&alice.key]);
    world.ok(&world.evidence_write(&owner, &evidence, 2, &[3, 4, 5]), &[&alice.key]);
    assert_eq!(world.read::<EvidenceBuffer>(&evidence).data, [1, 2, 3, 4, 5]);
    for (offset, len) in [(5, 1), (4, 2), (0, 6), (u32::MAX, 1), (6, 0)] {
        let write = world.evidence_write(&owner, &evidence, offset, &vec![9; len]);
        world.fails(&write, &[&alice.key], PinaivuError::EvidenceOutOfRange);
    }
    let theirs = world.evidence_write(&bob.address(), &evidence, 0, &[9]);
    world.fails(&theirs, &[&bob.key], PinaivuError::NotOwner);
    let theft = world.evidence_close(&bob.address(), &evidence);
    world.fails(&theft, &[&bob.key], PinaivuError::NotOwner);
    let mut unsigned = world.evidence_write(&owner, &evidence, 0, &[9]);
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);

    let rent = world.svm.get_balance(&evidence).unwrap();
    let before = world.svm.get_balance(&alice.key.pubkey()).unwrap();
    world.ok(&world.evidence_close(&owner, &evidence), &[&alice.key]);
    assert_eq!(world.svm.get_balance(&alice.key.pubkey()).unwrap(), before + rent);
    assert!(!world.exists(&evidence));
}

#[test]
fn evidence_of_no_or_too_many_bytes_is_refused() {
    let mut world = World::new();
    let alice = world.actor(0);
    for len in [0, MAX_EVIDENCE_LEN + 1, u32::MAX] {
        let (_, open) = world.evidence_open(&alice.address(), 1, len);
        world.fails(&open, &[&alice.key], PinaivuError::EvidenceOutOfRange);
    }
    let (_, open) = world.evidence_open(&alice.address(), 1, MAX_EVIDENCE_LEN);
    world.ok(&open, &[&alice.key]);
}
