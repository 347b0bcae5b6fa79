//! A client that does not read must hold back its own stream and nothing else.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::json;

use crate::support::node::SHORT;
use crate::support::world::{MODEL, PRICE, request_id};
use crate::support::{Client, Script, ScriptedNode, World};

/// As many slow clients at once as killed a tunnel with HTTP/2's default windows.
const SLOW_CLIENTS: usize = 32;

/// A node with room for answers that are far longer than anybody reads.
async fn roomy(world: &World) -> ScriptedNode {
    let node = world.silent_node(1).await;
    let mut ask = node.shared.ask(MODEL, PRICE);
    ask.context_length = 1_000_000;
    let answer = node.send_ask(node.shared.signed(ask)).await;
    assert!(matches!(answer, CoordinatorMessage::AskAccepted { .. }), "{answer:?}");
    node
}

async fn endless(world: &World) -> reqwest::Response {
    let mut request = Client::request(true);
    // Far more than is read of it.
    request["max_tokens"] = json!(100_000);
    let response = world.client.chat(&request).await;
    assert_eq!(response.status(), 200);
    response
}

/// Waits until the node cannot send any more: back-pressure has reached it.
async fn until_held_back(world: &World, node: &ScriptedNode) -> u64 {
    wait_until("the node is held back", PATIENCE, async || {
        let before = node.shared.sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let after = node.shared.sent.load(Ordering::Relaxed);
        (before == after && after > 0).then_some(after)
    })
    .await;
    assert_eq!(world.coordinator.nodes().connected(), 1, "the tunnel lives");
    node.shared.sent.load(Ordering::Relaxed)
}

#[tokio::test]
async fn slow_clients_hold_back_their_own_streams_and_no_others() {
    let world = World::start().await;
    let node = roomy(&world).await;
    // Small pieces: each is a frame of its own that waits unread.
    node.behave(Script::Endless(4));
    let mut slow = Vec::new();
    for _ in 0..SLOW_CLIENTS {
        slow.push(endless(&world).await);
    }
    until_held_back(&world, &node).await;

    node.enqueue(Script::words("Served all the same"));
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains("same"));
    assert_eq!(node.shared.resets.load(Ordering::Relaxed), 0, "no slow stream was cut");

    // A slow client that reads again goes on.
    let mut one = slow.pop().unwrap();
    let before = node.shared.sent.load(Ordering::Relaxed);
    let mut read = 0;
    while read < 8 * 1024 * 1024 {
        read += one.chunk().await.unwrap().unwrap().len();
    }
    assert!(node.shared.sent.load(Ordering::Relaxed) > before);
    assert_eq!(world.coordinator.nodes().connected(), 1);
}

#[tokio::test]
async fn client_that_never_reads_is_cut_off_and_the_node_freed() {
    let world = World::start_with(|config| config.timeouts.client_stall = SHORT).await;
    let node = roomy(&world).await;
    node.enqueue(Script::Endless(64));
    let response = endless(&world).await;
    let id = request_id(&response);
    wait_until("the node's stream is reset", PATIENCE, async || {
        (node.shared.resets.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    let receipt = world.receipt(&id).await;
    assert_eq!(receipt.body.outcome, Outcome::Cancelled);
    world.settled().await;
    assert_eq!(world.spent(), receipt.body.amount);
    drop(response);
}
