//! A second node asked when the first is slow: one answer, one receipt, nothing for the loser.

use std::sync::atomic::Ordering;

use pinaivu_protocol::answer::AnswerAssembler;
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_protocol::units::TokenPrice;
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::support::script::chunk;
use crate::support::world::{PRICE, request_id};
use crate::support::{Client, MODEL, Script, ScriptedNode, World};

async fn two() -> (World, ScriptedNode, ScriptedNode) {
    let world = World::start().await;
    let cheap = world.node(1, PRICE).await;
    let dear = world.node(2, TokenPrice(PRICE.0 * 2)).await;
    (world, cheap, dear)
}

fn hedged(after: u64) -> Value {
    let mut request = Client::request(true);
    request["provider"] = json!({ "hedge_after_ms": after });
    request
}

#[tokio::test]
async fn second_node_serves_when_the_first_is_slow_and_the_first_is_let_go_unpaid() {
    let (world, slow, good) = two().await;
    slow.behave(Script::Hang);
    let response = world.client.chat(&hedged(50)).await;
    let id = request_id(&response);
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    wait_until("the slow one is let go", PATIENCE, async || {
        (slow.shared.resets.load(Ordering::Relaxed) == 1).then_some(())
    })
    .await;
    let receipt = &world.receipts_of(&id, 1).await[0];
    assert_eq!(receipt.head.record.node, good.shared.id);
    world.settled().await;
    assert_eq!(world.spent(), receipt.body.amount);
    // What it presents later is refused.
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

#[tokio::test]
async fn second_node_is_not_asked_when_the_first_is_in_time() {
    let (world, fast, second) = two().await;
    let response = world.client.chat(&hedged(30_000)).await;
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    assert_eq!(fast.shared.requests.lock().len(), 1);
    assert!(second.shared.requests.lock().is_empty());
}

#[tokio::test]
async fn both_asked_at_once_give_one_answer_and_one_receipt() {
    let (world, _a, _b) = two().await;
    for _ in 0..20 {
        let response = world.client.chat(&hedged(0)).await;
        let id = request_id(&response);
        let body = response.text().await.unwrap();
        assert_eq!(body.matches("[DONE]").count(), 1);
        world.receipts_of(&id, 1).await;
    }
    world.settled().await;
    assert_eq!(world.receipts().await, 20);
}

#[tokio::test]
async fn one_that_failed_and_one_that_is_full_are_not_two_that_are_full() {
    let (world, failing, full) = two().await;
    failing.behave(Script::Error(500, json!({ "error": { "message": "broken" } })));
    full.behave(Script::RefuseTicket("unavailable"));
    for _ in 0..4 {
        let response = world.client.chat(&hedged(0)).await;
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "upstream_failed");
    }
    world.assert_untouched().await;
}

/// A request that both nodes have and neither answers.
async fn asked_of_both(
    world: &World,
    a: &ScriptedNode,
    b: &ScriptedNode,
) -> tokio::task::JoinHandle<reqwest::Response> {
    a.behave(Script::Hang);
    b.behave(Script::Hang);
    let client = world.client.clone();
    let request = tokio::spawn(async move { client.chat(&hedged(0)).await });
    wait_until("both have the request", PATIENCE, async || {
        let asked = a.shared.requests.lock().len() + b.shared.requests.lock().len();
        (asked == 2).then_some(())
    })
    .await;
    request
}

#[tokio::test]
async fn client_that_leaves_both_is_receipted_for_one() {
    let (world, a, b) = two().await;
    let request = asked_of_both(&world, &a, &b).await;
    request.abort();
    world.settled().await;
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn client_that_leaves_after_one_of_two_failed_is_receipted_for_the_other() {
    let (world, a, b) = two().await;
    let request = asked_of_both(&world, &a, &b).await;
    let id = a.shared.id;
    drop(a);
    wait_until("one has failed", PATIENCE, async || {
        let hours = world.coordinator.nodes().hours(&id);
        (hours.iter().map(|(_, hour)| hour.failed).sum::<u32>() == 1).then_some(())
    })
    .await;
    request.abort();
    world.settled().await;
    assert_eq!(world.receipts().await, 1);
}

#[tokio::test]
async fn wait_that_is_no_number_is_refused() {
    let (world, _a, _b) = two().await;
    for wrong in [json!(-1), json!("soon"), json!(60_001)] {
        let mut request = Client::request(true);
        request["provider"] = json!({ "hedge_after_ms": wrong });
        let response = world.client.chat(&request).await;
        assert_eq!(response.status(), 400);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["param"], "provider.hedge_after_ms");
    }
}
