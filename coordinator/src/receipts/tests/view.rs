//! What everyone is shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::verify_inclusion;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::{Amount, Slot, UnixMillis};

use super::world::World;
use crate::receipts::fixtures::{
    account, metered, node, node_key, proof, request, root, signer, ticket,
};
use crate::receipts::{Anchor, ReceiptView, ReceiptsView};
use crate::store::{Entry, EntryKind, NewSettlement, SettlementKind, SettlementState};

async fn found(world: &World, number: u64) -> ReceiptView {
    match world.receipts.view(request(number), None).await.unwrap() {
        ReceiptsView::Found(receipts) => {
            assert_eq!(receipts.request_id, request(number));
            assert_eq!(receipts.receipts.len(), 1);
            receipts.receipts[0].clone()
        }
        other => panic!("not found: {other:?}"),
    }
}

fn hash(text: &str) -> Hash32 {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).unwrap();
    Hash32(bytes)
}

#[tokio::test]
async fn request_is_unknown_then_pending_then_found() {
    let world = World::new().await;
    assert_eq!(world.receipts.view(request(1), None).await.unwrap(), ReceiptsView::Unknown);
    let draft = world.draft(&ticket(1, 0, 0), 0, metered(1, 1));
    assert_eq!(world.receipts.view(request(1), None).await.unwrap(), ReceiptsView::Pending);
    world.receipts.submit(draft).unwrap();
    world.heard(1).await;
    found(&world, 1).await;
}

#[tokio::test]
async fn view_carries_the_bytes_a_verifier_needs_and_a_proof_that_holds() {
    let world = World::new().await;
    for number in 1..=7 {
        let mut draft = world.draft(&ticket(number, 0, 0), 0, metered(7, 7));
        let proof = proof(&draft.ticket, &draft.metered);
        let (root, leaves) = root(0, &node_key(0), std::slice::from_ref(&proof));
        draft.proof = Some(proof);
        world.receipts.submit(draft).unwrap();
        world.receipts.root(node(0), &node_key(0).public(), &root, leaves).unwrap();
    }
    world.heard(7).await;
    let view = found(&world, 3).await;
    let receipt = Receipt::decode(&STANDARD.decode(&view.bytes).unwrap()).unwrap();
    receipt.verify(&view.signer).unwrap();
    assert_eq!(view.signer, signer().public());
    assert_eq!(view.head, receipt.head.record);
    assert_eq!(view.body.amount, receipt.body.amount.to_string());
    assert_eq!(view.body.statement.as_ref().unwrap().signer, node_key(0).public());
    let inclusion = &view.inclusion;
    let path: Vec<_> = inclusion.path.iter().map(|text| hash(text)).collect();
    verify_inclusion(&receipt.leaf(), inclusion.index, 7, &path, &hash(&inclusion.root)).unwrap();
    assert_eq!((view.anchored, inclusion.size), (None, 7));
    assert!(!view.settlement.debited);
}

#[tokio::test]
async fn inclusion_is_shown_against_the_size_asked_for_where_that_covers_the_receipt() {
    let world = World::new().await;
    for number in 1..=5 {
        world.receipts.submit(world.draft(&ticket(number, 0, 0), 0, metered(7, 7))).unwrap();
    }
    world.heard(5).await;
    let receipt = world.receipt(request(2)).await;
    for (asked, shown) in [(None, 5), (Some(1), 5), (Some(2), 2), (Some(4), 4), (Some(6), 5)] {
        let view = world.receipts.view(request(2), asked).await.unwrap();
        let ReceiptsView::Found(receipts) = view else { panic!("not found") };
        let inclusion = &receipts.receipts[0].inclusion;
        assert_eq!((inclusion.index, inclusion.size), (1, shown));
        let path: Vec<_> = inclusion.path.iter().map(|text| hash(text)).collect();
        verify_inclusion(&receipt.leaf(), 1, shown, &path, &hash(&inclusion.root)).unwrap();
    }
}

#[tokio::test]
async fn view_shows_anchor_and_credit_and_hides_whose_debit_it_was() {
    let world = World::new().await;
    world.receipts.submit(world.draft(&ticket(1, 0, 0), 0, metered(100, 0))).unwrap();
    world.heard(1).await;
    let entries = [
        (SettlementKind::LogExtend, EntryKind::Log, [0; 32], 1),
        // ⌈15.0001⌉ and ⌊14.6250975⌋.
        (SettlementKind::Debit, EntryKind::Debit, account(0).allowance.0, 16),
        (SettlementKind::Credit, EntryKind::Credit, node(0).0, 14),
    ];
    world
        .store
        .write(move |transaction| {
            for (number, (kind, entry, account, cumulative)) in (1..).zip(entries) {
                let new = NewSettlement {
                    kind,
                    signature: [number; 64],
                    bytes: vec![1],
                    last_valid_block_height: 9,
                    created: UnixMillis(1),
                    entries: vec![Entry { kind: entry, account, cumulative }],
                };
                let id = transaction.insert_settlement(&new)?;
                let (state, slot) = (SettlementState::Finalized, Some(Slot(u64::from(number))));
                transaction.set_settlement_state(id, state, slot, None)?;
            }
            transaction.set_debited(&account(0).allowance, Amount(16))
        })
        .await
        .unwrap();
    let head = world.store.read(|state| state.log_head()).await.unwrap();
    let anchor = Anchor { epoch: 0, size: 1, root: head.root, slot: Slot(77) };
    world.receipts.set_anchor(anchor);

    let view = found(&world, 1).await;
    assert_eq!(view.anchored, Some(anchor));
    let (log, credit) =
        (view.settlement.log.clone().unwrap(), view.settlement.credit.clone().unwrap());
    assert_eq!((log.slot, log.finalized), (Some(Slot(1)), true));
    assert_eq!((credit.slot, credit.finalized), (Some(Slot(3)), true));
    assert!(view.settlement.debited);
    let json = serde_json::to_string(&view).unwrap();
    let debit = solana_signature::Signature::from([2; 64]).to_string();
    for secret in [
        debit,
        account(0).allowance.to_string(),
        account(0).escrow.to_string(),
        account(0).owner.to_string(),
    ] {
        assert!(!json.contains(&secret));
    }
}

#[tokio::test]
async fn credit_that_does_not_reach_the_receipt_is_not_shown() {
    let world = World::new().await;
    world.receipts.submit(world.draft(&ticket(1, 0, 0), 0, metered(100, 0))).unwrap();
    world.heard(1).await;
    world
        .store
        .write(|transaction| {
            let entry = Entry { kind: EntryKind::Credit, account: node(0).0, cumulative: 13 };
            let new = NewSettlement {
                kind: SettlementKind::Credit,
                signature: [1; 64],
                bytes: vec![1],
                last_valid_block_height: 9,
                created: UnixMillis(1),
                entries: vec![entry],
            };
            let id = transaction.insert_settlement(&new)?;
            transaction.set_settlement_state(
                id,
                SettlementState::Finalized,
                Some(Slot(1)),
                None,
            )?;
            transaction.set_debited(&account(0).allowance, Amount(15))
        })
        .await
        .unwrap();
    let view = found(&world, 1).await;
    assert_eq!(view.settlement.credit, None);
    assert!(!view.settlement.debited);
}
