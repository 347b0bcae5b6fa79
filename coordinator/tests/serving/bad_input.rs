//! Requests that are not served: a precise error each, and nothing charged.

use pinaivu_chain::{ChainTime, PendingRelease, UnixSeconds};
use pinaivu_protocol::key_command::KeyAction;
use pinaivu_protocol::units::Amount;
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::support::world::{PRICE, command};
use crate::support::{Client, World};

async fn assert_refused(response: reqwest::Response, status: u16, kind: &str, code: &str) -> Value {
    assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
    assert_eq!(response.headers()["content-type"], "application/json");
    let found = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let error = body["error"].clone();
    assert_eq!((found, error["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(error["type"], kind);
    assert!(!error["message"].as_str().unwrap().is_empty());
    error
}

async fn served() -> (World, crate::support::ScriptedNode) {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    (world, node)
}

#[tokio::test]
async fn missing_wrong_and_malformed_keys_are_refused() {
    let (world, _node) = served().await;
    for (key, code) in [
        (None, "missing_api_key"),
        (Some(""), "missing_api_key"),
        (Some("sk-pnv-000000000000000000000000000000000000000000000000"), "invalid_api_key"),
        (Some("sk-proj-something-of-openai"), "invalid_api_key"),
    ] {
        let client = Client { key: key.map(Into::into), ..world.client.clone() };
        let response = client.chat(&Client::request(true)).await;
        assert_refused(response, 401, "authentication_error", code).await;
    }
    world.assert_untouched().await;
}

#[tokio::test]
async fn revoked_key_is_refused_at_once() {
    let (world, _node) = served().await;
    let key = world.create_key().await;
    let client = Client { key: Some(key), ..world.client.clone() };
    assert_eq!(client.chat(&Client::request(false)).await.status(), 200);
    world.settled().await;
    let spent = world.spent();
    let (_, listed) = world.client.command(&command(KeyAction::List)).await;
    let id = listed["data"][1]["id"].as_str().unwrap();
    let key = id.parse::<pinaivu_coordinator::store::ApiKeyId>().unwrap().0;
    let (status, _) = world.client.command(&command(KeyAction::Revoke { key })).await;
    assert_eq!(status, 200);
    let response = client.chat(&Client::request(false)).await;
    assert_refused(response, 401, "authentication_error", "revoked_api_key").await;
    assert_eq!(world.spent(), spent);
    assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
}

/// Changes the allowance on chain, waits until the coordinator has seen it, and asks.
async fn ask_with_allowance(
    request: &Value,
    change: impl FnOnce(&mut pinaivu_chain::Allowance),
) -> (World, reqwest::Response) {
    let (world, node) = served().await;
    world.chain.change_allowance(&world.allowance, change);
    let expected = {
        let mut seen = None;
        world.chain.change_allowance(&world.allowance, |allowance| seen = Some(allowance.clone()));
        seen.unwrap()
    };
    let pending = expected.pending_release.map_or(Amount::ZERO, |release| release.amount);
    let limit = expected.reserved.saturating_sub(expected.released).saturating_sub(pending);
    wait_until("the coordinator has seen the change", PATIENCE, async || {
        let balance = world.coordinator.accounts().balance(&world.allowance).unwrap();
        let expires = u64::try_from(expected.expiry.0).unwrap() * 1000;
        let seen = balance.limit == limit && balance.expires.is_some_and(|at| at.0 == expires);
        seen.then_some(())
    })
    .await;
    let response = world.client.chat(request).await;
    assert_eq!(node.shared.requests.lock().len(), 0);
    (world, response)
}

#[tokio::test]
async fn empty_allowance_is_refused() {
    let (world, response) =
        ask_with_allowance(&Client::request(true), |allowance| allowance.reserved = Amount::ZERO)
            .await;
    assert_refused(response, 429, "insufficient_quota", "insufficient_quota").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn expired_allowance_is_refused() {
    let (world, response) = ask_with_allowance(&Client::request(true), |allowance| {
        allowance.expiry = UnixSeconds(1_000)
    })
    .await;
    assert_refused(response, 403, "permission_error", "allowance_expired").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn released_allowance_is_refused() {
    let (world, response) = ask_with_allowance(&Client::request(true), |allowance| {
        allowance.pending_release = Some(PendingRelease {
            amount: allowance.reserved,
            requested: ChainTime::default(),
            destination: None,
        });
    })
    .await;
    assert_refused(response, 403, "permission_error", "allowance_released").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn max_tokens_beyond_the_allowance_is_refused_with_both_numbers() {
    // 1000 × 4 × 5000 fine units for the answer alone are 20 millionths of a USDC.
    let mut request = Client::request(true);
    request["max_tokens"] = json!(5_000);
    let (world, response) =
        ask_with_allowance(&request, |allowance| allowance.reserved = Amount(1)).await;
    let error = assert_refused(response, 400, "insufficient_quota", "hold_exceeded").await;
    assert_eq!(error["param"], "max_tokens");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("0.000021 USDC"), "{message}");
    assert!(message.contains("0.000001 USDC"), "{message}");
    assert!(message.contains("Lower max_tokens"), "{message}");
    world.assert_untouched().await;
}

#[tokio::test]
async fn max_tokens_beyond_the_coordinators_limit_is_refused() {
    let (world, _node) = served().await;
    let mut request = Client::request(true);
    request["max_tokens"] = json!(100_000);
    request["n"] = json!(2);
    let response = world.client.chat(&request).await;
    let error = assert_refused(response, 400, "invalid_request_error", "invalid_value").await;
    assert_eq!(error["param"], "max_tokens");
    assert!(error["message"].as_str().unwrap().contains("200000"));
    world.assert_untouched().await;
}

#[tokio::test]
async fn unknown_model_is_refused() {
    let (world, _node) = served().await;
    let mut request = Client::request(true);
    request["model"] = json!("no-such-model");
    let response = world.client.chat(&request).await;
    let error = assert_refused(response, 404, "invalid_request_error", "model_not_found").await;
    assert_eq!(error["param"], "model");
    world.assert_untouched().await;
}

#[tokio::test]
async fn feature_that_no_node_has_is_refused() {
    let (world, _node) = served().await;
    let mut request = Client::request(true);
    request["logprobs"] = json!(true);
    let response = world.client.chat(&request).await;
    assert_refused(response, 400, "invalid_request_error", "feature_unavailable").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn answer_that_fits_no_context_is_refused() {
    let (world, _node) = served().await;
    let mut request = Client::request(true);
    request["max_tokens"] = json!(8_192);
    let response = world.client.chat(&request).await;
    assert_refused(response, 400, "invalid_request_error", "context_length_exceeded").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused() {
    let (world, _node) = served().await;
    for (body, code) in [
        ("{\"model\":", "invalid_json"),
        ("[]", "invalid_json"),
        ("", "invalid_json"),
        ("{\"model\":\"a\",\"model\":\"b\"}", "invalid_json"),
        ("{\"model\":\"a\"}", "missing_required_parameter"),
        ("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}", "missing_required_parameter"),
        ("{\"model\":\"a\",\"messages\":[]}", "invalid_value"),
        ("{\"model\":7,\"messages\":[{}]}", "invalid_type"),
        (
            "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"max_tokens\":0}",
            "invalid_value",
        ),
        (
            "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\
             \"metadata\":{\"k\":1,\"k\":2}}",
            "invalid_json",
        ),
    ] {
        let response = world.client.post("/chat/completions", body).await;
        assert_refused(response, 400, "invalid_request_error", code).await;
    }
    world.assert_untouched().await;
}

#[tokio::test]
async fn body_beyond_the_limit_is_refused_whether_announced_or_not() {
    let (world, node) = served().await;
    let ten_megabytes = vec![b'x'; 10 * 1024 * 1024];
    let response = world.client.post("/chat/completions", ten_megabytes.clone()).await;
    let error = assert_refused(response, 413, "invalid_request_error", "body_too_large").await;
    assert!(error["message"].as_str().unwrap().contains("8388608"));
    let pieces =
        ten_megabytes.chunks(64 * 1024).map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let pieces: Vec<_> = pieces.collect();
    let streamed = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    let response = world.client.post("/chat/completions", streamed).await;
    assert_refused(response, 413, "invalid_request_error", "body_too_large").await;
    assert_eq!(node.shared.requests.lock().len(), 0);
    world.assert_untouched().await;
}

#[tokio::test]
async fn body_that_is_not_declared_as_json_is_refused() {
    let (world, _node) = served().await;
    let response = world
        .client
        .http
        .post(world.client.url("/chat/completions"))
        .bearer_auth(world.client.key.as_ref().unwrap())
        .header("content-type", "text/plain")
        .body(Client::request(true).to_string())
        .send()
        .await
        .unwrap();
    assert_refused(response, 415, "invalid_request_error", "unsupported_media_type").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn full_nodes_are_no_capacity_and_say_when_to_come_back() {
    use crate::support::Script;

    let world = World::start_with(|config| config.tunnel.requests_per_node = 1).await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Endless(8));
    let mut first = Client::request(true);
    first["max_tokens"] = json!(4_000);
    let running = world.client.chat(&first).await;
    assert_eq!(running.status(), 200);
    let response = world.client.chat(&Client::request(true)).await;
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["x-should-retry"], "true");
    assert_refused(response, 503, "server_error", "no_capacity").await;
    drop(running);
    let ok = wait_until("the node is free again", PATIENCE, async || {
        let response = world.client.chat(&Client::request(false)).await;
        (response.status() == 200).then_some(response)
    })
    .await;
    drop(ok);
}

#[tokio::test]
async fn offered_model_without_a_node_left_is_no_capacity() {
    let (world, node) = served().await;
    drop(node);
    wait_until("the node is gone", PATIENCE, async || {
        (world.coordinator.nodes().connected() == 0).then_some(())
    })
    .await;
    let response = world.client.chat(&Client::request(true)).await;
    assert_refused(response, 503, "server_error", "no_capacity").await;
    world.assert_untouched().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let (world, _node) = served().await;
    let get = |path: &str| world.client.http.get(world.client.url(path)).send();
    let response = get("/nothing").await.unwrap();
    assert_refused(response, 404, "invalid_request_error", "not_found").await;
    let response = get("/chat/completions").await.unwrap();
    assert_refused(response, 405, "invalid_request_error", "method_not_allowed").await;
    let response = get("/models/nothing").await.unwrap();
    assert_refused(response, 404, "invalid_request_error", "model_not_found").await;
}

#[tokio::test]
async fn path_that_is_not_utf_8_is_refused() {
    let (world, _node) = served().await;
    let request = format!("req_{}", "0".repeat(32));
    for path in [
        "/models/%ff",
        "/receipts/%ff",
        "/receipts/%ff/auction",
        "/nodes/%ff",
        "/book/%ff",
        "/attestation/%ff",
        "/log/%ff/checkpoint",
        "/log/1/%ff",
        "/blobs/%ff",
        "/blobs/%ff/a",
        "/blobs/a/%ff",
    ] {
        let response = world.client.http.get(world.client.url(path)).send().await.unwrap();
        let error = assert_refused(response, 400, "invalid_request_error", "invalid_value").await;
        assert_eq!(error["param"], "path", "{path}");
    }
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE] {
        let url = world.client.url("/blobs/a/%ff");
        let response = world.client.http.request(method, url).body("x").send().await.unwrap();
        assert_refused(response, 400, "invalid_request_error", "invalid_value").await;
    }
    // One that is, and that nobody has.
    let url = world.client.url(&format!("/receipts/{request}"));
    let response = world.client.http.get(url).send().await.unwrap();
    assert_refused(response, 404, "invalid_request_error", "receipt_not_found").await;
}

#[tokio::test]
async fn key_that_opens_nothing_is_refused_for_the_model_list_too() {
    let (world, _node) = served().await;
    let url = world.client.url("/models");
    let response = world.client.http.get(url).bearer_auth("nonsense").send().await.unwrap();
    assert_refused(response, 401, "authentication_error", "invalid_api_key").await;
}
