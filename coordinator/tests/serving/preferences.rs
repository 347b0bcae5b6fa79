//! Where clients want their requests to go.

use base64::Engine as _;
use pinaivu_auction::{Order, Terms};
use pinaivu_protocol::units::TokenPrice;
use serde_json::{Value, json};

use crate::support::world::PRICE;
use crate::support::{Client, Script, ScriptedNode, World};

async fn two() -> (World, ScriptedNode, ScriptedNode) {
    let world = World::start().await;
    let cheap = world.node(1, PRICE).await;
    let dear = world.node(2, TokenPrice(PRICE.0 * 2)).await;
    (world, cheap, dear)
}

async fn ask(world: &World, provider: Value, headers: &[(&str, String)]) -> (u16, Value) {
    let mut body = Client::request(false);
    body["provider"] = provider;
    let mut request = world.client.http.post(world.client.url("/chat/completions")).json(&body);
    request = request.bearer_auth(world.client.key.as_ref().unwrap());
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn served(node: &ScriptedNode) -> usize {
    node.shared.requests.lock().len()
}

#[tokio::test]
async fn named_node_serves_and_ignored_one_does_not() {
    let (world, cheap, dear) = two().await;
    let (first, second) = (cheap.shared.id.to_string(), dear.shared.id.to_string());
    assert_eq!(ask(&world, json!({ "only": [second] }), &[]).await.0, 200);
    assert_eq!((served(&cheap), served(&dear)), (0, 1));
    assert_eq!(ask(&world, json!({ "ignore": [first] }), &[]).await.0, 200);
    assert_eq!((served(&cheap), served(&dear)), (0, 2));
    // What is said beside the body goes first.
    let beside = [("x-pinaivu-only", first.clone())];
    assert_eq!(ask(&world, json!({ "only": [second] }), &beside).await.0, 200);
    assert_eq!((served(&cheap), served(&dear)), (1, 2));
    let (status, body) = ask(&world, json!({ "only": [first], "ignore": [first] }), &[]).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("no_capacity")));
    let (status, body) = ask(&world, json!({ "only": ["somebody"] }), &[]).await;
    assert_eq!((status, &body["error"]["param"]), (400, &json!("provider.only")));
}

#[tokio::test]
async fn limit_below_every_ask_is_told_and_one_above_bounds_the_price() {
    let (world, cheap, _dear) = two().await;
    let (status, body) = ask(&world, json!({ "max_price": 999 }), &[]).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("price_limit_too_low")));
    let beside = [("x-pinaivu-max-price", "999".to_owned())];
    let (status, body) = ask(&world, json!({ "max_price": 5_000 }), &beside).await;
    assert_eq!((status, &body["error"]["code"]), (400, &json!("price_limit_too_low")));
    world.assert_untouched().await;
    let (status, body) = ask(&world, json!({ "max_price": 1_050 }), &[]).await;
    assert_eq!(status, 200);
    let receipt = world.receipt(body["request_id"].as_str().unwrap()).await;
    assert!(receipt.body.tariff.price <= TokenPrice(1_050));
    // The body is committed to as it was sent, wishes included.
    let sent: Value = serde_json::from_slice(&cheap.shared.requests.lock()[0].1).unwrap();
    assert_eq!(sent["provider"], json!({ "max_price": 1_050 }));
}

#[tokio::test]
async fn without_fallbacks_only_one_node_is_tried() {
    let (world, cheap, dear) = two().await;
    cheap.behave(Script::RefuseTicket("unavailable"));
    let (status, body) = ask(&world, json!({ "allow_fallbacks": false }), &[]).await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("no_capacity")));
    assert_eq!((served(&cheap), served(&dear)), (1, 0));
    assert_eq!(ask(&world, json!({ "sort": "price" }), &[]).await.0, 200);
    assert_eq!((served(&cheap), served(&dear)), (2, 1));
}

#[tokio::test]
async fn fastest_node_is_tried_first_when_speed_is_asked_for() {
    let (world, cheap, dear) = two().await;
    // Only the dear one has been measured: what was not comes last.
    cheap.enqueue(Script::RefuseTicket("unavailable"));
    assert_eq!(ask(&world, json!({}), &[]).await.0, 200);
    assert_eq!((served(&cheap), served(&dear)), (1, 1));
    assert_eq!(ask(&world, json!({ "sort": "latency" }), &[]).await.0, 200);
    assert_eq!((served(&cheap), served(&dear)), (1, 2));
}

#[tokio::test]
async fn clearing_with_a_wish_is_published_and_can_be_run_again() {
    let (world, _cheap, dear) = two().await;
    for (provider, order, tried) in [
        (json!({ "sort": "price", "allow_fallbacks": false }), Order::Price, Some(vec![0])),
        (json!({ "sort": "latency" }), Order::Latency, None),
        (json!({ "ignore": [] }), Order::Auction, Some(vec![0, 1])),
    ] {
        let (status, body) = ask(&world, provider, &[]).await;
        assert_eq!(status, 200);
        let id = body["request_id"].as_str().unwrap();
        let receipt = world.receipt(id).await;
        let url = world.client.url(&format!("/receipts/{id}/auction"));
        let view: Value = world.client.http.get(url).send().await.unwrap().json().await.unwrap();
        let terms = view["terms"].as_str().unwrap();
        let terms = base64::engine::general_purpose::STANDARD.decode(terms).unwrap();
        let terms = Terms::decode(&terms).unwrap();
        assert_eq!(terms.wish.order, order);
        let clearing = terms.clear(&world.coordinator.nodes().book()).unwrap();
        assert_eq!(terms.tried(&clearing), tried);
        let rank = clearing.ranked().iter().position(|found| {
            found.node == receipt.head.record.node && found.tariff == receipt.body.tariff
        });
        assert!(rank.is_some(), "whoever served was among the winners, at its price");
    }
    drop(dear);
}

#[tokio::test]
async fn requests_whose_server_the_client_chose_are_rated_nowhere() {
    let (world, _cheap, dear) = two().await;
    let only = json!({ "only": [dear.shared.id.to_string()] });
    assert_eq!(ask(&world, only, &[]).await.0, 200);
    assert!(world.coordinator.nodes().hours(&dear.shared.id).is_empty());
    let beside = [("x-pinaivu-only", dear.shared.id.to_string())];
    assert_eq!(ask(&world, Value::Null, &beside).await.0, 200);
    assert!(world.coordinator.nodes().hours(&dear.shared.id).is_empty());
}
