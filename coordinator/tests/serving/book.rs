//! The order book as it is published: entries that lead to the heads in receipts, and clearings that
//! come out the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_auction::{BookEntry, OrderBook, Terms, next_head};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_protocol::units::TokenPrice;
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::Value;

use crate::support::chain::COORDINATOR;
use crate::support::world::{MODEL, PRICE, request_id};
use crate::support::{Client, Script, World};

async fn get(world: &World, path: &str) -> Value {
    let response = world.client.http.get(world.client.url(path)).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

/// The entries of a book up to a version, and the head they lead to.
async fn entries(world: &World, book: u64, version: u64) -> (Vec<BookEntry>, Hash32) {
    let page = get(world, &format!("/book/{book}")).await;
    let (mut entries, mut head) = (Vec::new(), Hash32::ZERO);
    for entry in page["data"].as_array().unwrap().iter().take(usize::try_from(version).unwrap()) {
        let bytes = STANDARD.decode(entry["entry"].as_str().unwrap()).unwrap();
        head = next_head(&head, &bytes);
        entries.push(BookEntry::decode(&bytes).unwrap());
    }
    (entries, head)
}

#[tokio::test]
async fn clearing_is_run_again_from_the_published_book_with_the_same_result() {
    let world = World::start().await;
    let dear = world.node(1, TokenPrice(PRICE.0 + 50)).await;
    let cheap = world.node(2, PRICE).await;
    cheap.enqueue(Script::words("one"));
    let response = world.client.chat(&Client::request(false)).await;
    let request = request_id(&response);
    response.bytes().await.unwrap();
    let receipt = world.receipt(&request).await;

    let auction = get(&world, &format!("/receipts/{request}/auction")).await;
    let version = auction["book_version"].as_u64().unwrap();
    let (entries, head) = entries(&world, auction["book"].as_u64().unwrap(), version).await;
    assert_eq!(u64::try_from(entries.len()).unwrap(), version);
    assert_eq!(head, receipt.body.auction.book_head);
    let book = OrderBook::replay(entries.clone()).unwrap();
    assert_eq!((book.head(), book.version()), (head, version));

    let terms = STANDARD.decode(auction["terms"].as_str().unwrap()).unwrap();
    let terms = Terms::decode(&terms).unwrap();
    let clearing = terms.clear(&book.snapshot()).unwrap();
    let winner = clearing.winner().unwrap();
    assert_eq!(winner.node, receipt.head.record.node);
    assert_eq!(winner.tariff, receipt.body.tariff);
    assert_eq!(clearing.digest(winner), receipt.body.auction);
    assert_eq!(receipt.body.auction.candidates, 2);

    // Without the cheaper node's ask the same terms have another winner, so the book decides.
    let without: Vec<BookEntry> = entries
        .into_iter()
        .filter(|entry| match entry {
            BookEntry::AskApplied { ask, .. } => ask.record.node != receipt.head.record.node,
            _ => true,
        })
        .collect();
    let other = OrderBook::replay(without).unwrap();
    assert_ne!(terms.clear(&other.snapshot()).unwrap().winner().unwrap().node, winner.node);
    drop((dear, cheap));
}

#[tokio::test]
async fn book_of_the_next_start_names_the_last_ones_head() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let response = world.client.chat(&Client::request(false)).await;
    let request = request_id(&response);
    response.bytes().await.unwrap();
    let receipt = world.receipt(&request).await;
    drop(node);
    let world = world.restart().await;
    let last = {
        let page = get(&world, "/book/1").await;
        let count = u64::try_from(page["data"].as_array().unwrap().len()).unwrap();
        entries(&world, 1, count).await.1
    };
    let opened = wait_until("the new book is on disk", PATIENCE, async || {
        let (opened, _) = entries(&world, 2, 1).await;
        (!opened.is_empty()).then_some(opened)
    })
    .await;
    assert!(
        matches!(opened[0], BookEntry::Opened { previous, .. } if previous == last),
        "{opened:?}"
    );
    // What was cleared before can still be run again.
    let auction = get(&world, &format!("/receipts/{request}/auction")).await;
    assert_eq!(auction["book"], 1);
    assert_eq!(auction["book_head"], receipt.body.auction.book_head.to_string());
}

#[tokio::test]
async fn word_for_an_ask_names_the_published_book_that_has_it() {
    let world = World::start().await;
    let node = world.silent_node(1).await;
    for price in [PRICE, TokenPrice(PRICE.0 + 1)] {
        let answer = node.offer(MODEL, price).await;
        let CoordinatorMessage::AskAccepted { acknowledgement, sequence, .. } = answer else {
            panic!("{answer:?}");
        };
        let word = *acknowledgement.verify(&world.signer()).unwrap();
        let (entries, head) = entries(&world, 1, word.version).await;
        assert_eq!((entries.len() as u64, head), (word.version, word.head));
        assert_eq!(word.book, self::entries(&world, 1, 1).await.1);
        assert_eq!((word.coordinator, word.node), (COORDINATOR, NodeId([1; 32])));
        let Some(BookEntry::AskApplied { ask, .. }) = entries.last() else {
            panic!("{entries:?}");
        };
        assert_eq!((ask.record.sequence, ask.record.hash()), (sequence, word.ask));
        // Sent again, it is the word of the same ask in the same book.
        let again = node.send_ask(ask.clone()).await;
        let CoordinatorMessage::AskAccepted { acknowledgement, .. } = again else {
            panic!("{again:?}");
        };
        let again = acknowledgement.verify(&world.signer()).unwrap();
        assert_eq!((again.ask, again.version, again.head), (word.ask, word.version, word.head));
    }
}
