//! Nodes that fail and clients that leave.

use std::sync::atomic::Ordering;

use pinaivu_coordinator::config::Config;
use pinaivu_protocol::answer::AnswerAssembler;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::ReceiptBody;
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_protocol::units::{FineAmount, TokenCount, TokenPrice};
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::support::node::{PROMPT_TOKENS, SHORT};
use crate::support::script::{chunk, pieces};
use crate::support::world::{PRICE, events, request_id};
use crate::support::{Client, MODEL, Script, ScriptedNode, World};

/// A cheap node that fails as told and a dearer one that serves.
async fn failing_and_good(world: &World, script: Script) -> (ScriptedNode, ScriptedNode) {
    let cheap = world.node(1, PRICE).await;
    cheap.behave(script);
    (cheap, world.node(2, TokenPrice(PRICE.0 * 2)).await)
}

async fn assert_served_by_the_other(script: Script, stream: bool) {
    let world = World::start_with(|config| {
        config.timeouts.first_byte = SHORT;
        config.timeouts.unary = SHORT;
        config.timeouts.total = PATIENCE;
    })
    .await;
    let (cheap, good) = failing_and_good(&world, script.clone()).await;
    let response = world.client.chat(&Client::request(stream)).await;
    assert_eq!(response.status(), 200, "{script:?}");
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    assert!(body.contains("node") && !body.contains("\"error\""), "{script:?}: {body}");
    assert_eq!(cheap.shared.requests.lock().len(), 1);
    let receipt = world.receipt(&id).await;
    assert_eq!(receipt.head.record.node, good.shared.id);
    assert_eq!(receipt.body.outcome, Outcome::Completed);
    // The second is paid its own price, not the first one's.
    assert_eq!(receipt.body.tariff.price, TokenPrice(PRICE.0 * 2));
    world.settled().await;
    assert_eq!(world.spent(), receipt.body.amount);
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn node_that_refuses_the_ticket_is_replaced() {
    assert_served_by_the_other(Script::RefuseTicket("unavailable"), true).await;
}

#[tokio::test]
async fn node_whose_server_fails_is_replaced() {
    let error = Script::Error(500, json!({ "error": { "message": "out of memory" } }));
    assert_served_by_the_other(error.clone(), true).await;
    assert_served_by_the_other(error, false).await;
}

#[tokio::test]
async fn node_that_resets_before_its_first_byte_is_replaced() {
    assert_served_by_the_other(Script::ResetBeforeFirstByte, true).await;
}

#[tokio::test]
async fn node_whose_stream_begins_with_an_error_is_replaced() {
    assert_served_by_the_other(Script::ErrorAfter(Vec::new()), true).await;
}

#[tokio::test]
async fn node_that_is_too_slow_is_replaced() {
    assert_served_by_the_other(Script::Hang, true).await;
}

#[tokio::test]
async fn node_that_never_answers_without_a_stream_is_replaced() {
    assert_served_by_the_other(Script::Hang, false).await;
}

#[tokio::test]
async fn unary_answer_that_breaks_off_is_replaced() {
    assert_served_by_the_other(Script::ResetAfter(pieces("half an answer")), false).await;
}

#[tokio::test]
async fn node_that_disappears_before_its_first_byte_is_replaced() {
    let world = World::start().await;
    let (cheap, good) = failing_and_good(&world, Script::Hang).await;
    let request = Client::request(true);
    let killed = async {
        wait_until("the node has the request", PATIENCE, async || {
            (cheap.shared.requests.lock().len() == 1).then_some(())
        })
        .await;
        drop(cheap);
    };
    let (response, ()) = tokio::join!(world.client.chat(&request), killed);
    assert_eq!(response.status(), 200);
    let receipt = world.receipt(&request_id(&response)).await;
    assert_eq!(receipt.head.record.node, good.shared.id);
}

#[tokio::test]
async fn request_that_every_node_fails_is_not_charged() {
    let world = World::start().await;
    let (_a, b) = failing_and_good(&world, Script::ResetBeforeFirstByte).await;
    b.behave(Script::RefuseTicket("unavailable"));
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.status(), 502);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "upstream_failed");
    world.assert_untouched().await;
}

#[tokio::test]
async fn request_for_which_every_node_is_full_may_come_again() {
    let world = World::start().await;
    let (_a, b) = failing_and_good(&world, Script::RefuseTicket("unavailable")).await;
    b.behave(Script::RefuseTicket("unavailable"));
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "no_capacity");
    world.assert_untouched().await;
}

#[tokio::test]
async fn request_that_no_node_answers_in_time_is_not_charged() {
    let world = World::start_with(|config| config.timeouts.first_byte = SHORT).await;
    let node = world.node(1, PRICE).await;
    node.behave(Script::Hang);
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.status(), 504);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "upstream_timeout");
    world.assert_untouched().await;
}

#[tokio::test]
async fn error_about_the_request_goes_to_the_client_and_no_other_node() {
    let world = World::start().await;
    let error = json!({ "error": {
        "message": "too long", "type": "exceed_context_size_error", "code": 400
    } });
    let (_cheap, good) = failing_and_good(&world, Script::Error(400, error)).await;
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "context_length_exceeded");
    assert_eq!(good.shared.requests.lock().len(), 0);
    world.assert_untouched().await;
}

/// Streams from one node that breaks as told, and gives what the client saw and what it was charged.
async fn broken_stream(
    script: Script,
    change: impl FnOnce(&mut Config),
) -> (Vec<Value>, ReceiptBody, FineAmount) {
    let world = World::start_with(change).await;
    let node = world.node(1, PRICE).await;
    node.enqueue(script);
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.status(), 200);
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    assert!(!body.contains("[DONE]"), "{body}");
    let events = events(&body).iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let receipt = world.receipt(&id).await;
    world.settled().await;
    (events, receipt.body, world.spent())
}

#[tokio::test]
async fn stream_that_breaks_ends_with_an_error_and_is_charged_for_what_came() {
    let (events, receipt, spent) =
        broken_stream(Script::ResetAfter(pieces("one two three")), |_| {}).await;
    assert_eq!(events.len(), 4);
    assert_eq!(events[3]["error"]["code"], "answer_interrupted");
    assert_eq!(events[3]["error"]["type"], "server_error");
    assert_eq!(receipt.outcome, Outcome::Failed);
    assert_eq!((receipt.input_tokens, receipt.output_tokens), (TokenCount(0), TokenCount(3)));
    assert_eq!(spent, receipt.amount);
}

#[tokio::test]
async fn error_event_in_the_middle_is_replaced_by_ours() {
    let (events, receipt, _) = broken_stream(Script::ErrorAfter(pieces("one two")), |_| {}).await;
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["error"]["code"], "answer_interrupted");
    assert_eq!((receipt.outcome, receipt.output_tokens), (Outcome::Failed, TokenCount(2)));
}

#[tokio::test]
async fn stream_that_stands_still_is_ended_and_the_node_counts_it() {
    let (events, receipt, _) = broken_stream(Script::HangAfter(pieces("one two")), |config| {
        config.timeouts.idle = SHORT;
    })
    .await;
    assert_eq!(events[2]["error"]["code"], "answer_interrupted");
    // The node presents its count at once: 7 prompt tokens and one for each byte; all of it arrived.
    assert_eq!(receipt.outcome, Outcome::Failed);
    assert_eq!((receipt.input_tokens, receipt.output_tokens), (TokenCount(7), TokenCount(7)));
    assert!(receipt.statement.is_some());
}

/// Reads some of an endless stream and leaves.
async fn leave_endless(world: &World, node: &ScriptedNode) -> (String, u32) {
    node.enqueue(Script::Endless(8));
    let mut request = Client::request(true);
    request["max_tokens"] = json!(4_000);
    let mut response = world.client.chat(&request).await;
    assert_eq!(response.status(), 200);
    let id = request_id(&response);
    let mut seen = Vec::new();
    while seen.len() < 2_000 {
        seen.extend_from_slice(&response.chunk().await.unwrap().unwrap());
    }
    assert!(world.held() > FineAmount::ZERO);
    drop(response);
    wait_until("the node's stream is reset", PATIENCE, async || {
        (node.shared.resets.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    let seen = String::from_utf8_lossy(&seen).matches("\"content\"").count();
    (id, u32::try_from(seen).unwrap())
}

#[tokio::test]
async fn client_that_leaves_pays_the_input_and_what_was_delivered() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let (id, seen) = leave_endless(&world, &node).await;
    let receipt = world.receipt(&id).await.body;
    assert_eq!(receipt.outcome, Outcome::Cancelled);
    assert_eq!(receipt.input_tokens, TokenCount(PROMPT_TOKENS));
    // Pieces of 8 bytes, which the node counts as 8 tokens: charged by the piece.
    let sent = node.shared.sent.load(Ordering::Relaxed) / 8;
    assert!(receipt.output_tokens >= TokenCount(seen), "{receipt:?}");
    assert!(u64::from(receipt.output_tokens.get()) <= sent, "{receipt:?}");
    assert!(receipt.statement.is_some());
    world.settled().await;
    assert_eq!(world.spent(), receipt.amount);
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn client_that_leaves_a_silent_node_pays_what_was_delivered() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.shared.represents.store(false, Ordering::Relaxed);
    let (id, seen) = leave_endless(&world, &node).await;
    let receipt = world.receipt(&id).await.body;
    assert_eq!((receipt.outcome, receipt.input_tokens), (Outcome::Cancelled, TokenCount(0)));
    assert!(receipt.output_tokens >= TokenCount(seen));
    assert!(receipt.statement.is_none());
    world.settled().await;
    assert_eq!(world.spent(), receipt.amount);
}

#[tokio::test]
async fn client_that_leaves_before_the_first_byte_frees_its_hold() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.behave(Script::Hang);
    let client = world.client.clone();
    let request = tokio::spawn(async move { client.chat(&Client::request(false)).await });
    wait_until("the node has the request", PATIENCE, async || {
        (node.shared.requests.lock().len() == 1).then_some(())
    })
    .await;
    assert!(world.held() > FineAmount::ZERO);
    request.abort();
    wait_until("the node's stream is reset", PATIENCE, async || {
        (node.shared.resets.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    world.settled().await;
    assert_eq!(world.spent(), FineAmount::ZERO);
}

#[tokio::test]
async fn count_of_another_text_than_was_delivered_is_not_believed() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.shared.represents.store(false, Ordering::Relaxed);
    let (id, _) = leave_endless(&world, &node).await;
    let ticket = node.shared.requests.lock()[0].0.clone();
    let mut other = AnswerAssembler::new();
    other.push(&chunk(MODEL, "something else entirely")).unwrap();
    node.shared.present(&ticket, &other.finish());
    let receipt = world.receipt(&id).await.body;
    assert_eq!(receipt.input_tokens, TokenCount(0));
    assert!(receipt.statement.is_none());
}

#[tokio::test]
async fn answer_presented_again_after_its_receipt_gets_the_same_head() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    response.text().await.unwrap();
    let receipt = world.receipt(&id).await;
    world.settled().await;
    node.shared.messages.lock().clear();
    let ticket = node.shared.requests.lock()[0].0.clone();
    let mut answer = AnswerAssembler::new();
    answer.push(&chunk(MODEL, "much more than was delivered the first time")).unwrap();
    node.shared.present(&ticket, &answer.finish());
    let message = node
        .message("it is acknowledged", |message| {
            matches!(message, CoordinatorMessage::Receipted { .. })
        })
        .await;
    let CoordinatorMessage::Receipted { head, .. } = message else { unreachable!() };
    assert_eq!(head, receipt.head);
    assert_eq!(world.receipts().await, 1);
    assert_eq!(world.spent(), receipt.body.amount);
}

#[tokio::test]
async fn ticket_given_up_before_the_first_byte_is_never_paid() {
    let world = World::start_with(|config| config.timeouts.first_byte = SHORT).await;
    let (slow, _good) = failing_and_good(&world, Script::Hang).await;
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    response.text().await.unwrap();
    world.receipt(&id).await;
    world.settled().await;
    let ticket = slow.shared.requests.lock()[0].0.clone();
    let mut answer = AnswerAssembler::new();
    answer.push(&chunk(MODEL, "too late")).unwrap();
    slow.shared.present(&ticket, &answer.finish());
    let message = slow
        .message("it is refused", |message| {
            matches!(message, CoordinatorMessage::ProofRefused { .. })
        })
        .await;
    let CoordinatorMessage::ProofRefused { code, .. } = message else { unreachable!() };
    assert!(["superseded", "ticket_abandoned"].contains(&code.as_str()), "{code}");
    assert_eq!(world.receipts().await, 1);
}
