//! What comes of a request with a good ticket: the backend's bytes, untouched, and one proof.

use crate::support::coordinator::{MODEL, Whole, body};
use crate::support::{NODE, World};
use pinaivu_openai::EventSplitter;
use pinaivu_protocol::answer::{Answer as Canonical, AnswerAssembler};
use pinaivu_protocol::commitment::{Salt, response_commitment};
use pinaivu_protocol::merkle::{MemoryTree, inclusion_proof};
use pinaivu_protocol::proof::{NodeEvidence, Outcome};
use pinaivu_protocol::units::TokenCount;
use pinaivu_testkit::{
    Answer, Behaviour, Ending, Flavour, ScriptedServer, stream_events, unary_body,
};

fn canonical(stream: &[u8]) -> Canonical {
    let (mut splitter, mut assembler) = (EventSplitter::default(), AnswerAssembler::new());
    splitter.push(bytes::Bytes::copy_from_slice(stream));
    while let Some(event) = splitter.next_event().unwrap() {
        if !event.is_done() {
            assembler.push_json(&event.data).unwrap();
        }
    }
    assembler.finish()
}

#[tokio::test]
async fn streamed_answer_passes_untouched_with_a_proof_that_verifies() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.connect().await;
    let (ticket, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.status, 200);
    let expected = stream_events(&Answer::default(), MODEL, true, Flavour::LlamaCpp).concat();
    assert_eq!(whole.body, expected);

    let proof = whole.proof();
    assert_eq!(proof.ticket, ticket.hash());
    assert_eq!((proof.node, proof.request, proof.segment), (NODE, ticket.request, ticket.segment));
    assert_eq!((proof.model.as_str(), proof.backend.as_str()), (MODEL, "llama.cpp b10434"));
    assert_eq!((proof.input_tokens, proof.output_tokens), (TokenCount(12), TokenCount(7)));
    assert_eq!(proof.outcome, Outcome::Completed);
    let committed = response_commitment(&Salt(ticket.salt), &canonical(&whole.body));
    assert_eq!(proof.response_commitment, committed);

    let (root, leaves) = tunnel.next_root().await;
    let index = leaves.iter().position(|leaf| *leaf == proof.leaf()).unwrap();
    let mut tree = MemoryTree::new();
    for leaf in &leaves {
        tree.push(*leaf).unwrap();
    }
    let path = inclusion_proof(&tree, index as u64, leaves.len() as u64).unwrap();
    let evidence =
        NodeEvidence { signer: node.signer(), root, index: u32::try_from(index).unwrap(), path };
    evidence.verify(&proof).unwrap();
    node.shutdown().await;
}

#[tokio::test]
async fn unary_answer_passes_untouched_with_a_proof() {
    for flavour in [Flavour::LlamaCpp, Flavour::Vllm, Flavour::Plain] {
        let backend = ScriptedServer::builder().flavour(flavour).start().await.unwrap();
        let world = World::with_backend(backend).await;
        let node = world.start().await;
        let tunnel = world.coordinator.connect().await;
        let (ticket, whole) = tunnel.ask(body(false)).await;
        assert_eq!(whole.body, unary_body(&Answer::default(), MODEL, flavour));
        let answer = Canonical::from_completion_json(&whole.body).unwrap();
        let committed = response_commitment(&Salt(ticket.salt), &answer);
        assert_eq!(whole.proof().response_commitment, committed);
        assert_eq!(whole.proof().output_tokens, TokenCount(7));
        node.shutdown().await;
    }
}

#[tokio::test]
async fn backend_gets_the_tickets_limit_and_is_asked_for_usage() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let request = body(true);
    let mut ticket = tunnel.ticket(&request);
    ticket.max_output = TokenCount(3);
    let whole = Whole::read(tunnel.dispatch(&ticket, request).await).await;
    assert_eq!(whole.proof().output_tokens, TokenCount(3));
    let sent = world.backend.chats()[0].json();
    assert_eq!(sent["max_tokens"], 3);
    assert_eq!(sent["stream_options"]["include_usage"], true);
    node.shutdown().await;
}

#[tokio::test]
async fn backend_that_dies_mid_answer_ends_the_stream_with_a_failed_proof() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.connect().await;
    for ending in [
        Ending::CloseAfter(3),
        Ending::ResetAfter(3),
        Ending::ErrorAfter(3),
        Ending::MalformedAfter(3),
    ] {
        world.backend.enqueue(Answer::default().ending(ending));
        let (ticket, whole) = tunnel.ask(body(true)).await;
        let proof = whole.proof();
        assert_eq!(proof.outcome, Outcome::Failed, "{ending:?}");
        assert_eq!(
            (proof.ticket, proof.output_tokens),
            (ticket.hash(), TokenCount(3)),
            "{ending:?}"
        );
        let (_, leaves) = tunnel.next_root().await;
        assert_eq!(leaves, [proof.leaf()], "{ending:?}");
    }
    node.shutdown().await;
}

#[tokio::test]
async fn stream_without_done_is_complete_when_every_choice_has_ended() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    world.backend.enqueue(Answer::default().ending(Ending::WithoutDone));
    let (_, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.proof().outcome, Outcome::Completed);
    node.shutdown().await;
}

#[tokio::test]
async fn backend_that_fails_before_an_answer_gives_an_error_and_no_proof() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let overload = r#"{"error":{"message":"busy","type":"unavailable_error","code":503}}"#;
    for (behaviour, stream) in [
        (Behaviour::Close, true),
        (Behaviour::Reset, false),
        (Behaviour::Refuse { status: 503, body: overload.to_owned() }, true),
        (Behaviour::Garbage(b"<html>".to_vec()), false),
        (Answer::default().ending(Ending::CloseAfter(1)).into(), false),
        (Answer::default().ending(Ending::ErrorAfter(1)).into(), false),
    ] {
        world.backend.enqueue(behaviour.clone());
        let (_, whole) = tunnel.ask(body(stream)).await;
        assert_eq!(whole.status, 502, "{behaviour:?}");
        assert_eq!(whole.error_code(), "upstream_failed", "{behaviour:?}");
        assert_eq!(whole.refusal(), None);
        assert_eq!(whole.try_proof(), None);
    }
    // The node is none the worse.
    assert_eq!(tunnel.ask(body(true)).await.1.proof().outcome, Outcome::Completed);
    node.shutdown().await;
}

#[tokio::test]
async fn context_overflow_reaches_the_client_as_its_own_error() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let overflow = r#"{"error":{"code":400,"message":"the request exceeds the available context size",
        "type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}"#;
    world.backend.enqueue(Behaviour::Refuse { status: 400, body: overflow.to_owned() });
    let (_, whole) = tunnel.ask(body(true)).await;
    assert_eq!(
        (whole.status.as_u16(), whole.error_code().as_str()),
        (400, "context_length_exceeded")
    );
    assert_eq!((whole.refusal(), whole.try_proof()), (None, None));
    node.shutdown().await;
}

#[tokio::test]
async fn many_answers_at_once_share_roots_of_at_most_64() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.connect().await;
    let requests = (0..100).map(|_| tunnel.ask(body(true)));
    let answered = futures::future::join_all(requests).await;
    let mut expected: Vec<_> = answered.iter().map(|(_, whole)| whole.proof().leaf()).collect();
    let mut covered = Vec::new();
    while covered.len() < expected.len() {
        let (root, leaves) = tunnel.next_root().await;
        root.verify(&node.signer()).unwrap();
        assert!(leaves.len() <= 64 && root.record.size as usize == leaves.len());
        covered.extend(leaves);
    }
    expected.sort();
    covered.sort();
    assert_eq!(covered, expected);
    node.shutdown().await;
}
