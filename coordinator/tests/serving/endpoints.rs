//! Completions, embeddings and responses: through the market like chat, and receipted like it.

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use pinaivu_protocol::commitment::{Salt, request_commitment_raw, response_commitment};
use pinaivu_protocol::units::{Tariff, TokenCount};
use serde_json::{Value, json};

use crate::support::world::{PRICE, events, request_id};
use crate::support::{Client, MODEL, Script, World};

const TARIFF: Tariff = Tariff { price: PRICE, input_weight: 1, output_weight: 4 };

fn salt(response: &reqwest::Response) -> Salt {
    response.headers()["x-pinaivu-salt"].to_str().unwrap().parse().unwrap()
}

fn usage(prompt: u32, completion: u32) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

fn text_completion(texts: &[&str]) -> Value {
    let choices: Vec<Value> = (0..)
        .zip(texts)
        .map(|(index, text)| json!({ "index": index, "text": text, "finish_reason": "stop", "logprobs": null }))
        .collect();
    json!({
        "id": "cmpl-1", "object": "text_completion", "created": 1, "model": MODEL,
        "choices": choices, "usage": usage(7, 6),
    })
}

#[tokio::test]
async fn completion_is_charged_and_committed_to_by_its_text() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Whole(text_completion(&["one two", "three"])));
    let request = json!({ "model": MODEL, "prompt": ["a", "b"], "max_tokens": 5 }).to_string();
    let response = world.client.post("/completions", request.clone()).await;
    assert_eq!(response.status(), 200);
    let (id, salt) = (request_id(&response), salt(&response));
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["choices"][1]["text"], &body["request_id"]), (&json!("three"), &json!(id)));
    assert_eq!(*node.shared.paths.lock(), ["/v1/completions"]);
    assert_eq!(node.shared.requests.lock()[0].0.max_output, TokenCount(10));
    let receipt = world.receipt(&id).await;
    assert_eq!(receipt.body.amount, TARIFF.amount(TokenCount(7), TokenCount(6)));
    assert_eq!(
        receipt.body.request_commitment,
        request_commitment_raw(&salt, request.as_bytes()).unwrap()
    );
    let answer = Answer::from_completion(&body).unwrap();
    assert_eq!(answer.choices()[0].message.content, "one two");
    assert_eq!(receipt.body.response_commitment, response_commitment(&salt, &answer));
    assert!(receipt.body.statement.is_some());
}

#[tokio::test]
async fn streamed_completion_is_committed_to_as_its_pieces_add_up() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let piece = |text: &str, finish: Value| json!({ "object": "text_completion", "choices": [{ "index": 0, "text": text, "finish_reason": finish }] });
    node.enqueue(Script::Chunks(vec![
        piece("one", Value::Null),
        piece(" two", Value::Null),
        piece("", json!("stop")),
        json!({ "choices": [], "usage": usage(7, 3) }),
    ]));
    let request = json!({ "model": MODEL, "prompt": "a", "stream": true });
    let response = world.client.post("/completions", request.to_string()).await;
    let (id, salt) = (request_id(&response), salt(&response));
    let body = response.text().await.unwrap();
    let mut answer = AnswerAssembler::new();
    let data = events(&body);
    assert_eq!(data.last(), Some(&"[DONE]"));
    for chunk in &data[..data.len() - 1] {
        answer.push_json(chunk.as_bytes()).unwrap();
    }
    let receipt = world.receipt(&id).await;
    let answer = answer.finish().with_usage(receipt.body.input_tokens, receipt.body.output_tokens);
    assert_eq!(answer.choices()[0].message.content, "one two");
    assert_eq!(receipt.body.response_commitment, response_commitment(&salt, &answer));
    assert_eq!(receipt.body.output_tokens, TokenCount(3));
    // OpenAI's default limit, when there is none in the request.
    assert_eq!(node.shared.requests.lock()[0].0.max_output, TokenCount(16));
}

#[tokio::test]
async fn embeddings_are_charged_by_their_input_and_committed_to_by_their_vectors() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.enqueue(Script::Whole(json!({
        "object": "list", "model": MODEL,
        "data": [
            { "object": "embedding", "index": 0, "embedding": [0.5, -1.0, 1e-7] },
            { "object": "embedding", "index": 1, "embedding": "AAAAPw==" },
        ],
        "usage": { "prompt_tokens": 4, "total_tokens": 4 },
    })));
    let request = json!({ "model": MODEL, "input": ["a", "b"] });
    let response = world.client.post("/embeddings", request.to_string()).await;
    assert_eq!(response.status(), 200);
    let (id, salt) = (request_id(&response), salt(&response));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["data"][1]["embedding"], "AAAAPw==");
    let receipt = world.receipt(&id).await;
    assert_eq!(receipt.body.amount, TARIFF.amount(TokenCount(4), TokenCount(0)));
    let answer = Answer::from_completion(&body).unwrap();
    assert_eq!(answer.choices()[0].message.content, "[0.5,-1,1e-7]");
    assert_eq!(answer.choices()[1].message.content, "\"AAAAPw==\"");
    assert_eq!(receipt.body.response_commitment, response_commitment(&salt, &answer));
    let mut tampered = body;
    tampered["data"][0]["embedding"][0] = json!(0.25);
    let other = Answer::from_completion(&tampered).unwrap();
    assert_ne!(receipt.body.response_commitment, response_commitment(&salt, &other));
}

/// Checks that what a response says of its chat is what the receipt commits to.
async fn assert_opens(world: &World, object: &Value) {
    let receipt = world.receipt(object["request_id"].as_str().unwrap()).await;
    let opening = &object["pinaivu"];
    let salt: Salt = opening["salt"].as_str().unwrap().parse().unwrap();
    let request = opening["chat_request"].as_str().unwrap();
    assert_eq!(
        receipt.body.request_commitment,
        request_commitment_raw(&salt, request.as_bytes()).unwrap()
    );
    let answer = opening["chat_answer"].as_str().unwrap();
    let answer = Answer::from_completion_json(answer.as_bytes()).unwrap();
    assert_eq!(receipt.body.response_commitment, response_commitment(&salt, &answer));
}

#[tokio::test]
async fn response_whole_or_streamed_says_the_same_and_opens_its_receipt() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let request = json!({ "model": MODEL, "input": "Say hello.", "max_output_tokens": 50 });
    let response = world.client.post("/responses", request.to_string()).await;
    assert_eq!(response.status(), 200);
    let whole: Value = response.json().await.unwrap();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(whole["output"][0]["content"][0]["text"], "Hello from the node");
    assert_eq!(whole["usage"]["output_tokens"], 5);
    assert_opens(&world, &whole).await;
    assert_eq!(*node.shared.paths.lock(), ["/v1/chat/completions"]);

    let mut request = request;
    request["stream"] = json!(true);
    let response = world.client.post("/responses", request.to_string()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let body = response.text().await.unwrap();
    let data: Vec<Value> = body
        .split("\n\n")
        .filter_map(|event| event.split_once("\ndata: "))
        .map(|(_, data)| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(data[0]["type"], "response.created");
    let deltas: String = data
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(deltas, "Hello from the node");
    let last = data.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["output"][0]["content"], whole["output"][0]["content"]);
    assert_opens(&world, &last["response"]).await;
}

#[tokio::test]
async fn response_that_would_need_memory_is_refused_before_anything_is_spent() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let request = json!({ "model": MODEL, "input": "Hi", "previous_response_id": "resp_1" });
    let response = world.client.post("/responses", request.to_string()).await;
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["param"]),
        (&json!("unsupported_parameter"), &json!("previous_response_id"))
    );
    world.assert_untouched().await;
}

#[tokio::test]
async fn model_says_what_it_can_and_what_it_costs() {
    let world = World::start().await;
    let seconds = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let before = seconds();
    let _cheap = world.node(1, PRICE).await;
    let _dear = world.node(2, pinaivu_protocol::units::TokenPrice(PRICE.0 * 3)).await;
    for path in [format!("/models/{MODEL}"), "/models".into()] {
        let url = world.client.url(&path);
        let body: Value = world.client.http.get(url).send().await.unwrap().json().await.unwrap();
        let model = if path == "/models" { &body["data"][0] } else { &body };
        assert_eq!((&model["id"], &model["object"]), (&json!(MODEL), &json!("model")));
        // When the first node came.
        assert!((before..=seconds()).contains(&model["created"].as_u64().unwrap()), "{model}");
        assert_eq!((&model["context_length"], &model["nodes"]), (&json!(8192), &json!(2)));
        assert_eq!(
            model["features"],
            json!(["chat", "tools", "structured_outputs", "embeddings", "completions"])
        );
        assert_eq!(model["pricing"]["lowest_ask"], 1_000);
        assert_eq!(model["pricing"]["highest_ask"], 3_000);
    }
}

#[tokio::test]
async fn answers_and_errors_say_how_long_they_took() {
    let world = World::start().await;
    let _node = world.node(1, PRICE).await;
    let unknown = json!({ "model": "another", "messages": [{ "role": "user", "content": "Hi" }] });
    for request in [Client::request(false), Client::request(true), unknown] {
        let response = world.client.chat(&request).await;
        let millis: u64 =
            response.headers()["openai-processing-ms"].to_str().unwrap().parse().unwrap();
        assert!(millis < 60_000);
        // This key has no limits to tell of.
        assert!(response.headers().get("x-ratelimit-limit-requests").is_none());
    }
}
