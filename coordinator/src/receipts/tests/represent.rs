//! Proofs presented again.

use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::{Salt, response_commitment};
use pinaivu_protocol::ids::Segment;
use pinaivu_protocol::proof::{Outcome, ProofOfInference};
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::{FineAmount, TokenCount, UnixMillis};

use super::world::{NOW, World};
use crate::receipts::fixtures::{
    evidence, identity, metered, node, node_key, proof, request, seal, ticket,
};
use crate::receipts::{RepresentOutcome, RepresentRefusal};

const ANSWER: &str = r#"{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hello","role":"assistant"}}]}"#;

fn answer() -> Vec<u8> {
    let answer = Answer::from_completion_json(ANSWER.as_bytes()).unwrap();
    let bytes = answer.canonical_bytes();
    assert_eq!(bytes, ANSWER.as_bytes());
    bytes
}

/// What an honest node presents for a ticket: 30 prompt tokens, 4 generated ones.
fn presented(ticket: &Ticket) -> Represented {
    presented_with(ticket, |_| {})
}

fn presented_with(ticket: &Ticket, change: impl FnOnce(&mut ProofOfInference)) -> Represented {
    let mut proof = proof(ticket, &metered(30, 4));
    let text = Answer::from_completion_json(ANSWER.as_bytes()).unwrap();
    proof.response_commitment = response_commitment(&Salt(ticket.salt), &text);
    change(&mut proof);
    let evidence = evidence(0, &node_key(0), &proof);
    Represented { ticket: ticket.clone(), proof, evidence, answer_json: answer() }
}

async fn present(world: &World, represented: Represented) -> RepresentOutcome {
    world.receipts.represent(node(0), &node_key(0).public(), represented).await
}

async fn refusal(world: &World, represented: Represented) -> RepresentRefusal {
    let ticket = represented.ticket.hash();
    match present(world, represented).await {
        RepresentOutcome::Refused { ticket: refused, refusal } => {
            assert_eq!(refused, ticket);
            refusal
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn proof_of_a_request_lost_in_a_crash_gets_one_receipt_however_often_it_comes() {
    let mut world = World::new().await;
    let ticket = ticket(1, 0, 2);
    let first = present(&world, presented(&ticket)).await;
    let receipt = world.receipt(ticket.request).await;
    assert_eq!(receipt.body.input_tokens, TokenCount(30));
    assert_eq!(receipt.body.output_tokens, TokenCount(4));
    assert_eq!(receipt.body.auction.candidates, 0);
    assert_eq!(receipt.body.statement.unwrap().proof, presented(&ticket).proof);
    let head = Box::new(receipt.head);
    let expected = RepresentOutcome::Receipted { ticket: ticket.hash(), head };
    assert_eq!(first, expected);
    assert_eq!(present(&world, presented(&ticket)).await, expected);
    world = world.kill().await;
    assert_eq!(present(&world, presented(&ticket)).await, expected);
    let totals = world.store.read(|state| state.totals()).await.unwrap();
    assert_eq!(totals.charged, FineAmount((30 + 3 * 4) * 150_001));
}

#[tokio::test]
async fn proof_of_a_request_that_was_receipted_is_told_the_same_head() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    world.receipts.submit(world.draft(&ticket, 0, metered(10, 10))).unwrap();
    let heard = world.heard(1).await;
    let outcome = loop {
        // Until the draft's flight has ended the answer is to come again.
        match present(&world, presented(&ticket)).await {
            RepresentOutcome::Later => tokio::task::yield_now().await,
            outcome => break outcome,
        }
    };
    let head = Box::new(heard[0].head.clone());
    assert_eq!(outcome, RepresentOutcome::Receipted { ticket: ticket.hash(), head });
}

#[tokio::test]
async fn many_presenting_one_proof_at_once_make_one_receipt() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    let all = (0..16).map(|_| present(&world, presented(&ticket)));
    for outcome in futures::future::join_all(all).await {
        assert!(!matches!(outcome, RepresentOutcome::Refused { .. }));
    }
    world.receipt(ticket.request).await;
}

#[tokio::test]
async fn claims_beyond_what_can_be_checked_are_cut() {
    let world = World::new().await;
    // More prompt tokens than the hold was made for, more generated ones than there is text.
    let greedy = presented_with(&ticket(1, 0, 0), |proof| {
        (proof.input_tokens, proof.output_tokens) = (TokenCount(u32::MAX), TokenCount(900));
    });
    present(&world, greedy).await;
    let body = world.receipt(request(1)).await.body;
    assert_eq!((body.input_tokens, body.output_tokens), (TokenCount(500), TokenCount(6)));

    // More generated tokens than the ticket allows.
    let mut short = ticket(2, 0, 0);
    short.max_output = TokenCount(3);
    seal(&mut short, 0);
    let greedy = presented_with(&short, |proof| proof.output_tokens = TokenCount(5));
    present(&world, greedy).await;
    assert_eq!(world.receipt(request(2)).await.body.output_tokens, TokenCount(3));
}

#[tokio::test]
async fn choices_without_text_leave_room_for_as_many_tokens_as_choices_may_be_asked_for() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    let choices: Vec<_> = (0..4_000)
        .map(|at| serde_json::json!({ "index": at, "message": {}, "finish_reason": "stop" }))
        .collect();
    let text = Answer::from_completion(&serde_json::json!({ "choices": choices })).unwrap();
    let mut greedy = presented_with(&ticket, |proof| {
        proof.output_tokens = TokenCount(900);
        proof.response_commitment = response_commitment(&Salt(ticket.salt), &text);
    });
    greedy.answer_json = text.canonical_bytes();
    present(&world, greedy).await;
    assert_eq!(world.receipt(request(1)).await.body.output_tokens, TokenCount(16));
}

/// The ticket of a later part of request 1, for what the first part left of its 1,000 tokens.
fn rest(max_output: u32) -> Ticket {
    let mut rest = ticket(1, 0, 0);
    rest.segment = Segment(1);
    rest.max_output = TokenCount(max_output);
    seal(&mut rest, 0);
    rest
}

#[tokio::test]
async fn segments_of_one_request_are_charged_its_prompt_once_whichever_comes_first() {
    for first_comes_first in [true, false] {
        let mut world = World::new().await;
        let mut both = [ticket(1, 0, 0), rest(990)];
        if !first_comes_first {
            both.reverse();
        }
        for ticket in &both {
            present(&world, presented(ticket)).await;
            // What is charged is the same after another crash.
            world = world.kill().await;
        }
        let stored = world.stored(request(1)).await;
        let charged: Vec<_> = stored
            .iter()
            .map(|stored| Receipt::decode(&stored.bytes).unwrap().body)
            .map(|body| (body.input_tokens.0, body.output_tokens.0))
            .collect();
        let expected = if first_comes_first { [(30, 4), (0, 4)] } else { [(0, 4), (30, 4)] };
        assert_eq!(charged, expected);
    }
}

#[tokio::test]
async fn tokens_of_a_later_segment_count_towards_an_earlier_ones_limit() {
    let world = World::new().await;
    let mut first = ticket(1, 0, 0);
    first.max_output = TokenCount(6);
    seal(&mut first, 0);
    present(&world, presented(&rest(4))).await;
    present(&world, presented(&first)).await;
    let stored = world.stored(request(1)).await;
    let charged = stored.iter().map(|stored| Receipt::decode(&stored.bytes).unwrap().body);
    let charged: Vec<_> = charged.map(|body| body.output_tokens.0).collect();
    assert_eq!(charged, [2, 4]);
}

#[tokio::test]
async fn failure_before_any_text_is_worth_nothing() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    let empty = Answer::default();
    let mut proof = proof(&ticket, &metered(30, 4));
    proof.outcome = Outcome::Failed;
    proof.response_commitment = response_commitment(&Salt(ticket.salt), &empty);
    let evidence = evidence(0, &node_key(0), &proof);
    let answer_json = empty.canonical_bytes();
    present(&world, Represented { ticket, proof, evidence, answer_json }).await;
    let body = world.receipt(request(1)).await.body;
    assert_eq!((body.amount, body.outcome), (FineAmount(0), Outcome::Failed));
}

#[tokio::test]
async fn request_that_is_being_served_is_left_to_the_engine() {
    let world = World::new().await;
    let ticket = ticket(1, 0, 0);
    let flight = world.receipts.begin(ticket.request).unwrap();
    assert_eq!(present(&world, presented(&ticket)).await, RepresentOutcome::Later);
    drop(flight);
    assert!(matches!(
        present(&world, presented(&ticket)).await,
        RepresentOutcome::Receipted { .. }
    ));
}

#[tokio::test]
async fn ticket_given_up_before_its_first_byte_is_refused_also_after_a_crash() {
    let mut world = World::new().await;
    let given_up = ticket(1, 0, 0);
    let flight = world.receipts.begin(given_up.request).unwrap();
    world.receipts.abandon(&given_up);
    drop(flight);
    let refused = loop {
        match present(&world, presented(&given_up)).await {
            RepresentOutcome::Later => tokio::task::yield_now().await,
            RepresentOutcome::Refused { refusal, .. } => break refusal,
            RepresentOutcome::Receipted { .. } => panic!("receipted"),
        }
    };
    assert_eq!(refused, RepresentRefusal::Abandoned);
    world = world.kill().await;
    assert_eq!(refusal(&world, presented(&given_up)).await, RepresentRefusal::Abandoned);
    // The node that was asked instead has its receipt for the same segment.
    world.receipts.submit(world.draft(&ticket(1, 1, 0), 0, metered(1, 1))).unwrap();
    world.heard(1).await;
    let refused = loop {
        match present(&world, presented(&given_up)).await {
            RepresentOutcome::Refused { refusal, .. } => break refusal,
            _ => tokio::task::yield_now().await,
        }
    };
    assert_eq!(refused, RepresentRefusal::Superseded);
}

#[tokio::test]
async fn proofs_that_do_not_hold_are_refused_for_what_they_are() {
    let world = World::new().await;
    let good = ticket(1, 0, 0);

    let mut foreign = presented(&good);
    foreign.ticket.coordinator.0[0] ^= 1;
    assert_eq!(refusal(&world, foreign).await, RepresentRefusal::TicketNotOurs);

    let mut forged = presented(&good);
    forged.ticket.max_output = TokenCount(9_999);
    assert_eq!(refusal(&world, forged).await, RepresentRefusal::TicketNotOurs);

    assert_eq!(refusal(&world, presented(&ticket(1, 1, 0))).await, RepresentRefusal::WrongNode);

    for (field, change) in [
        ("deployment", (|proof| proof.deployment.0.0[0] ^= 1) as fn(&mut ProofOfInference)),
        ("coordinator", |proof| proof.coordinator.0[0] ^= 1),
        ("node", |proof| proof.node.0[0] ^= 1),
        ("request", |proof| proof.request.0[0] ^= 1),
        ("segment", |proof| proof.segment.0 ^= 1),
        ("ticket", |proof| proof.ticket.0[0] ^= 1),
    ] {
        let mismatched = presented_with(&good, change);
        assert_eq!(refusal(&world, mismatched).await, RepresentRefusal::ProofMismatch(field));
    }

    let mut unsigned = presented(&good);
    unsigned.evidence.root.signature.0[0] ^= 1;
    assert_eq!(refusal(&world, unsigned).await, RepresentRefusal::Evidence);

    let mut stranger = presented(&good);
    stranger.evidence = evidence(0, &node_key(1), &stranger.proof);
    assert_eq!(refusal(&world, stranger).await, RepresentRefusal::Evidence);

    let mut retold = presented(&good);
    retold.proof.output_tokens = TokenCount(5);
    assert_eq!(refusal(&world, retold).await, RepresentRefusal::Evidence);

    let mut padded = presented(&good);
    padded.answer_json.push(b' ');
    assert_eq!(refusal(&world, padded).await, RepresentRefusal::AnswerMismatch);

    let mut invented = presented(&good);
    invented.answer_json = ANSWER.replace("Hello", "Howdy").into_bytes();
    assert_eq!(refusal(&world, invented).await, RepresentRefusal::AnswerMismatch);

    let mut nonsense = presented(&good);
    nonsense.answer_json = b"nonsense".to_vec();
    assert_eq!(refusal(&world, nonsense).await, RepresentRefusal::AnswerMismatch);

    let nobody = ticket(2, 0, 9);
    assert_eq!(refusal(&world, presented(&nobody)).await, RepresentRefusal::UnknownAccount);

    *world.clock.0.lock() = UnixMillis(NOW + 8 * 24 * 60 * 60 * 1000);
    assert_eq!(refusal(&world, presented(&good)).await, RepresentRefusal::TooOld);

    let totals = world.store.read(|state| state.totals()).await.unwrap();
    assert_eq!(totals.charged, FineAmount(0));
    assert_eq!(identity().coordinator, good.coordinator);
}

#[test]
fn text_that_is_not_canonical_but_hashes_right_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let ticket = ticket(1, 0, 0);
        // A member that no count sees, committed to by the node.
        let text = ANSWER.replace("\"index\":0", "\"index\":0,\"x\":1");
        let mut represented = presented_with(&ticket, |proof| {
            proof.response_commitment = pinaivu_protocol::commitment::value_commitment(
                pinaivu_protocol::commitment::RESPONSE_TAG,
                &Salt(ticket.salt),
                text.as_bytes(),
            );
        });
        represented.answer_json = text.into_bytes();
        assert_eq!(refusal(&world, represented).await, RepresentRefusal::AnswerMismatch);
    });
}
