//! Answers that go as they should.

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::{Salt, request_commitment_raw, response_commitment};
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::units::{FineAmount, Tariff, TokenCount, TokenPrice};
use serde_json::{Value, json};

use crate::support::node::PROMPT_TOKENS;
use crate::support::script::pieces;
use crate::support::world::{PRICE, events, request_id};
use crate::support::{Client, MODEL, Script, World};

const TARIFF: Tariff = Tariff { price: PRICE, input_weight: 1, output_weight: 4 };

fn cost(output: u32) -> FineAmount {
    TARIFF.amount(TokenCount(PROMPT_TOKENS), TokenCount(output))
}

fn salt(response: &reqwest::Response) -> Salt {
    response.headers()["x-pinaivu-salt"].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn streamed_answer_reaches_the_client_and_is_charged_to_the_unit() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::words("Paris is the capital"));
    let request = Client::request(true);
    let response = world.client.chat(&request).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (id, salt) = (request_id(&response), salt(&response));
    let body = response.text().await.unwrap();
    let events = events(&body);

    // Four pieces and the finish reason; the usage was not asked for.
    assert_eq!(events.len(), 6, "{body}");
    assert_eq!(events[5], "[DONE]");
    let chunks: Vec<Value> =
        events[..5].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    assert!(chunks.iter().all(|chunk| chunk["request_id"] == id && chunk.get("usage").is_none()));
    let text: String =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Paris is the capital");
    assert!(chunks[..4].iter().all(|chunk| chunk.get("pinaivu").is_none()));
    assert_eq!(chunks[4]["pinaivu"]["salt"], salt.to_string());

    let receipt = world.receipt(&id).await;
    let body = &receipt.body;
    assert_eq!((body.input_tokens, body.output_tokens), (TokenCount(7), TokenCount(5)));
    assert_eq!((body.tariff, body.amount, body.outcome), (TARIFF, cost(5), Outcome::Completed));
    assert_eq!(
        body.request_commitment,
        request_commitment_raw(&salt, request.to_string().as_bytes()).unwrap()
    );
    let mut answer = AnswerAssembler::new();
    for chunk in &chunks {
        answer.push(chunk).unwrap();
    }
    let answer = answer.finish().with_usage(body.input_tokens, body.output_tokens);
    assert_eq!(body.response_commitment, response_commitment(&salt, &answer));
    assert_eq!(receipt.node_signer(), Some(crate::support::node::signing_key(1).public()));
    world.settled().await;
    assert_eq!(world.spent(), cost(5));
}

#[tokio::test]
async fn unary_answer_reaches_the_client_and_is_charged_to_the_unit() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::words("Paris is the capital"));
    let response = world.client.chat(&Client::request(false)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let (id, salt) = (request_id(&response), salt(&response));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "Paris is the capital");
    assert_eq!(body["usage"]["completion_tokens"], 5);
    assert_eq!(body["request_id"], id);
    assert_eq!(body["pinaivu"]["salt"], salt.to_string());

    let receipt = world.receipt(&id).await;
    let answer = Answer::from_completion(&body).unwrap();
    assert_eq!(receipt.body.response_commitment, response_commitment(&salt, &answer));
    assert_eq!(receipt.body.amount, cost(5));
    assert!(receipt.body.statement.is_some());
    world.settled().await;
    assert_eq!(world.spent(), cost(5));
}

#[tokio::test]
async fn usage_chunk_is_forwarded_when_it_was_asked_for() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let mut request = Client::request(true);
    request["stream_options"] = json!({ "include_usage": true });
    let body = world.client.chat(&request).await.text().await.unwrap();
    let events = events(&body);
    let usage: Value = serde_json::from_str(events[events.len() - 2]).unwrap();
    assert_eq!(usage["usage"]["prompt_tokens"], PROMPT_TOKENS);
    assert!(usage["pinaivu"]["salt"].is_string());
    assert!(!events[events.len() - 3].contains("salt"));
}

#[tokio::test]
async fn body_reaches_the_node_byte_for_byte() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let body = format!(
        "{{ \"model\":\"{MODEL}\",\"messages\" : [{{\"role\":\"user\",\"content\":\"\\u00e9 é\"}}],\n\
         \"temperature\":1.0e0,\"seed\":9007199254740993,\"of_the_future\":{{\"a\":[1,2]}},\"max_tokens\":9 }}"
    );
    let response = world.client.post("/chat/completions", body.clone()).await;
    assert_eq!(response.status(), 200);
    let requests = node.shared.requests.lock();
    assert_eq!(requests[0].1, body.as_bytes());
    assert_eq!(requests[0].0.max_output, TokenCount(9));
}

#[tokio::test]
async fn cheaper_of_two_nodes_serves() {
    let world = World::start().await;
    let dear = world.node(1, TokenPrice(PRICE.0 * 2)).await;
    let cheap = world.node(2, PRICE).await;
    for _ in 0..3 {
        let response = world.client.chat(&Client::request(false)).await;
        assert_eq!(response.status(), 200);
    }
    assert_eq!(cheap.shared.requests.lock().len(), 3);
    assert_eq!(dear.shared.requests.lock().len(), 0);
}

#[tokio::test]
async fn usage_beyond_the_text_or_the_nodes_own_statement_is_not_paid() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let script = Script::Miscount { pieces: pieces("abcd"), prompt: 1_000_000, completion: 50 };
    node.enqueue(script);
    let request = Client::request(true);
    let response = world.client.chat(&request).await;
    let id = request_id(&response);
    response.text().await.unwrap();
    let receipt = world.receipt(&id).await;
    // The body would bear more prompt, but the node's signed statement says how long it was; the statement
    // says more tokens than the text bears: one for each byte and one for its end.
    let stated = &receipt.body.statement.as_ref().unwrap().proof;
    assert_eq!(
        (stated.input_tokens, stated.output_tokens),
        (TokenCount(PROMPT_TOKENS), TokenCount(50))
    );
    assert_eq!(receipt.body.input_tokens, stated.input_tokens);
    assert_eq!(receipt.body.output_tokens, TokenCount(5));
    assert_eq!(receipt.body.amount, cost(5));
}

#[tokio::test]
async fn answer_without_proof_is_receipted_without_statement() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::WithoutProof(pieces("a b c")));
    let response = world.client.chat(&Client::request(true)).await;
    let id = request_id(&response);
    response.text().await.unwrap();
    let receipt = world.receipt(&id).await;
    assert_eq!(receipt.body.amount, cost(4));
    assert!(receipt.body.statement.is_none());
}

#[tokio::test]
async fn node_hears_of_every_receipt() {
    use pinaivu_protocol::tunnel::CoordinatorMessage;

    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let response = world.client.chat(&Client::request(false)).await;
    let receipt = world.receipt(&request_id(&response)).await;
    let ticket = node.shared.requests.lock()[0].0.hash();
    let message = node
        .message("the receipt is acknowledged", |message| {
            matches!(message, CoordinatorMessage::Receipted { ticket: of, .. } if *of == ticket)
        })
        .await;
    let CoordinatorMessage::Receipted { head, .. } = message else { unreachable!() };
    assert_eq!(head, receipt.head);
}

#[tokio::test]
async fn receipt_is_shown_over_http_and_unknown_ones_are_not() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let response = world.client.chat(&Client::request(false)).await;
    let id = request_id(&response);
    world.receipt(&id).await;
    let url = world.client.url(&format!("/receipts/{id}"));
    let shown: Value = world.client.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(shown["request_id"], id);
    assert_eq!(shown["receipts"][0]["body"]["amount"], cost(5).to_string());
    for unknown in ["req_00000000000000000000000000000000", "nonsense"] {
        let url = world.client.url(&format!("/receipts/{unknown}"));
        let response = world.client.http.get(url).send().await.unwrap();
        assert_eq!(response.status(), 404);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "receipt_not_found");
    }
}

#[tokio::test]
async fn models_are_those_that_nodes_offer_now() {
    let world = World::start().await;
    let list = async || -> Value {
        let url = world.client.url("/models");
        world.client.http.get(url).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(list().await["data"], json!([]));
    let node = world.node(1, PRICE).await;
    let listed = list().await;
    assert_eq!(listed["data"][0]["id"], MODEL);
    assert_eq!(listed["data"][0]["object"], "model");
    drop(node);
    pinaivu_testkit::wait_until("the model is gone", pinaivu_testkit::PATIENCE, async || {
        (list().await["data"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn client_with_http2_prior_knowledge_is_served() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let http = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let client = Client { http, ..world.client.clone() };
    for stream in [true, false] {
        let response = client.chat(&Client::request(stream)).await;
        assert_eq!(
            (response.status(), response.version()),
            (reqwest::StatusCode::OK, reqwest::Version::HTTP_2)
        );
        assert!(response.text().await.unwrap().contains("Hello"));
    }
}

#[tokio::test]
async fn shutdown_lets_a_running_stream_end_and_keeps_its_receipt() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let many = (0..400).map(|at| format!(" {at}")).collect();
    node.enqueue(Script::Answer(many));
    let mut request = Client::request(true);
    request["max_tokens"] = json!(1_000);
    let mut response = world.client.chat(&request).await;
    let first = response.chunk().await.unwrap().unwrap();
    let (coordinator, store) = {
        let store = world.coordinator.store().clone();
        (world.coordinator, store)
    };
    let reading = async {
        let mut body = first.to_vec();
        while let Some(chunk) = response.chunk().await.unwrap() {
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).unwrap()
    };
    let ((), body) = tokio::join!(coordinator.shutdown(), reading);
    assert!(body.ends_with("data: [DONE]\n\n"));
    assert_eq!(store.read(|look| look.log_head()).await.unwrap().size, 1);
}
