//! What people hold is evidence when the coordinator signed it, and nothing else is.

use std::collections::BTreeMap;

use pinaivu_log::audit::{Contradiction, Evidence, HeldError, Issuer};
use pinaivu_log::bundle::{Document, Entry};
use pinaivu_log::checkpoint::{Checkpoint, CheckpointError};
use pinaivu_log::note::NoteError;
use pinaivu_log::origin;
use pinaivu_log::proof::LogProof;
use pinaivu_protocol::hash::sha256;
use pinaivu_protocol::ids::{CoordinatorId, PublicKey};
use pinaivu_protocol::receipt::{Receipt, ReceiptError};
use pinaivu_protocol::signed::SigningKey;

use super::audited;
use super::world::{COORDINATOR, Story, coordinator_key, deployment, key};

const PLACE: usize = 300;

/// A key the coordinator had before.
fn former() -> SigningKey {
    key(0x30)
}

fn issuer(former: &[PublicKey]) -> Issuer {
    Issuer {
        deployment: deployment(),
        coordinator: COORDINATOR,
        signer: coordinator_key().public(),
        former: former.to_vec(),
    }
}

fn head_of(story: &Story) -> Checkpoint {
    let tree = story.tree();
    Checkpoint { origin: origin(COORDINATOR, 0), size: tree.size(), root: tree.root() }
}

fn bundle(receipt: Receipt, head: &Checkpoint, key: &SigningKey) -> Document {
    let checkpoint = head.sign(key).unwrap();
    let proof = LogProof { extra: None, index: PLACE as u64, path: Vec::new(), checkpoint };
    Document {
        request_id: receipt.head.record.request.to_string(),
        signer: Some(key.public()),
        entries: vec![Entry {
            receipt,
            signer: Some(key.public()),
            inclusion: None,
            proof: Some(proof),
        }],
        attestation: BTreeMap::new(),
    }
}

fn signed(story: &Story, key: &SigningKey) -> Receipt {
    let entry = &story.entries[PLACE];
    Receipt { head: key.sign(entry.head), body: entry.body.clone() }
}

fn held(document: Document, former: &[PublicKey]) -> Result<Evidence, HeldError> {
    let mut evidence = Evidence::default();
    evidence.hold(document, &issuer(former), "a.json").map(|()| evidence)
}

#[tokio::test]
async fn bundle_of_the_log_is_taken_and_contradicts_nothing() {
    let mut story = Story::honest();
    let document = bundle(story.receipt(PLACE), &head_of(&story), &coordinator_key());
    story.evidence.hold(document, &issuer(&[]), "a.json").unwrap();
    assert_eq!((story.evidence.held.len(), story.evidence.heads.len()), (1, 1));
    assert_eq!(audited(&story).await.contradictions, []);
}

#[test]
fn checkpoint_that_the_coordinator_did_not_sign_is_refused() {
    let story = Story::honest();
    let receipt = story.receipt(PLACE);
    let mine = coordinator_key();
    let forged = Checkpoint { root: sha256(&[b"another history"]), ..head_of(&story) };
    // By a stranger, while the document says it is the coordinator's.
    let document =
        Document { signer: Some(mine.public()), ..bundle(receipt.clone(), &forged, &key(0xee)) };
    let error = held(document, &[]).unwrap_err();
    let unsigned =
        |error: &CheckpointError| matches!(error, CheckpointError::Note(NoteError::Unsigned(_)));
    assert!(
        matches!(&error, HeldError::Checkpoint { number: 0, error } if unsigned(error)),
        "{error}"
    );
    // Its signature is of another text.
    let mut document = bundle(receipt.clone(), &forged, &mine);
    let genuine = head_of(&story).sign(&mine).unwrap();
    document.entries[0].proof.as_mut().unwrap().checkpoint.signatures = genuine.signatures;
    let error = held(document, &[]).unwrap_err();
    let broken =
        |error: &CheckpointError| matches!(error, CheckpointError::Note(NoteError::Signature(_)));
    assert!(
        matches!(&error, HeldError::Checkpoint { number: 0, error } if broken(error)),
        "{error}"
    );
    // Of another epoch's log.
    let other = Checkpoint { origin: origin(COORDINATOR, 1), ..head_of(&story) };
    let error = held(bundle(receipt, &other, &mine), &[]).unwrap_err();
    let elsewhere = |error: &CheckpointError| matches!(error, CheckpointError::Origin { .. });
    assert!(
        matches!(&error, HeldError::Checkpoint { number: 0, error } if elsewhere(error)),
        "{error}"
    );
}

#[test]
fn receipt_that_is_not_what_was_signed_is_refused() {
    let story = Story::honest();
    let (head, mine) = (head_of(&story), coordinator_key());
    let mut changed = story.receipt(PLACE);
    changed.body.model = "dearer-model".to_owned();
    let error = held(bundle(changed, &head, &mine), &[]).unwrap_err();
    assert!(
        matches!(error, HeldError::Receipt { number: 0, error: ReceiptError::Body }),
        "{error}"
    );

    for names in [Some(mine.public()), None] {
        let forged = signed(&story, &key(0xee));
        let document = Document { signer: names, ..bundle(forged, &head, &mine) };
        let error = held(document, &[]).unwrap_err();
        let signature =
            matches!(error, HeldError::Receipt { number: 0, error: ReceiptError::Signature(_) });
        assert!(signature, "{error}");
    }

    let mut other = story.entries[PLACE].head;
    other.coordinator = CoordinatorId([0x77; 32]);
    let other = Receipt { head: mine.sign(other), body: story.entries[PLACE].body.clone() };
    let error = held(bundle(other, &head, &mine), &[]).unwrap_err();
    assert!(matches!(error, HeldError::Party { number: 0, .. }), "{error}");
}

#[tokio::test]
async fn receipt_under_a_key_that_the_chain_does_not_know_is_set_aside_and_said() {
    let mut story = Story::honest();
    let mut entry = story.entries[PLACE].clone();
    entry.body.model = "another-history".to_owned();
    entry.head.body = entry.body.hash();
    let forged = Receipt { head: key(0xee).sign(entry.head), body: entry.body };
    let head = Checkpoint { root: sha256(&[b"another history"]), ..head_of(&story) };
    let document = bundle(forged.clone(), &head, &key(0xee));
    story.evidence.hold(document, &issuer(&[]), "a.json").unwrap();
    // One that came another way is not dropped in silence either.
    story.evidence.held.push(forged);
    let report = audited(&story).await;
    assert_eq!(report.contradictions, []);
    let said: Vec<&String> =
        report.not_checked.iter().filter(|line| line.starts_with("brought along: ")).collect();
    assert_eq!(said.len(), 3, "{said:?}");
}

#[tokio::test]
async fn receipt_under_a_retired_key_counts() {
    let mut story = Story::honest();
    let retired = former().public();
    let document = bundle(signed(&story, &former()), &head_of(&story), &former());
    story.evidence.hold(document, &issuer(&[retired]), "a.json").unwrap();
    assert_eq!(audited(&story).await.contradictions, []);

    // It is not in the log as it was signed.
    let mut entry = story.entries[PLACE].clone();
    entry.body.model = "another-history".to_owned();
    entry.head.body = entry.body.hash();
    let receipt = Receipt { head: former().sign(entry.head), body: entry.body };
    let mut story = Story::honest();
    let document = bundle(receipt, &head_of(&story), &former());
    story.evidence.hold(document, &issuer(&[retired]), "a.json").unwrap();
    let report = audited(&story).await;
    let [finding] = report.contradictions.as_slice() else { panic!("{report:#?}") };
    assert_eq!((finding.kind, finding.index), (Contradiction::Equivocation, Some(PLACE as u64)));
}

#[tokio::test]
async fn signed_receipt_counts_whatever_it_says() {
    let mut story = Story::honest();
    let mut entry = story.entries[PLACE].clone();
    entry.body.amount.0 += 1;
    entry.head.body = entry.body.hash();
    let receipt = Receipt { head: coordinator_key().sign(entry.head), body: entry.body };
    let document = bundle(receipt, &head_of(&story), &coordinator_key());
    story.evidence.hold(document, &issuer(&[]), "a.json").unwrap();
    let report = audited(&story).await;
    let [finding] = report.contradictions.as_slice() else { panic!("{report:#?}") };
    assert_eq!((finding.kind, finding.index), (Contradiction::Equivocation, Some(PLACE as u64)));
}
