//! Drafts and the node's signed roots, in every order.

use std::time::Duration;

use super::world::World;
use crate::receipts::fixtures::{metered, node, node_key, proof, request, root, ticket};
use crate::receipts::{ReceiptsConfig, RootRefusal};

#[tokio::test]
async fn root_after_the_proof_gives_a_receipt_with_the_nodes_statement() {
    let world = World::new().await;
    let proofs: Vec<_> =
        (1..=5).map(|number| proof(&ticket(number, 0, 0), &metered(10, 10))).collect();
    for number in 1..=5 {
        let mut draft = world.draft(&ticket(number, 0, 0), 0, metered(10, 10));
        draft.proof = Some(proofs[usize::try_from(number).unwrap() - 1].clone());
        world.receipts.submit(draft).unwrap();
    }
    let (root, leaves) = root(0, &node_key(0), &proofs);
    world.receipts.root(node(0), &node_key(0).public(), &root, leaves).unwrap();
    world.heard(5).await;
    for number in 1..=5 {
        let receipt = world.receipt(request(number)).await;
        let statement = receipt.body.statement.unwrap();
        assert_eq!(statement.proof, proofs[usize::try_from(number).unwrap() - 1]);
        assert_eq!(statement.evidence.signer, node_key(0).public());
    }
}

#[tokio::test]
async fn root_before_the_proof_is_kept_for_it() {
    let world = World::new().await;
    let mut draft = world.draft(&ticket(1, 0, 0), 0, metered(10, 10));
    let proof = proof(&draft.ticket, &draft.metered);
    let (root, leaves) = root(0, &node_key(0), std::slice::from_ref(&proof));
    world.receipts.root(node(0), &node_key(0).public(), &root, leaves).unwrap();
    draft.proof = Some(proof);
    world.receipts.submit(draft).unwrap();
    world.heard(1).await;
    assert!(world.receipt(request(1)).await.body.statement.is_some());
}

#[tokio::test]
async fn root_that_never_comes_leaves_a_receipt_without_a_statement() {
    let evidence_wait = Duration::from_millis(30);
    let world = World::with(ReceiptsConfig { evidence_wait, ..Default::default() }).await;
    let mut draft = world.draft(&ticket(1, 0, 0), 0, metered(10, 10));
    draft.proof = Some(proof(&draft.ticket, &draft.metered));
    world.receipts.submit(draft).unwrap();
    world.heard(1).await;
    assert_eq!(world.receipt(request(1)).await.body.statement, None);
}

#[tokio::test]
async fn root_of_another_node_does_not_serve() {
    let world = World::new().await;
    let mut draft = world.draft(&ticket(1, 0, 0), 0, metered(10, 10));
    let proof = proof(&draft.ticket, &draft.metered);
    draft.proof = Some(proof.clone());
    world.receipts.submit(draft).unwrap();
    let (other, leaves) = root(1, &node_key(1), &[proof]);
    world.receipts.root(node(1), &node_key(1).public(), &other, leaves).unwrap();
    let store = world.store.clone();
    let (_directory, recorder) = world.stop().await;
    assert_eq!(recorder.0.lock().len(), 1);
    let stored = store.read(|state| state.receipts_of(&request(1))).await.unwrap();
    let receipt = pinaivu_protocol::receipt::Receipt::decode(&stored[0].bytes).unwrap();
    assert_eq!(receipt.body.statement, None);
}

#[tokio::test]
async fn proof_about_something_else_is_left_out_at_once() {
    for field in 0..7 {
        // A wait that would outlast the test: nothing is waited for.
        let evidence_wait = Duration::from_secs(3_600);
        let world = World::with(ReceiptsConfig { evidence_wait, ..Default::default() }).await;
        let mut draft = world.draft(&ticket(1, 0, 0), 0, metered(10, 10));
        let mut proof = proof(&draft.ticket, &draft.metered);
        match field {
            0 => proof.deployment.0.0[0] ^= 1,
            1 => proof.coordinator.0[0] ^= 1,
            2 => proof.node.0[0] ^= 1,
            3 => proof.request.0[0] ^= 1,
            4 => proof.segment.0 ^= 1,
            5 => proof.ticket.0[0] ^= 1,
            _ => proof.response_commitment.0[0] ^= 1,
        }
        draft.proof = Some(proof);
        world.receipts.submit(draft).unwrap();
        world.heard(1).await;
        assert_eq!(world.receipt(request(1)).await.body.statement, None);
    }
}

#[tokio::test]
async fn roots_that_do_not_hold_are_refused() {
    let world = World::new().await;
    let proof = proof(&ticket(1, 0, 0), &metered(1, 1));
    let (good, leaves) = root(0, &node_key(0), std::slice::from_ref(&proof));
    let (key, stranger) = (node_key(0).public(), node_key(1).public());
    let offer = |node_number, key, root: &_, leaves: &[_]| {
        world.receipts.root(node(node_number), key, root, leaves.to_vec())
    };
    assert_eq!(offer(1, &key, &good, &leaves), Err(RootRefusal::Party));
    assert_eq!(offer(0, &stranger, &good, &leaves), Err(RootRefusal::Signature));
    assert_eq!(offer(0, &key, &good, &[]), Err(RootRefusal::Size(0)));
    assert_eq!(offer(0, &key, &good, &[leaves[0], leaves[0]]), Err(RootRefusal::Size(2)));
    let mut other = leaves.clone();
    other[0].0[0] ^= 1;
    assert_eq!(offer(0, &key, &good, &other), Err(RootRefusal::Leaves));
    let many = vec![proof; 65];
    let (large, too_many) = root(0, &node_key(0), &many);
    assert_eq!(offer(0, &key, &large, &too_many), Err(RootRefusal::Size(65)));
    let mut tampered = good.clone();
    tampered.signature.0[0] ^= 1;
    assert_eq!(offer(0, &key, &tampered, &leaves), Err(RootRefusal::Signature));
    assert_eq!(offer(0, &key, &good, &leaves), Ok(()));
}
