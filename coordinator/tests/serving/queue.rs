//! Requests beyond what nodes take, and clients that send slowly.

use std::time::Duration;

use pinaivu_openai::RetryAdvice;
use pinaivu_protocol::key_command::KeyAction;
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::script::pieces;
use crate::support::world::{PRICE, RESERVED, command, owner};
use crate::support::{Client, Script, World};

async fn full() -> (World, crate::support::ScriptedNode, reqwest::Response) {
    let world = World::start_with(|config| {
        config.tunnel.requests_per_node = 1;
        config.limits.queue = 3;
        config.limits.queue_per_allowance = 2;
        config.timeouts.queue = Duration::from_secs(30);
    })
    .await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::HangAfter(pieces("a b")));
    let running = world.client.chat(&Client::request(true)).await;
    (world, node, running)
}

async fn wait_for(world: &World, waiting: usize) {
    wait_until("requests wait", PATIENCE, async || {
        (world.coordinator.engine().waiting() == waiting).then_some(())
    })
    .await;
}

#[tokio::test]
async fn request_waits_for_room_and_is_served_when_there_is() {
    let (world, _node, running) = full().await;
    let client = world.client.clone();
    let waiting = tokio::spawn(async move { client.chat(&Client::request(false)).await });
    wait_for(&world, 1).await;
    drop(running);
    assert_eq!(waiting.await.unwrap().status(), 200);
    wait_for(&world, 0).await;
}

#[tokio::test]
async fn queue_of_one_payer_is_bounded_and_says_when_to_come_back() {
    let (world, node, running) = full().await;
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let client = world.client.clone();
            tokio::spawn(async move { client.chat(&Client::request(false)).await })
        })
        .collect();
    wait_for(&world, 2).await;
    let refused = world.client.chat(&Client::request(false)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "queue_full");
    assert_eq!(pinaivu_openai::ErrorCode::QueueFull.retry(), RetryAdvice::Yes);
    // A client that leaves gives up its place.
    for waiting in waiting {
        waiting.abort();
    }
    wait_for(&world, 0).await;
    drop(running);
    world.settled().await;
    assert_eq!(node.shared.requests.lock().len(), 1);
}

#[tokio::test]
async fn client_that_sends_its_body_too_slowly_is_told_and_costs_nothing() {
    let world =
        World::start_with(|config| config.timeouts.request_body = Duration::from_millis(200)).await;
    let _node = world.node(1, PRICE).await;
    let address = world.coordinator.report().http;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let key = world.client.key.as_ref().unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: 500\r\n\r\n{{\"model\""
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The connection cannot be used for anything else: it ends with the answer.
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("request_timeout"), "{answer}");
    world.assert_untouched().await;
}

#[tokio::test]
async fn bodies_beyond_what_fits_are_refused_until_there_is_room() {
    let world = World::start_with(|config| {
        config.limits.body_bytes = 8_192;
        config.limits.bodies_bytes = 12_000;
    })
    .await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Hang);
    let mut large = Client::request(false);
    large["messages"][0]["content"] = Value::from("a".repeat(7_000));
    let running = tokio::spawn({
        let (client, large) = (world.client.clone(), large.clone());
        async move { client.chat(&large).await }
    });
    wait_until("the first is under way", PATIENCE, async || {
        (node.shared.requests.lock().len() == 1).then_some(())
    })
    .await;
    let refused = world.client.chat(&large).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "unavailable");
    let mut response = serde_json::json!({ "model": crate::support::MODEL });
    response["input"] = large["messages"][0]["content"].clone();
    let refused = world.client.post("/responses", response.to_string()).await;
    assert_eq!(refused.status(), 503);
    // A short one fits.
    assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    running.abort();
    wait_until("there is room again", PATIENCE, async || {
        (world.client.chat(&large).await.status() == 200).then_some(())
    })
    .await;
    wait_until("and for responses", PATIENCE, async || {
        let answered = world.client.post("/responses", response.to_string()).await;
        (answered.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn request_that_only_a_full_node_can_serve_does_not_hold_up_others() {
    let (world, node, _running) = full().await;
    let other = world.node(2, PRICE).await;
    let (id, other_id) = (node.shared.id.to_string(), other.shared.id.to_string());
    let waits = tokio::spawn({
        let (client, mut request) = (world.client.clone(), Client::request(false));
        request["provider"] = serde_json::json!({ "only": [id] });
        async move { client.chat(&request).await }
    });
    wait_for(&world, 1).await;
    // Somebody else's, for the same model: it stands behind the first and has its turn.
    let allowance = pinaivu_protocol::ids::AllowanceId([22; 32]);
    world.chain.set_allowance(allowance, owner().public(), RESERVED);
    let action = KeyAction::Create { allowance, label: "other".into() };
    let (status, made) = world.client.command(&command(action)).await;
    assert_eq!(status, 200, "{made}");
    let key = made["key"].as_str().map(str::to_owned);
    let somebody = Client { key, ..world.client.clone() };
    let mut request = Client::request(false);
    request["provider"] = serde_json::json!({ "only": [other_id] });
    assert_eq!(somebody.chat(&request).await.status(), 200);
    assert_eq!(world.coordinator.engine().waiting(), 1);
    waits.abort();
}

#[tokio::test]
async fn nobody_who_comes_later_goes_before_somebody_else_who_waits() {
    let (world, node, running) = full().await;
    let asks = |client: &Client, text: &str| {
        let (client, mut request) = (client.clone(), Client::request(false));
        request["messages"][0]["content"] = Value::from(text);
        tokio::spawn(async move { client.chat(&request).await })
    };
    let first = asks(&world.client, "first");
    wait_for(&world, 1).await;
    let allowance = pinaivu_protocol::ids::AllowanceId([22; 32]);
    world.chain.set_allowance(allowance, owner().public(), RESERVED);
    let action = KeyAction::Create { allowance, label: "other".into() };
    let (_, made) = world.client.command(&command(action)).await;
    let somebody = Client { key: made["key"].as_str().map(str::to_owned), ..world.client.clone() };
    // It comes while room is being made.
    drop(running);
    let second = asks(&somebody, "second");
    assert_eq!(first.await.unwrap().status(), 200);
    assert_eq!(second.await.unwrap().status(), 200);
    let requests = node.shared.requests.lock();
    let texts = requests.iter().map(|(_, body)| -> Value { serde_json::from_slice(body).unwrap() });
    let said: Vec<Value> = texts.map(|body| body["messages"][0]["content"].clone()).collect();
    assert_eq!(said, ["Say hello.", "first", "second"]);
}

#[tokio::test]
async fn client_that_never_ends_its_head_is_cut_off() {
    let world =
        World::start_with(|config| config.timeouts.request_head = Duration::from_millis(200)).await;
    let mut stream = TcpStream::connect(world.coordinator.report().http).await.unwrap();
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    // Others are served meanwhile and afterwards.
    let url = world.client.url("/models");
    assert_eq!(world.client.http.get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn node_that_keeps_failing_is_left_alone_while_another_can_serve() {
    let world = World::start().await;
    let failing = world.node(1, PRICE).await;
    failing.behave(Script::RefuseTicket("unavailable"));
    let good = world.node(2, pinaivu_protocol::units::TokenPrice(PRICE.0 * 2)).await;
    for _ in 0..8 {
        assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    }
    assert_eq!(failing.shared.requests.lock().len(), 5);
    assert_eq!(good.shared.requests.lock().len(), 8);
}
