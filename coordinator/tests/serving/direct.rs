//! Answers that go straight from the node to the client: redirected with a ticket, reported by the node,
//! receipted like any other.

use std::sync::atomic::Ordering;

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::{Salt, response_commitment};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::{FineAmount, TokenCount};
use pinaivu_testkit::{PATIENCE, wait_until};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::support::world::{PRICE, events};
use crate::support::{Client, Script, World};

fn direct(stream: bool) -> Value {
    let mut request = Client::request(stream);
    request["provider"] = json!({ "direct": true });
    request
}

fn unredirected(world: &World) -> Client {
    let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    Client { http, ..world.client.clone() }
}

#[tokio::test]
async fn redirected_client_gets_its_answer_from_the_node_without_its_key_going_there() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    let address = node.open_door().await;
    for stream in [false, true] {
        let response = world.client.chat(&direct(stream)).await;
        assert_eq!(response.status(), 200);
        assert!(response.url().as_str().starts_with(&address), "{}", response.url());
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let salt: Salt = response.headers()["x-pinaivu-salt"].to_str().unwrap().parse().unwrap();
        let body = response.text().await.unwrap();
        let answer = if stream {
            let mut assembler = AnswerAssembler::new();
            let data = events(&body);
            for chunk in &data[..data.len() - 1] {
                assembler.push_json(chunk.as_bytes()).unwrap();
            }
            assembler.finish()
        } else {
            Answer::from_completion_json(body.as_bytes()).unwrap()
        };
        let receipt = world.receipt(&id).await.body;
        assert_eq!(receipt.response_commitment, response_commitment(&salt, &answer));
        assert_eq!((receipt.outcome, receipt.output_tokens), (Outcome::Completed, TokenCount(5)));
        assert!(receipt.statement.is_some());
    }
    assert_eq!(node.shared.leaked.load(Ordering::Relaxed), 0);
    world.settled().await;
    assert_eq!(world.receipts().await, 2);
}

#[tokio::test]
async fn redirect_says_where_and_for_which_request_and_holds_the_money() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    let address = node.open_door().await;
    let response = unredirected(&world).chat(&direct(false)).await;
    assert_eq!(response.status(), 307);
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(&format!("{address}/v1/chat/completions?ticket=")), "{location}");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
    assert!(world.held() > FineAmount::ZERO);
    assert!(node.shared.requests.lock().is_empty());
}

#[tokio::test]
async fn ticket_that_nobody_uses_is_paid_nothing_and_its_money_is_free_after_its_deadline() {
    let world = World::start_with(|config| {
        config.timeouts.total = std::time::Duration::from_millis(100);
        config.timeouts.report = std::time::Duration::from_millis(100);
    })
    .await;
    let node = world.able_node(1, PRICE).await;
    node.open_door().await;
    assert_eq!(unredirected(&world).chat(&direct(false)).await.status(), 307);
    wait_until("the money is free", PATIENCE, async || {
        (world.held() == FineAmount::ZERO).then_some(())
    })
    .await;
    assert_eq!((world.spent(), world.receipts().await), (FineAmount::ZERO, 0));
}

#[tokio::test]
async fn tickets_beyond_an_allowances_limit_are_not_given_out() {
    let world = World::start_with(|config| config.limits.direct_per_allowance = 1).await;
    let node = world.able_node(1, PRICE).await;
    node.open_door().await;
    let client = unredirected(&world);
    let first = client.chat(&direct(false)).await;
    assert_eq!(first.status(), 307);
    // While it is out the answer passes here.
    let second = client.chat(&direct(false)).await;
    assert_eq!(second.status(), 200);
    assert!(second.text().await.unwrap().contains("Hello"));
    // When it was used and reported another one may go.
    let location = first.headers()["location"].to_str().unwrap();
    let ticket = crate::support::door::ticket(location);
    let text = json!({ "choices": [{ "index": 0, "message": { "content": "a" } }] });
    let answer = Answer::from_completion(&text).unwrap();
    node.shared.report(&ticket, &answer, Outcome::Completed);
    world.settled().await;
    assert_eq!(client.chat(&direct(false)).await.status(), 307);
}

#[tokio::test]
async fn report_beyond_the_text_and_the_ticket_is_cut_to_both() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    node.open_door().await;
    let response = unredirected(&world).chat(&direct(false)).await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let ticket = crate::support::door::ticket(&location);
    let text = json!({
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "abcd" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47 },
    });
    let answer = Answer::from_completion(&text).unwrap();
    node.shared.report(&ticket, &answer, Outcome::Completed);
    let receipt = world.receipt(&id).await.body;
    assert_eq!(receipt.output_tokens, TokenCount(5));
    world.settled().await;
    assert_eq!(world.spent(), receipt.amount);
}

#[tokio::test]
async fn client_that_did_not_ask_for_it_or_a_node_without_address_is_answered_here() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    node.behave(Script::AsAsked);
    assert_eq!(world.client.chat(&direct(false)).await.status(), 200);
    node.open_door().await;
    assert_eq!(unredirected(&world).chat(&Client::request(false)).await.status(), 200);
    // What the node would say is no response.
    let response =
        json!({ "model": crate::support::MODEL, "input": "Hi", "provider": { "direct": true } });
    let answered = unredirected(&world).post("/responses", response.to_string()).await;
    assert_eq!(answered.status(), 200);
    assert_eq!(node.shared.fetched.load(Ordering::Relaxed), 0);
}
