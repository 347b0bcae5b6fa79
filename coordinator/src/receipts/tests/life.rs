//! Any life of a database: drafts, duplicates, failovers, presented proofs and kills, in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinaivu_protocol::ids::{NodeId, RequestId};
use pinaivu_protocol::merkle::MemoryTree;
use pinaivu_protocol::receipt::Receipt;
use proptest::prelude::*;

use super::world::World;
use crate::receipts::fixtures::{account, metered, request, signer, ticket};
use crate::receipts::{EpochTree, Receipted};
use crate::store::StoredReceipt;

#[derive(Clone, Debug)]
enum Event {
    /// A segment ended.
    Draft { request: u64, node: u8, account: u8, input: u32, output: u32 },
    /// The process is killed, whatever is under way.
    Kill,
    /// Everything submitted so far becomes durable.
    Settle,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let draft = (0_u64..24, 0_u8..3, 0_u8..4, 0_u32..600, 0_u32..600).prop_map(
        |(request, node, account, input, output)| Event::Draft {
            request,
            node,
            account,
            input,
            output,
        },
    );
    let event = prop_oneof![8 => draft, 1 => Just(Event::Kill), 1 => Just(Event::Settle)];
    proptest::collection::vec(event, 1..60)
}

/// What the database says must be what its receipts say, computed here from the receipts alone.
async fn check(world: &World, shown: &[Receipted]) {
    let size = world.store.read(|state| state.log_head()).await.unwrap().size;
    let mut tree = MemoryTree::new();
    let mut charged: BTreeMap<_, u128> = BTreeMap::new();
    let mut earned: BTreeMap<NodeId, u128> = BTreeMap::new();
    let mut fees = 0_u128;
    let mut segments: Vec<(RequestId, u16)> = Vec::new();
    for index in 0..size {
        let stored: StoredReceipt =
            world.store.read(move |state| state.receipt_at(0, index)).await.unwrap().unwrap();
        let receipt = Receipt::decode(&stored.bytes).unwrap();
        receipt.verify(&signer().public()).unwrap();
        let (head, body) = (&receipt.head.record, &receipt.body);
        assert_eq!(head.index, index);
        let weighted = u128::from(body.input_tokens.0) + 3 * u128::from(body.output_tokens.0);
        assert_eq!(body.amount.0, weighted * 150_001);
        assert_eq!(body.fee.0, body.amount.0 * 250 / 10_000);
        *charged.entry(stored.allowance).or_default() += body.amount.0;
        *earned.entry(head.node).or_default() += body.amount.0 - body.fee.0;
        fees += body.fee.0;
        assert_eq!(stored.allowance_cumulative.0, charged[&stored.allowance]);
        assert_eq!(head.node_cumulative.0, earned[&head.node]);
        assert!(!segments.contains(&(head.request, head.segment.0)));
        segments.push((head.request, head.segment.0));
        tree.push(receipt.leaf()).unwrap();
        // Whatever was shown to anyone for this position is what is stored.
        for receipted in shown.iter().filter(|shown| shown.head.record.index == index) {
            assert_eq!(receipted.head, receipt.head);
        }
    }
    assert!(shown.iter().all(|receipted| receipted.head.record.index < size));
    let head = world.store.read(|state| state.log_head()).await.unwrap();
    assert_eq!(head.root, tree.root());
    for first in 1..=size {
        let path = world
            .store
            .read(move |state| EpochTree::new(state, 0).consistency(first, size))
            .await
            .unwrap();
        let old =
            world.store.read(move |state| EpochTree::new(state, 0).root(first)).await.unwrap();
        pinaivu_protocol::merkle::verify_consistency(first, &old, size, &head.root, &path).unwrap();
    }
    let totals = world.store.read(|state| state.totals()).await.unwrap();
    assert_eq!(totals.charged.0, charged.values().sum::<u128>());
    assert_eq!(totals.fees.0, fees);
    assert_eq!(totals.charged.0, earned.values().sum::<u128>() + fees);
    for account in world.store.read(|state| state.accounts()).await.unwrap() {
        assert_eq!(account.receipted.0, charged.get(&account.allowance).copied().unwrap_or(0));
    }
}

async fn live(events: Vec<Event>) {
    let mut world = World::new().await;
    let mut shown = Vec::new();
    let mut probe = 1_000;
    for event in events.into_iter().chain([Event::Settle, Event::Kill]) {
        match event {
            Event::Draft { request: number, node, account: payer, input, output } => {
                let ticket = ticket(number, node, payer);
                // A request that is still open has a flight; the engine would not begin it twice.
                let Ok(flight) = world.receipts.begin(request(number)) else { continue };
                drop(flight);
                let draft = world.draft(&ticket, payer, metered(input, output));
                assert_eq!(draft.allowance, account(payer).allowance);
                world.receipts.submit(draft).unwrap();
            }
            Event::Kill => {
                let recorder = Arc::clone(&world.recorder);
                world = world.kill().await;
                shown.append(&mut recorder.0.lock());
                check(&world, &shown).await;
            }
            Event::Settle => {
                probe += 1;
                world.receipts.submit(world.draft(&ticket(probe, 0, 0), 0, metered(1, 1))).unwrap();
                while world.stored(request(probe)).await.is_empty() {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_life_with_kills_leaves_books_that_agree_with_the_receipts(events in events()) {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(live(events));
    }
}
