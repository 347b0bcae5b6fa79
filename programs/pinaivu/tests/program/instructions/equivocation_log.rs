//! A receipt that contradicts its log.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorSlashed;
use pinaivu_protocol::evidence::DisplacedReceipt;
use pinaivu_protocol::hash::Hash32;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::harness::*;
use crate::settings::log::leaves;
use crate::settings::served::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (coordinator, tokens) = (&stage.coordinator.address, &stage.bob.tokens);
    let evidence = &stage.flows.displaced;
    let slash =
        stage.world.equivocation_log(&stage.market, coordinator, None, evidence, tokens);
    Case::of(slash)
        .after(&stage.flows.displaced_head)
        .anyone("retired_signer")
        .anyone("epoch_head")
        .anyone("destination")
        .gifts()
}

/// Shows `shown` with its head signed by the coordinator.
fn report(it: &mut Setting, shown: &DisplacedReceipt, head: Option<Pubkey>) -> [Instruction; 2] {
    let evidence = it.evidence(shown);
    let verify = verify_records(&[(&it.coordinator.signer, &shown.receipt.head)]);
    let (coordinator, tokens) = (it.coordinator.address, it.alice.tokens);
    let slash = it.world.equivocation_log(&it.market, &coordinator, head, &evidence, &tokens);
    [verify, slash]
}

#[test]
fn receipt_whose_place_another_leaf_has_costs_the_penalty_bond() {
    let mut it = setting();
    it.append(&leaves(5));
    let shown = DisplacedReceipt {
        receipt: it.receipt(2, 10),
        leaf: Hash32(it.leaves[2]),
        path: it.peak_path(2),
    };
    let transaction = report(&mut it, &shown, None);
    let slashed: CoordinatorSlashed = event(&it.world.sends(&transaction, &[]));
    assert_eq!((slashed.reporter, slashed.burned), (MIN_BOND / 4, MIN_BOND - MIN_BOND / 4));
    assert!(it.coordinator().slashed);
}

#[test]
fn receipt_that_contradicts_a_closed_epoch_costs_the_penalty_bond() {
    let mut it = setting();
    it.append(&leaves(5));
    let shown = DisplacedReceipt {
        receipt: it.receipt(2, 10),
        leaf: Hash32(it.leaves[2]),
        path: it.root_path(2),
    };
    let (head, open) = it.world.log_epoch_open(&it.coordinator, 0);
    it.world.ok(&open, &[&it.coordinator.authority.key]);
    let bare = report(&mut it, &shown, None);
    it.world.refuses(&bare, &[], PinaivuError::EpochMismatch);
    let transaction = report(&mut it, &shown, Some(head));
    it.world.sends(&transaction, &[]);
    assert!(it.coordinator().slashed);
}

#[test]
fn receipt_that_is_in_the_log_or_not_covered_yet_is_not_slashable() {
    let mut it = setting();
    let receipt = it.receipt(0, 10);
    it.log(std::slice::from_ref(&receipt), 2);
    let (leaf, path) = (Hash32(it.leaves[0]), it.peak_path(0));
    let honest = DisplacedReceipt { receipt, leaf, path: path.clone() };
    let transaction = report(&mut it, &honest, None);
    it.world.refuses(&transaction, &[], PinaivuError::NotContradictory);
    // Signed, and to be logged with the next extension.
    let next = DisplacedReceipt { receipt: it.receipt(3, 20), leaf, path: path.clone() };
    let transaction = report(&mut it, &next, None);
    it.world.refuses(&transaction, &[], PinaivuError::NotIncluded);
    // A leaf that does not stand there.
    let invented = DisplacedReceipt { receipt: it.receipt(1, 20), leaf: Hash32([9; 32]), path };
    let transaction = report(&mut it, &invented, None);
    it.world.refuses(&transaction, &[], PinaivuError::NotIncluded);
}

#[test]
fn receipt_that_the_coordinator_did_not_sign_is_not_slashable() {
    let mut it = setting();
    it.append(&leaves(1));
    let shown =
        DisplacedReceipt { receipt: it.receipt(0, 10), leaf: Hash32(it.leaves[0]), path: vec![] };
    let [_, slash] = report(&mut it, &shown, None);
    let forged = verify_records(&[(&it.alice.key, &shown.receipt.head)]);
    it.world.refuses(&[forged, slash.clone()], &[], PinaivuError::WrongSignerKey);
    let other = verify_records(&[(&it.coordinator.signer, &it.receipt(0, 11).head)]);
    it.world.refuses(&[other, slash.clone()], &[], PinaivuError::SignedBytesMalformed);
    it.world.refuses(&[slash], &[], PinaivuError::SignatureMissing);
    let mut body = shown.clone();
    body.receipt.body.fee.0 += 1;
    let transaction = report(&mut it, &body, None);
    it.world.refuses(&transaction, &[], PinaivuError::EvidenceMalformed);
}
