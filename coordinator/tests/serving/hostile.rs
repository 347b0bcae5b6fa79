//! Nodes that send what they should not. What they do before the first byte is not noticed by the client;
//! after it the client is told, and pays for what it got.

use std::sync::atomic::Ordering;

use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::{TokenCount, TokenPrice};
use serde_json::{Value, json};

use crate::support::node::SHORT;
use crate::support::script::{chunk, pieces};
use crate::support::world::{PRICE, events, request_id};
use crate::support::{Client, MODEL, Script, World};

const GARBAGE: [&[u8]; 5] = [
    b"data: hello\n\n",
    b"data: {\"choices\":\n\n",
    b"data: [1,2]\n\n",
    b"data: {\"choices\":[{\"index\":0,\"delta\":\"Hi\"}]}\n\n",
    b"\xff\xfe\x00data",
];

#[tokio::test]
async fn garbage_before_the_first_chunk_is_not_noticed() {
    for bytes in GARBAGE {
        for stream in [true, false] {
            let world = World::start().await;
            let hostile = world.node(1, PRICE).await;
            hostile.behave(Script::Bytes(Vec::new(), bytes));
            let _good = world.node(2, TokenPrice(PRICE.0 * 2)).await;
            let response = world.client.chat(&Client::request(stream)).await;
            assert_eq!(response.status(), 200, "{bytes:?}");
            assert!(response.text().await.unwrap().contains("node"), "{bytes:?}");
            assert_eq!(hostile.shared.requests.lock().len(), 1);
            world.settled().await;
            assert_eq!(world.receipts().await, 1);
        }
    }
}

#[tokio::test]
async fn garbage_in_the_middle_ends_the_answer_and_only_what_was_good_is_paid() {
    for bytes in &GARBAGE[..4] {
        let world = World::start().await;
        let node = world.node(1, PRICE).await;
        node.shared.represents.store(false, Ordering::Relaxed);
        node.enqueue(Script::Bytes(pieces("one two"), bytes));
        let response = world.client.chat(&Client::request(true)).await;
        let id = request_id(&response);
        let body = response.text().await.unwrap();
        let last: Value = serde_json::from_str(events(&body).last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "answer_interrupted", "{body}");
        let receipt = world.receipt(&id).await.body;
        assert_eq!((receipt.outcome, receipt.output_tokens), (Outcome::Failed, TokenCount(2)));
        world.settled().await;
        assert_eq!(world.spent(), receipt.amount);
    }
}

#[tokio::test]
async fn stream_without_end_marker_is_complete_after_a_finish_reason_and_cut_off_before_it() {
    const STOP: &[u8] = b"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Bytes(pieces("one two"), STOP));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    let receipt = world.receipt(&id).await.body;
    assert_eq!((receipt.outcome, receipt.output_tokens), (Outcome::Completed, TokenCount(2)));
    node.enqueue(Script::Bytes(pieces("one two"), b""));
    let body = world.client.chat(&Client::request(true)).await.text().await.unwrap();
    assert!(body.contains("answer_interrupted") && !body.contains("[DONE]"), "{body}");
}

/// Choices that say nothing, from an index on, and a count as if they did.
fn empty_choices(first: u32, kind: &str) -> Value {
    let choices: Vec<Value> = (first..first + 2_000)
        .map(|at| json!({ "index": at, kind: { "role": "assistant" }, "finish_reason": "stop" }))
        .collect();
    let mut answer = json!({ "id": "c", "created": 1, "model": MODEL, "choices": choices });
    answer["object"] =
        json!(if kind == "delta" { "chat.completion.chunk" } else { "chat.completion" });
    answer["usage"] = json!({ "prompt_tokens": 7, "completion_tokens": 50, "total_tokens": 57 });
    answer
}

#[tokio::test]
async fn answer_of_choices_that_nobody_asked_for_is_none() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    for stream in [true, false] {
        node.enqueue(match stream {
            true => Script::Chunks(vec![empty_choices(0, "delta")]),
            false => Script::Whole(empty_choices(0, "message")),
        });
        let response = world.client.chat(&Client::request(stream)).await;
        assert_eq!(response.status(), 502, "stream: {stream}");
    }
    world.assert_untouched().await;
}

#[tokio::test]
async fn choices_that_nobody_asked_for_end_an_answer_and_are_not_paid() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Chunks(vec![chunk(MODEL, "abc"), empty_choices(1, "delta")]));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    assert!(body.contains("answer_interrupted") && !body.contains("[DONE]"), "{body}");
    let receipt = world.receipt(&id).await.body;
    assert_eq!((receipt.outcome, receipt.output_tokens), (Outcome::Failed, TokenCount(1)));
    world.settled().await;
    assert_eq!(world.spent(), receipt.amount);
}

#[tokio::test]
async fn stream_is_ended_when_it_is_longer_than_an_answer_may_be() {
    let world = World::start_with(|config| config.limits.answer_bytes = 4_096).await;
    let node = world.node(1, PRICE).await;
    let piece = "a".repeat(1_500);
    let chat = Client::request(true);
    let response =
        json!({ "model": MODEL, "input": "Hi", "stream": true, "max_output_tokens": 50 });
    for (path, body) in [("/chat/completions", chat), ("/responses", response)] {
        // Few pieces, so that only their length can be too much.
        node.enqueue(Script::Answer(vec![piece.clone(); 2]));
        let good = world.client.post(path, body.to_string()).await.text().await.unwrap();
        assert!(good.contains("[DONE]") || good.contains("response.completed"), "{good}");
        node.enqueue(Script::Answer(vec![piece.clone(); 3]));
        let cut = world.client.post(path, body.to_string()).await.text().await.unwrap();
        assert!(cut.contains("answer_interrupted") || cut.contains("response.failed"), "{cut}");
        assert_eq!(cut.matches("\"delta\":").count(), 2, "{cut}");
    }
}

#[tokio::test]
async fn head_and_then_silence_is_replaced_by_the_next_node() {
    let world = World::start_with(|config| config.timeouts.first_byte = SHORT).await;
    let silent = world.node(1, PRICE).await;
    silent.behave(Script::HangAfter(Vec::new()));
    let _good = world.node(2, TokenPrice(PRICE.0 * 2)).await;
    let body = world.client.chat(&Client::request(true)).await.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    assert_eq!(silent.shared.resets.load(Ordering::Relaxed), 1);
    world.settled().await;
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn endless_answer_is_ended_and_paid_no_more_than_was_asked_for() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Endless(4));
    let mut request = Client::request(true);
    request["max_tokens"] = json!(100);
    let response = world.client.chat(&request).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    let data = events(&body);
    let last: Value = serde_json::from_str(data.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "answer_interrupted");
    // Twice what was asked for and some: servers may cut their tokens into pieces.
    assert_eq!(data.len(), 2 * 100 + 64 + 1);
    let receipt = world.receipt(&id).await.body;
    assert_eq!((receipt.outcome, receipt.output_tokens), (Outcome::Failed, TokenCount(100)));
    assert_eq!(node.shared.resets.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn node_that_fails_for_one_model_is_still_asked_for_another() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.offer("another-model", PRICE).await;
    let good = world.node(2, TokenPrice(PRICE.0 * 2)).await;
    for _ in 0..6 {
        node.enqueue(Script::RefuseTicket("unavailable"));
    }
    for _ in 0..8 {
        assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    }
    assert_eq!((node.shared.requests.lock().len(), good.shared.requests.lock().len()), (5, 8));
    // The failures that are left are for this model, which the node serves alone: it is tried.
    node.behave(Script::words("Served"));
    let mut other = Client::request(false);
    other["model"] = json!("another-model");
    assert_eq!(world.client.chat(&other).await.status(), 503);
    assert_eq!(world.client.chat(&other).await.status(), 200);
    assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    assert_eq!(node.shared.requests.lock().len(), 7, "it still rests for the first model");
}
