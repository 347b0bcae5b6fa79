//! What strangers are shown of a log with several bundles.

use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::entry::{self, Entry};
use pinaivu_log::tile::{Resource, Span, tiles_of};
use pinaivu_protocol::merkle::{CompactRange, leaf_hash};
use pinaivu_protocol::receipt::Receipt;

use crate::receipts::PublicLog;
use crate::receipts::fixtures::{Charge, commit_now, identity, signer, store};
use crate::store::Store;

async fn grow(store: &Store, numbers: std::ops::Range<u64>) {
    let charges: Vec<Charge> = numbers
        .map(|request| Charge {
            request,
            node: u8::try_from(request % 3).unwrap(),
            account: 0,
            input: 3,
            output: 5,
        })
        .collect();
    commit_now(store, &charges).await;
}

fn public(store: &Store) -> PublicLog {
    PublicLog::new(identity(), signer(), store.clone(), Vec::new())
}

async fn bundle(log: &PublicLog, span: Span) -> Vec<u8> {
    let mut chunks = log.entries(0, span).await.unwrap().unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

async fn head(log: &PublicLog) -> Checkpoint {
    let note = log.checkpoint(0).await.unwrap().unwrap();
    let origin = pinaivu_log::origin(identity().coordinator, 0);
    Checkpoint::open(&note, &origin, signer().public()).unwrap()
}

#[tokio::test]
async fn entries_and_tiles_lead_to_the_signed_head() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1).await;
    grow(&store, 0..530).await;
    let log = public(&store);
    let head = head(&log).await;
    assert_eq!(head.size, 530);

    let mut tree = CompactRange::new();
    for span in Span::covering(530) {
        let mut index = span.start();
        let bytes = bundle(&log, span).await;
        for bytes in entry::entries(&bytes) {
            let bytes = bytes.unwrap();
            let entry = Entry::decode(bytes).unwrap();
            let stored =
                store.read(move |state| state.receipt_at(0, index)).await.unwrap().unwrap();
            let receipt = Receipt::decode(&stored.bytes).unwrap();
            assert_eq!(entry, Entry::from(&receipt));
            assert_eq!(leaf_hash(bytes), receipt.leaf());
            tree.push(leaf_hash(bytes)).unwrap();
            index += 1;
        }
        assert_eq!(index, span.start() + u64::from(span.width));
    }
    assert_eq!(tree.root(), head.root);

    // Each hash of a tile is the root of the 256 below it.
    let mut below: Vec<u8> = Vec::new();
    for resource in tiles_of(530) {
        let Resource::Tile { level, span } = resource else { continue };
        let bytes = log.tile(0, level, span).await.unwrap().unwrap();
        assert_eq!(bytes.len(), usize::from(span.width) * 32);
        if level == 0 && span.width == 256 {
            let mut subtree = CompactRange::new();
            for hash in bytes.as_chunks::<32>().0 {
                subtree.push(pinaivu_protocol::hash::Hash32(*hash)).unwrap();
            }
            below.extend_from_slice(&subtree.root().0);
        }
        if level == 1 {
            assert_eq!(bytes, below);
        }
    }
    assert_eq!(below.len(), 64);
}

#[tokio::test]
async fn head_that_was_shown_is_extended_and_never_taken_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1).await;
    let log = public(&store);
    let empty = head(&log).await;
    assert_eq!((empty.size, empty.root), (0, pinaivu_protocol::merkle::empty_root()));
    let mut sizes = Vec::new();
    for step in [1, 2, 255, 256, 300_u64].windows(2) {
        grow(&store, step[0]..step[1]).await;
        sizes.push(head(&log).await.size);
    }
    assert_eq!(sizes, [1, 254, 255, 299]);
    // The same head gives the same bytes, in another process too.
    let shown = log.checkpoint(0).await.unwrap();
    assert_eq!(public(&store).checkpoint(0).await.unwrap(), shown);
    // Partial tiles of heads that were shown are still there.
    let old = Span { index: 0, width: 254 };
    let now = log.tile(0, 0, Span { index: 0, width: 256 }).await.unwrap().unwrap();
    assert_eq!(log.tile(0, 0, old).await.unwrap().unwrap(), now[..254 * 32]);
}

#[tokio::test]
async fn closed_epoch_is_still_served_beside_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(&directory, 1).await;
    grow(&store, 0..3).await;
    let log = public(&store);
    let before = bundle(&log, Span { index: 0, width: 3 }).await;
    store.write(|transaction| transaction.open_epoch(2)).await.unwrap();
    grow(&store, 3..5).await;
    assert_eq!(head(&log).await.size, 3);
    assert_eq!(bundle(&log, Span { index: 0, width: 3 }).await, before);
    assert!(log.checkpoint(1).await.unwrap().is_none());
    let mut chunks = log.entries(2, Span { index: 0, width: 2 }).await.unwrap().unwrap();
    let bytes = chunks.next().await.unwrap().unwrap();
    let indexes: Vec<u64> = entry::entries(&bytes)
        .map(|entry| Entry::decode(entry.unwrap()).unwrap().head.index)
        .collect();
    assert_eq!(indexes, [0, 1]);
    assert!(log.entries(2, Span { index: 0, width: 3 }).await.unwrap().is_none());
}
