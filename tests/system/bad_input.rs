//! What people get wrong, and what they try: each a precise OpenAI-shaped error, nothing charged,
//! nothing held, nothing lost.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use pinaivu_chain::{Chain, Commitment};
use pinaivu_system_tests::{Network, Reply, check_conservation, eventually};
use pinaivu_testkit::ScriptedServer;
use serde_json::json;

fn is_error(reply: &Reply, status: u16, code: &str) {
    let text = String::from_utf8_lossy(&reply.body);
    assert_eq!(reply.status, status, "{text}");
    let error = &reply.json()["error"];
    assert_eq!(error["code"], code, "{text}");
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{text}");
    assert!(error["type"].is_string() && error.get("param").is_some(), "{text}");
}

#[tokio::test]
async fn bad_requests_get_precise_errors_and_cost_nothing() {
    let backend = ScriptedServer::start().await.unwrap();
    let network = Network::start(&["--backend", &backend.url()]).await.unwrap();
    let key = network.field("api_key").unwrap();
    let good = serde_json::to_vec(&network.request("hello").unwrap()).unwrap();
    let path = "/chat/completions";

    let reply = network.post(path, None, good.clone()).await.unwrap();
    is_error(&reply, 401, "missing_api_key");
    for wrong in ["sk-pnv-nonsense", "Bearer", &format!("{key}x"), &key.to_uppercase()] {
        let reply = network.post(path, Some(wrong), good.clone()).await.unwrap();
        is_error(&reply, 401, "invalid_api_key");
    }
    for body in ["", "{", "[]", "null", "{\"model\":\"a\",\"model\":\"b\"}", "\u{0}"] {
        let reply = network.post(path, Some(&key), body.into()).await.unwrap();
        assert_eq!(reply.status, 400, "{body:?}");
        assert!(reply.json()["error"]["code"].is_string(), "{body:?}");
    }
    let reply = network.post(path, Some(&key), b"{\"model\":1}".to_vec()).await.unwrap();
    is_error(&reply, 400, "invalid_type");
    let reply = network.post(path, Some(&key), b"{\"messages\":[]}".to_vec()).await.unwrap();
    is_error(&reply, 400, "missing_required_parameter");

    let mut body = network.request("hello").unwrap();
    body["model"] = json!("no-such-model");
    is_error(&network.chat(&body).await.unwrap(), 404, "model_not_found");

    let mut body = network.request("hello").unwrap();
    body["max_tokens"] = json!(131_000);
    let reply = network.chat(&body).await.unwrap();
    assert_eq!(reply.status, 400, "{}", String::from_utf8_lossy(&reply.body));

    // Ten megabytes are not read to the end: either the answer is read or the connection closes.
    let mut body = network.request("hello").unwrap();
    body["messages"][0]["content"] = json!("x".repeat(10 * 1024 * 1024));
    if let Ok(reply) = network.chat(&body).await {
        is_error(&reply, 413, "body_too_large");
    }
    let reply = network.get("/nothing/here").await.unwrap();
    is_error(&reply, 404, "not_found");
    let reply = network.get(&format!("/receipts/req_{}", "0".repeat(32))).await.unwrap();
    is_error(&reply, 404, "receipt_not_found");

    assert!(backend.chats().is_empty(), "no bad request reached a node");
    // Everything that was held is free again: the whole allowance can be asked for.
    let reply = network.chat(&network.request("hello").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let totals = check_conservation(&network.chain().unwrap(), network.market().unwrap()).await;
    totals.unwrap();
}

#[tokio::test]
async fn revoked_keys_and_released_or_spent_allowances_stop_at_once() {
    let backend = ScriptedServer::start().await.unwrap();
    let network =
        Network::start(&["--backend", &backend.url(), "--exit-delay", "5"]).await.unwrap();
    let good = serde_json::to_vec(&network.request("hello").unwrap()).unwrap();
    let path = "/chat/completions";

    let made = network.cli_json(&["key", "create", "--label", "second"]).unwrap();
    let (id, second) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(second.starts_with("sk-pnv-") && second.len() == 7 + 48, "{second}");
    assert_eq!(network.post(path, Some(second), good.clone()).await.unwrap().status, 200);
    network.cli_json(&["key", "revoke", id]).unwrap();
    is_error(
        &network.post(path, Some(second), good.clone()).await.unwrap(),
        401,
        "revoked_api_key",
    );

    // A wallet without an allowance gets no key.
    let stranger = network.data_dir().join("keys/node-2-operator.json");
    let refused = network.cli(&["--wallet", stranger.to_str().unwrap(), "key", "create"]).unwrap();
    assert!(!refused.status.success());

    // More than is free cannot be reserved, for anyone.
    let refused = network.cli(&["escrow", "allow", "1000"]).unwrap();
    assert_eq!(refused.status.code(), Some(1));

    // A request that may cost more than what is left.
    let status = network.cli_json(&["escrow", "status"]).unwrap();
    let admissible = status["allowances"][0]["admissible"].as_u64().unwrap();
    assert!(admissible > 0);

    // Asking for the money back stops admission at once; the money leaves after the delay.
    let before = status["wallet_usdc"].as_u64().unwrap();
    network.cli_json(&["escrow", "withdraw", "--reserved"]).unwrap();
    eventually("admission to stop", Duration::from_secs(20), async || {
        let reply = network.chat(&network.request("hello")?).await?;
        Ok((reply.error_code() == "allowance_released").then_some(()))
    })
    .await
    .unwrap();
    network.cli_json(&["escrow", "withdraw", "--reserved", "--wait"]).unwrap();
    let status = network.cli_json(&["escrow", "status"]).unwrap();
    let after = status["wallet_usdc"].as_u64().unwrap();
    assert!(after > before, "the money came back: {status:#}");
    assert_eq!(status["allowances"][0]["remaining"], 0);
    let chain = network.chain().unwrap();
    check_conservation(&chain, network.market().unwrap()).await.unwrap();

    // Free money leaves at once, with the coordinator stopped.
    network.signal("coordinator", nix::sys::signal::Signal::SIGSTOP).unwrap();
    let ledger = chain.ledger(network.market().unwrap(), Commitment::Confirmed).await.unwrap();
    assert!(ledger.unwrap().escrow_liabilities.get() > 0);
    network.signal("coordinator", nix::sys::signal::Signal::SIGCONT).unwrap();
    network.cli_json(&["escrow", "withdraw"]).unwrap();
    check_conservation(&chain, network.market().unwrap()).await.unwrap();
}
