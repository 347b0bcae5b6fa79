//! An answer that one node breaks off and another goes on with.

use std::sync::atomic::Ordering;

use pinaivu_protocol::answer::AnswerAssembler;
use pinaivu_protocol::commitment::{Salt, request_commitment_raw, response_commitment};
use pinaivu_protocol::ids::Segment;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::{FineAmount, TokenCount, TokenPrice};
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::support::node::{PROMPT_TOKENS, SHORT};
use crate::support::script::{chunk, pieces};
use crate::support::world::{PRICE, events, request_id};
use crate::support::{Client, MODEL, Script, ScriptedNode, World};

async fn two(world: &World) -> (ScriptedNode, ScriptedNode) {
    let cheap = world.able_node(1, PRICE).await;
    (cheap, world.able_node(2, TokenPrice(PRICE.0 * 2)).await)
}

/// What llama.cpp sends: a role, text, a finish reason, usage.
fn rest(text: &str) -> Script {
    let object = |choices: Value| json!({ "id": "chatcmpl-of-the-second", "object": "chat.completion.chunk", "created": 2, "model": MODEL, "choices": choices });
    let chunk = |delta: Value, finish: Value| {
        object(json!([{ "index": 0, "delta": delta, "finish_reason": finish }]))
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": null }), Value::Null)];
    chunks.extend(pieces(text).iter().map(|piece| chunk(json!({ "content": piece }), Value::Null)));
    chunks.push(chunk(json!({}), json!("stop")));
    let mut last = object(json!([]));
    last["usage"] = json!({ "prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13 });
    chunks.push(last);
    Script::Chunks(chunks)
}

fn sum(receipts: &[Receipt]) -> FineAmount {
    FineAmount(receipts.iter().map(|receipt| receipt.body.amount.get()).sum())
}

fn text(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn answer_that_breaks_off_goes_on_at_another_node_as_one_answer() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    first.shared.represents.store(false, Ordering::Relaxed);
    first.enqueue(Script::ResetAfter(pieces("one two three")));
    second.enqueue(rest(" four five"));
    let mut request = Client::request(true);
    request["stream_options"] = json!({ "include_usage": true });
    let response = world.client.chat(&request).await;
    let id = request_id(&response);
    let salt: Salt = response.headers()["x-pinaivu-salt"].to_str().unwrap().parse().unwrap();
    let body = response.text().await.unwrap();
    let data = events(&body);
    assert_eq!(data.last(), Some(&"[DONE]"), "{body}");
    let chunks: Vec<Value> =
        data[..data.len() - 1].iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(text(&chunks), "one two three four five");
    assert!(
        chunks.iter().all(|chunk| chunk["id"] == "chatcmpl-1" && chunk["created"] == 1),
        "{body}"
    );
    assert!(chunks.iter().all(|chunk| chunk["request_id"] == id), "{body}");
    assert!(!body.contains("\"role\""), "{body}");
    let told: Vec<&Value> =
        chunks.iter().filter(|chunk| chunk["pinaivu"]["segment"] == 1).collect();
    assert_eq!(told.len(), 2, "the first of the rest, and the last: {body}");
    // Usage is of both: the second one's prompt, three pieces and three tokens.
    let last = chunks.last().unwrap();
    assert_eq!(
        last["usage"],
        json!({ "prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16 })
    );
    assert_eq!(last["pinaivu"]["salt"], salt.to_string());

    // The second was asked for the rest, and for no more than was left.
    let (ticket, asked) = second.shared.requests.lock()[0].clone();
    let asked: Value = serde_json::from_slice(&asked).unwrap();
    let mut expected = request.clone();
    expected["messages"] = json!([
        { "role": "user", "content": "Say hello." },
        { "role": "assistant", "content": "one two three" },
    ]);
    expected["add_generation_prompt"] = json!(false);
    expected["continue_final_message"] = json!(true);
    assert_eq!(asked, expected);
    assert_eq!((ticket.segment, ticket.max_output), (Segment(1), TokenCount(47)));

    // One receipt each, over what each was asked and said; the prompt is paid once.
    let receipts = world.receipts_of(&id, 2).await;
    let of = |receipt: &Receipt| {
        (receipt.head.record.segment, receipt.head.record.node, receipt.body.outcome)
    };
    assert_eq!(of(&receipts[0]), (Segment(0), first.shared.id, Outcome::Failed));
    assert_eq!(of(&receipts[1]), (Segment(1), second.shared.id, Outcome::Completed));
    let tokens = |receipt: &Receipt| (receipt.body.input_tokens.0, receipt.body.output_tokens.0);
    assert_eq!(tokens(&receipts[0]), (0, 3));
    assert_eq!(tokens(&receipts[1]), (PROMPT_TOKENS, 3));
    assert_eq!(
        receipts[1].body.request_commitment,
        request_commitment_raw(&salt, expected.to_string().as_bytes()).unwrap()
    );
    let mut said = AnswerAssembler::new();
    for chunk in &chunks[..3] {
        said.push(chunk).unwrap();
    }
    assert_eq!(receipts[0].body.response_commitment, response_commitment(&salt, &said.finish()));
    assert!(receipts[1].body.statement.is_some());
    world.settled().await;
    assert_eq!(world.spent(), sum(&receipts));
}

#[tokio::test]
async fn parts_of_an_answer_together_cost_no_more_than_was_asked_for() {
    // Long enough for the node's own count always to be waited for.
    let world = World::start_with(|config| config.receipts.interrupted_wait = PATIENCE * 2).await;
    let (first, second) = two(&world).await;
    // Three pieces that the node counts as sixteen tokens each, of fifty.
    let said = vec!["a".repeat(16); 3];
    first.enqueue(Script::ResetAfter(said.clone()));
    let rest = vec![" b".repeat(40)];
    second.enqueue(Script::Miscount { pieces: rest, prompt: PROMPT_TOKENS, completion: 60 });
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    let ticket = first.shared.requests.lock()[0].0.clone();
    let mut answer = AnswerAssembler::new();
    answer.push(&chunk(MODEL, &said.concat())).unwrap();
    first.shared.present(&ticket, &answer.finish());
    let receipts = world.receipts_of(&id, 2).await;
    assert_eq!(receipts[0].body.statement.as_ref().unwrap().proof.output_tokens, TokenCount(48));
    let tokens = |receipt: &Receipt| (receipt.body.input_tokens.0, receipt.body.output_tokens.0);
    assert_eq!(tokens(&receipts[0]), (0, 3));
    assert_eq!(tokens(&receipts[1]), (PROMPT_TOKENS, 47));
    world.settled().await;
    assert_eq!(world.spent(), sum(&receipts));
}

#[tokio::test]
async fn answer_goes_on_twice_when_the_second_node_breaks_off_too() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    let third = world.able_node(3, TokenPrice(PRICE.0 * 3)).await;
    first.enqueue(Script::ResetAfter(pieces("a b")));
    second.enqueue(Script::ResetAfter(vec![" c".into()]));
    third.enqueue(rest(" d"));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    let asked: Value = serde_json::from_slice(&third.shared.requests.lock()[0].1).unwrap();
    assert_eq!(asked["messages"][1]["content"], "a b c");
    let receipts = world.receipts_of(&id, 3).await;
    world.settled().await;
    assert_eq!(world.spent(), sum(&receipts));
}

#[tokio::test]
async fn node_that_stands_still_is_left_for_one_that_goes_on() {
    let world = World::start_with(|config| config.timeouts.idle = SHORT).await;
    let (first, second) = two(&world).await;
    first.enqueue(Script::HangAfter(pieces("one two")));
    second.enqueue(rest(" three"));
    let body = world.client.chat(&Client::request(true)).await.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    assert_eq!(first.shared.resets.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn answer_that_no_node_can_go_on_with_ends_cleanly_and_is_charged_once() {
    let world = World::start().await;
    let first = world.able_node(1, PRICE).await;
    // Offers everything but to go on.
    let other = world.node(2, TokenPrice(PRICE.0 * 2)).await;
    first.enqueue(Script::ResetAfter(pieces("one two three")));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    let last: Value = serde_json::from_str(events(&body).last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "answer_interrupted");
    assert!(other.shared.requests.lock().is_empty());
    let receipts = world.receipts_of(&id, 1).await;
    assert_eq!(receipts[0].body.output_tokens, TokenCount(3));
    world.settled().await;
    assert_eq!(world.spent(), sum(&receipts));
}

/// One chunk of a chat answer.
fn piece(delta: Value, finish: Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] })
}

fn role() -> Value {
    piece(json!({ "role": "assistant", "content": "" }), Value::Null)
}

#[tokio::test]
async fn answer_of_which_nothing_came_is_begun_by_another_node() {
    let world = World::start().await;
    let first = world.able_node(1, PRICE).await;
    // It cannot go on with an answer, and need not.
    let second = world.node(2, TokenPrice(PRICE.0 * 2)).await;
    first.shared.represents.store(false, Ordering::Relaxed);
    first.enqueue(Script::ChunksThenReset(vec![role()]));
    second.enqueue(rest("{\"a\": 1}"));
    let request = Client::request(true);
    let response = world.client.chat(&request).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    let data = events(&body);
    assert_eq!(data.last(), Some(&"[DONE]"), "{body}");
    let chunks: Vec<Value> =
        data[..data.len() - 1].iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    assert_eq!(text(&chunks), "{\"a\": 1}");
    assert_eq!(body.matches("\"role\"").count(), 1, "{body}");
    assert!(chunks.iter().all(|chunk| chunk["id"] == "chatcmpl-1"), "{body}");
    let (ticket, asked) = second.shared.requests.lock()[0].clone();
    assert_eq!(asked, request.to_string());
    assert_eq!((ticket.segment, ticket.max_output), (Segment(1), TokenCount(50)));
    let receipts = world.receipts_of(&id, 2).await;
    let tokens = |receipt: &Receipt| (receipt.body.input_tokens.0, receipt.body.output_tokens.0);
    assert_eq!(tokens(&receipts[0]), (0, 0));
    assert_eq!(tokens(&receipts[1]), (PROMPT_TOKENS, 3));
    world.settled().await;
    assert_eq!(world.spent(), sum(&receipts));
}

#[tokio::test]
async fn node_that_takes_over_and_says_nothing_is_replaced_too() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    let third = world.able_node(3, TokenPrice(PRICE.0 * 3)).await;
    first.enqueue(Script::ResetAfter(pieces("a b")));
    second.enqueue(Script::ChunksThenReset(vec![role()]));
    third.enqueue(rest(" c"));
    let body = world.client.chat(&Client::request(true)).await.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    let asked: Value = serde_json::from_slice(&third.shared.requests.lock()[0].1).unwrap();
    assert_eq!(asked["messages"][1]["content"], "a b");
}

#[tokio::test]
async fn structured_answer_of_which_something_came_is_not_gone_on_with() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    first.enqueue(Script::ResetAfter(pieces("one two")));
    let mut request = Client::request(true);
    request["logprobs"] = json!(true);
    let body = world.client.chat(&request).await.text().await.unwrap();
    assert!(body.contains("answer_interrupted"), "{body}");
    assert!(second.shared.requests.lock().is_empty());
}

#[tokio::test]
async fn answer_that_breaks_off_after_its_finish_reason_is_whole() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    let said = piece(json!({ "content": "one" }), Value::Null);
    let finish = piece(json!({}), json!("stop"));
    first.enqueue(Script::ChunksThenReset(vec![role(), said, finish]));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    let body = response.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    assert!(body.contains("\"stop\"") && !body.contains("error"), "{body}");
    assert!(second.shared.requests.lock().is_empty());
    let receipts = world.receipts_of(&id, 1).await;
    assert_eq!(receipts[0].body.output_tokens, TokenCount(1));
    world.settled().await;
    assert_eq!(world.spent(), sum(&receipts));
}

#[tokio::test]
async fn call_that_breaks_off_is_not_gone_on_with() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    let call = json!([{ "index": 0, "id": "call_1", "type": "function", "function": { "name": "f", "arguments": "{" } }]);
    first.enqueue(Script::ChunksThenReset(vec![piece(json!({ "tool_calls": call }), Value::Null)]));
    let body = world.client.chat(&Client::request(true)).await.text().await.unwrap();
    assert!(body.contains("answer_interrupted"), "{body}");
    assert!(second.shared.requests.lock().is_empty());
}

#[tokio::test]
async fn client_that_leaves_while_another_node_is_asked_pays_what_was_delivered() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    first.shared.represents.store(false, Ordering::Relaxed);
    first.enqueue(Script::ResetAfter(pieces("one two three")));
    second.enqueue(Script::Hang);
    let mut response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    response.chunk().await.unwrap().unwrap();
    wait_until("the second has been asked", PATIENCE, async || {
        // The client's connection has to be read for anything to happen.
        let more =
            tokio::time::timeout(std::time::Duration::from_millis(1), response.chunk()).await;
        drop(more);
        (second.shared.requests.lock().len() == 1).then_some(())
    })
    .await;
    drop(response);
    wait_until("the second is let go", PATIENCE, async || {
        (second.shared.resets.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    world.settled().await;
    let receipts = world.receipts_of(&id, 2).await;
    assert_eq!(receipts[0].body.outcome, Outcome::Cancelled);
    assert_eq!(receipts[0].body.output_tokens, TokenCount(3));
    assert_eq!(receipts[1].body.amount, FineAmount::ZERO);
    assert_eq!(world.spent(), sum(&receipts));
}
