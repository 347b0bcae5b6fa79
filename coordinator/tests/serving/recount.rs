//! Prompts and answers of a model whose tokenizer the coordinator has: nodes are believed as far as the
//! count here goes.

use std::path::Path;

use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::{FineAmount, Tariff, TokenCount};
use pinaivu_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::node::PROMPT_TOKENS;
use crate::support::world::{PRICE, request_id};
use crate::support::{Client, MODEL, Script, World};

const TARIFF: Tariff = Tariff { price: PRICE, input_weight: 1, output_weight: 4 };

/// Writes a tokenizer of single characters, in which two, four and eight `a` are one token too, and a template
/// that frames each message with two tokens and ends with one.
fn write_tokenizer(directory: &Path) {
    let characters = ('!'..='~').map(String::from).chain(["Ġ".to_owned(), "Ċ".to_owned()]);
    let tokens = ["<s>", "</s>"].map(str::to_owned).into_iter().chain(characters);
    let longer = ["aa", "aaaa", "aaaaaaaa"].map(str::to_owned);
    let vocabulary: serde_json::Map<String, Value> =
        tokens.chain(longer).zip(0_u32..).map(|(token, id)| (token, id.into())).collect();
    let special = |id: u32, content: &str| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<s>"), special(1, "</s>")],
        "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": {
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary, "merges": ["a a", "aa aa", "aaaa aaaa"],
        },
    });
    let settings = json!({
        "chat_template":
            "{% for message in messages %}{{ '<s>' + message.content + '</s>' }}{% endfor %}{{ '<s>' }}",
    });
    std::fs::write(directory.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(directory.join("tokenizer_config.json"), settings.to_string()).unwrap();
}

async fn counting_world() -> (World, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    write_tokenizer(directory.path());
    let path = directory.path().to_owned();
    let world = World::start_with(|config| {
        config.models.tokenizers.insert(MODEL.to_owned(), path);
    })
    .await;
    (world, directory)
}

/// An answer of so many `a`, for which the node counts `completion` tokens.
fn miscount(letters: usize, completion: u32) -> Script {
    Script::Miscount { pieces: vec!["a".repeat(letters)], prompt: PROMPT_TOKENS, completion }
}

fn asking(stream: bool) -> Value {
    let mut request = Client::request(stream);
    request["max_tokens"] = json!(1_000);
    request
}

async fn receipt_of(world: &World, request: &Value) -> Receipt {
    let response = world.client.chat(request).await;
    let id = request_id(&response);
    response.text().await.unwrap();
    world.receipt(&id).await
}

async fn failures(world: &World) -> Value {
    let url = format!("{}/nodes", world.client.base_url);
    let nodes: Value = world.client.http.get(url).send().await.unwrap().json().await.unwrap();
    nodes["data"][0]["measured"]["failed"].clone()
}

#[tokio::test]
async fn node_that_counts_as_the_tokenizer_does_is_paid_what_it_counts() {
    let (world, _directory) = counting_world().await;
    let node = world.node(1, PRICE).await;
    // 320 letters are 40 tokens; with the end, an eighth and sixteen tokens that makes 62.
    for (stream, counted) in [(true, 41), (false, 62), (true, 3)] {
        node.enqueue(miscount(320, counted));
        let receipt = receipt_of(&world, &asking(stream)).await;
        assert_eq!(receipt.body.output_tokens, TokenCount(counted));
    }
    assert_eq!(failures(&world).await, 0);
}

#[tokio::test]
async fn node_that_counts_more_is_paid_up_to_the_tolerance_and_rated_as_failed() {
    let (world, _directory) = counting_world().await;
    let node = world.node(1, PRICE).await;
    for stream in [true, false] {
        // The text has room for as many by its bytes.
        node.enqueue(miscount(320, 300));
        let receipt = receipt_of(&world, &asking(stream)).await;
        assert_eq!(receipt.body.output_tokens, TokenCount(62));
        let stated = &receipt.body.statement.as_ref().unwrap().proof;
        assert_eq!(stated.output_tokens, TokenCount(300));
        let amount = TARIFF.amount(TokenCount(PROMPT_TOKENS), TokenCount(62));
        assert_eq!(receipt.body.amount, amount);
    }
    assert_eq!(failures(&world).await, 2);
}

#[tokio::test]
async fn money_is_held_for_the_prompt_as_it_is_counted() {
    let (world, _directory) = counting_world().await;
    let node = world.able_node(1, PRICE).await;
    let long = "a".repeat(800);
    let chat = |messages: Value| {
        let mut request = asking(true);
        request["messages"] = messages;
        request
    };
    let tool = json!([{ "type": "function", "function": { "name": "f" } }]);
    // 100 tokens and three around them; an eighth and sixteen more.
    let counted = chat(json!([{ "role": "user", "content": long }]));
    let held = |tokens: u32| TARIFF.amount(TokenCount(tokens), TokenCount(1_000));
    let mut with_tools = counted.clone();
    with_tools["tools"] = tool;
    let mut with_template = counted.clone();
    with_template["chat_template_kwargs"] = json!({ "enable_thinking": false });
    for (request, exact) in [(counted, Some(131)), (with_tools, None), (with_template, None)] {
        node.enqueue(Script::Hang);
        let asked = tokio::spawn({
            let (client, request) = (world.client.clone(), request.clone());
            async move { client.chat(&request).await }
        });
        let now = wait_until("money is held", PATIENCE, async || {
            Some(world.held()).filter(|held| *held > FineAmount::ZERO)
        })
        .await;
        match exact {
            Some(tokens) => assert_eq!(now, held(tokens)),
            // By the bytes of the body.
            None => assert!(now > held(800), "{now:?}"),
        }
        asked.abort();
        world.settled().await;
    }
}
