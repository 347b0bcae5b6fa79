//! The published document is the router, and answers are what OpenAI's schema says, whatever the habits of
//! the server behind the node.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::habits::{Habit, habits};
use crate::support::schema::{assert_is, document};
use crate::support::world::{PRICE, events};
use crate::support::{Client, MODEL, Script, World};

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// Paths and methods of the document.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document = document();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .map(|(path, methods)| {
            (path.clone(), methods.as_object().unwrap().keys().cloned().collect())
        })
        .collect()
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let routed: BTreeSet<String> = pinaivu_coordinator::http::paths()
        .into_iter()
        .map(|path| path.replace("{*", "{"))
        .collect();
    assert_eq!(routed, documented().into_keys().collect());
}

#[tokio::test]
async fn methods_of_each_route_are_those_of_the_document() {
    let world = World::start().await;
    let root = world.client.base_url.trim_end_matches("/v1").to_owned();
    for (path, methods) in documented() {
        let filled = path.split('/').map(|part| if part.starts_with('{') { "0" } else { part });
        let url = format!("{root}{}", filled.collect::<Vec<_>>().join("/"));
        for method in METHODS {
            let name = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let response = world.client.http.request(name, &url).send().await.unwrap();
            let refused = response.status() == 405;
            assert_eq!(!methods.contains(method), refused, "{method} {path}");
            if response.status().is_client_error() {
                assert_is("Error", &response.json().await.unwrap());
            }
        }
    }
}

#[tokio::test]
async fn document_is_served_as_committed_and_to_pages_of_other_origins() {
    let world = World::start().await;
    let request = world.client.http.get(world.client.url("/openapi.json"));
    let response = request.header("origin", "https://example.org").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.json::<Value>().await.unwrap(), document());
}

#[test]
fn every_error_status_of_ours_is_in_the_document() {
    let statuses: BTreeSet<String> = document()["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .flat_map(|operation| operation["responses"].as_object().unwrap().keys())
        .cloned()
        .collect();
    for code in pinaivu_openai::ErrorCode::ALL {
        // Every route answers other methods so, and no operation has one.
        if code.status() != 405 {
            assert!(statuses.contains(&code.status().to_string()), "{code}");
        }
    }
}

#[tokio::test]
async fn views_are_as_documented() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    node.behave(Script::AsAsked);
    let answer = world.client.chat(&Client::request(false)).await;
    let id = crate::support::world::request_id(&answer);
    world.receipt(&id).await;
    world.settled().await;
    for (path, schema) in [
        ("/models".to_owned(), "ModelList"),
        (format!("/models/{MODEL}"), "Model"),
        ("/receipts".to_owned(), "ReceiptPage"),
        (format!("/receipts/{id}"), "Receipts"),
        (format!("/receipts/{id}/auction"), "Auction"),
        ("/account".to_owned(), "Account"),
        ("/account/receipts".to_owned(), "ReceiptPage"),
        ("/account/figures".to_owned(), "Figures"),
        ("/figures".to_owned(), "Figures"),
        ("/nodes".to_owned(), "NodeList"),
        (format!("/nodes/{}", node.shared.id), "Node"),
        ("/settlements".to_owned(), "SettlementPage"),
        ("/book/1".to_owned(), "BookPage"),
        ("/log".to_owned(), "LogList"),
        ("/network".to_owned(), "Network"),
    ] {
        let request = world.client.http.get(world.client.url(&path));
        let response =
            request.bearer_auth(world.client.key.as_ref().unwrap()).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_is(schema, &response.json().await.unwrap());
    }
}

#[tokio::test]
async fn chat_completions_are_openais_whatever_the_server_does() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    for Habit { name, whole, chunks } in habits() {
        node.enqueue(Script::Whole(whole));
        let response = world.client.chat(&Client::request(false)).await;
        assert_eq!(response.status(), 200, "{name}");
        let answer: Value = response.json().await.unwrap();
        eprintln!("{name}");
        assert_is("ChatCompletion", &answer);
        for include_usage in [false, true] {
            node.enqueue(Script::Chunks(chunks.clone()));
            let mut request = Client::request(true);
            request["stream_options"] = json!({ "include_usage": include_usage });
            let body = world.client.chat(&request).await.text().await.unwrap();
            let data = events(&body);
            assert_eq!(data.last(), Some(&"[DONE]"), "{name}: {body}");
            for chunk in &data[..data.len() - 1] {
                assert_is("ChatCompletionChunk", &serde_json::from_str(chunk).unwrap());
            }
            let bare = data.iter().filter(|chunk| chunk.contains("\"choices\":[]")).count();
            assert_eq!(bare, usize::from(include_usage), "{name}: {body}");
        }
    }
    // What was normalised is what is committed to and paid for.
    world.settled().await;
    assert_eq!(world.receipts().await, 3 * habits().len() as u64);
}

#[tokio::test]
async fn other_answers_are_openais_too() {
    let world = World::start().await;
    let node = world.able_node(1, PRICE).await;
    node.behave(Script::AsAsked);
    let post =
        async |path: &str, request: Value| world.client.post(path, request.to_string()).await;
    let json = async |path: &str, request: Value| -> Value {
        post(path, request).await.json().await.unwrap()
    };
    let prompt = json!({ "model": MODEL, "prompt": "a" });
    assert_is("Completion", &json("/completions", prompt.clone()).await);
    let mut streamed = prompt;
    streamed["stream"] = json!(true);
    let body = post("/completions", streamed).await.text().await.unwrap();
    let data = events(&body);
    for chunk in &data[..data.len() - 1] {
        assert_is("Completion", &serde_json::from_str(chunk).unwrap());
    }
    let inputs = json!({ "model": MODEL, "input": ["a", "b"] });
    assert_is("EmbeddingList", &json("/embeddings", inputs).await);
    let tool = json!({ "type": "function", "name": "weather", "parameters": { "type": "object" } });
    for request in [
        json!({ "model": MODEL, "input": "Hi" }),
        json!({ "model": MODEL, "input": "Hi", "tools": [tool] }),
    ] {
        assert_is("Response", &json("/responses", request.clone()).await);
        let mut streamed = request;
        streamed["stream"] = json!(true);
        let body = post("/responses", streamed).await.text().await.unwrap();
        let data: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert!(data.len() > 4, "{body}");
        for event in data {
            assert_is("ResponseEvent", &serde_json::from_str(event).unwrap());
        }
    }
}

#[tokio::test]
async fn obstacles_are_told_apart() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let ask = async |request: Value| -> (u16, Value) {
        let response = world.client.chat(&request).await;
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        assert_is("Error", &body);
        (status, body["error"]["code"].clone())
    };
    let mut long = Client::request(false);
    long["max_tokens"] = json!(9_000);
    assert_eq!(ask(long).await, (400, json!("context_length_exceeded")));
    let mut pictured = Client::request(false);
    pictured["messages"][0]["content"] =
        json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } }]);
    assert_eq!(ask(pictured).await, (400, json!("feature_unavailable")));
    let mut other = Client::request(false);
    other["model"] = json!("another");
    assert_eq!(ask(other).await, (404, json!("model_not_found")));
    drop(node);
    let gone =
        pinaivu_testkit::wait_until("the node is gone", pinaivu_testkit::PATIENCE, async || {
            let answer = ask(Client::request(false)).await;
            (answer.0 == 503).then_some(answer)
        })
        .await;
    assert_eq!(gone, (503, json!("no_capacity")));
}
