//! A client that goes away: the backend stops, and the proof says what had been delivered.

use std::time::Duration;

use pinaivu_openai::EventSplitter;
use pinaivu_protocol::answer::AnswerAssembler;
use pinaivu_protocol::commitment::{RESPONSE_TAG, Salt, response_commitment, value_commitment};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::TokenCount;
use pinaivu_testkit::{Answer, Behaviour, Ending};

use crate::support::World;
use crate::support::coordinator::{body, soon};

#[tokio::test]
async fn stream_reset_mid_answer_reaches_the_backend_and_gives_a_cancelled_proof() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.connect().await;
    world.backend.enqueue(Answer::default().ending(Ending::HangAfter(3)));
    let request = body(true);
    let ticket = tunnel.ticket(&request);
    let mut answer = tunnel.dispatch(&ticket, request).await.body;
    // What was delivered, exactly: everything up to the third piece.
    let (mut splitter, mut assembler) = (EventSplitter::default(), AnswerAssembler::new());
    while assembler.output_bytes() < "The capital of".len() {
        let data = soon("a chunk", answer.data()).await.unwrap().unwrap();
        splitter.push(data);
        while let Some(event) = splitter.next_event().unwrap() {
            assembler.push_json(&event.data).unwrap();
        }
    }
    drop(answer);
    world.backend.wait_for_disconnect(0).await;

    let represented = tunnel.next_represented().await;
    let proof = &represented.proof;
    assert_eq!(represented.ticket, ticket);
    assert_eq!((proof.outcome, proof.ticket), (Outcome::Cancelled, ticket.hash()));
    // The backend's tokenizer counts a word as a token.
    assert_eq!(proof.output_tokens, TokenCount(3));
    let delivered = assembler.finish();
    assert_eq!(proof.response_commitment, response_commitment(&Salt(ticket.salt), &delivered));
    assert_eq!(represented.answer_json, delivered.canonical_bytes());
    represented.evidence.verify(proof).unwrap();
    assert_eq!(represented.evidence.signer, node.signer());
    node.shutdown().await;
}

#[tokio::test]
async fn request_cancelled_before_the_backends_first_byte_gives_a_cancelled_proof_of_nothing() {
    for stream in [true, false] {
        let world = World::new().await;
        let node = world.start().await;
        let mut tunnel = world.coordinator.connect().await;
        world.backend.enqueue(Behaviour::Hang);
        let request = body(stream);
        let ticket = tunnel.ticket(&request);
        {
            let dispatched = tunnel.dispatch(&ticket, request);
            tokio::pin!(dispatched);
            tokio::select! {
                _ = &mut dispatched => panic!("the backend never answers"),
                _ = world.backend.wait_for_chats(1) => {}
            }
        }
        world.backend.wait_for_disconnect(0).await;
        let represented = tunnel.next_represented().await;
        assert_eq!(represented.proof.outcome, Outcome::Cancelled);
        assert_eq!(represented.proof.output_tokens, TokenCount(0));
        assert_eq!(represented.answer_json, br#"{"choices":[]}"#);
        let committed =
            value_commitment(RESPONSE_TAG, &Salt(ticket.salt), &represented.answer_json);
        assert_eq!(represented.proof.response_commitment, committed);
        node.shutdown().await;
    }
}

#[tokio::test]
async fn tunnel_lost_mid_answer_cancels_and_presents_the_proof_on_the_next() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    world.backend.enqueue(Answer::of_pieces(1000).every(Duration::from_millis(10)));
    let request = body(true);
    let ticket = tunnel.ticket(&request);
    let mut answer = tunnel.dispatch(&ticket, request).await.body;
    soon("a chunk", answer.data()).await.unwrap().unwrap();
    drop((answer, tunnel));
    world.backend.wait_for_disconnect(0).await;
    let mut tunnel = world.coordinator.connect().await;
    let represented = tunnel.next_represented().await;
    assert_eq!((represented.ticket, represented.proof.outcome), (ticket, Outcome::Cancelled));
    node.shutdown().await;
}
