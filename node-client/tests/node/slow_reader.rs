//! A client that does not read holds back its own stream and no other.

use std::time::Duration;

use pinaivu_protocol::proof::Outcome;
use pinaivu_testkit::Answer;

use crate::support::World;
use crate::support::coordinator::{Whole, body, soon};

#[tokio::test]
async fn streams_nobody_reads_leave_others_and_the_tunnel_alone() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    // 32 streams of thousands of small chunks each, far beyond every window, that nobody reads.
    let long = format!(
        r#"{{"model":"{}","messages":[{{"role":"user","content":"Hi"}}],"stream":true,"max_tokens":4000}}"#,
        crate::support::coordinator::MODEL
    )
    .into_bytes();
    let mut unread = Vec::new();
    for _ in 0..32 {
        world.backend.enqueue(Answer::of_pieces(4_000).every(Duration::from_micros(1)));
        let mut ticket = tunnel.ticket(&long);
        ticket.max_output = pinaivu_protocol::units::TokenCount(4_000);
        unread.push(tunnel.dispatch(&ticket, long.clone()).await);
    }
    for _ in 0..8 {
        let (_, whole) = tunnel.ask(body(true)).await;
        assert_eq!(whole.proof().outcome, Outcome::Completed);
    }
    // A slow one goes on where it stopped, to its end.
    let first = Whole::read(unread.remove(0)).await;
    assert_eq!(first.proof().outcome, Outcome::Completed);
    assert_eq!(first.proof().output_tokens.0, 4_001, "every piece and the end");
    // And one that leaves frees its place.
    let mut second = unread.remove(0).body;
    soon("a chunk", second.data()).await.unwrap().unwrap();
    drop(second);
    drop(unread);
    assert_eq!(tunnel.ask(body(true)).await.1.proof().outcome, Outcome::Completed);
    node.shutdown().await;
}
