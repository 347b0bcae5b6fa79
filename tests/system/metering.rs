//! Tokens of a real model, counted by the real server and by the coordinator's own tokenizer.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::PathBuf;

use pinaivu_system_tests::Network;
use pinaivu_tokenizer::Tokenizer;
use serde_json::{Value, json};

/// The tokenizer that the coordinator of `network` was given for its model.
fn tokenizer(network: &Network) -> Tokenizer {
    let text = std::fs::read_to_string(network.data_dir().join("run/coordinator.toml")).unwrap();
    let configuration: toml::Table = text.parse().unwrap();
    let model = network.field("model").unwrap();
    let path =
        configuration["models"]["tokenizers"][&model].as_str().expect("counted by a tokenizer");
    Tokenizer::load(&PathBuf::from(path)).unwrap()
}

#[tokio::test]
async fn server_and_tokenizer_count_the_same() {
    let network = Network::start(&[]).await.unwrap();
    let tokenizer = tokenizer(&network);
    let model = network.field("model").unwrap();
    let user = |text: &str| json!([{ "role": "user", "content": text }]);
    let conversations = [
        user("Hi"),
        user("The quick brown fox jumps over 13 lazy dogs, don't they?"),
        user("  Grüße, 東京! \u{1f980}\n\n\tfn main() { println!(\"{}\", 1_000.5e-3); }  \r\n"),
        user(&"A long story, told again. ".repeat(60)),
        json!([
            { "role": "system", "content": "You are brief." },
            { "role": "user", "content": "What is 2 + 2?" },
            { "role": "assistant", "content": "Four." },
            { "role": "user", "content": [{ "type": "text", "text": "And 3 + 3?" }] },
        ]),
    ];
    for messages in conversations {
        let reply = network
            .chat(&json!({ "model": model, "messages": messages, "max_tokens": 40, "seed": 7 }))
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{}", reply.error_code());
        let answer = reply.json();
        let usage = |name: &str| answer["usage"][name].as_u64().unwrap();
        let prompt = tokenizer.count_chat(&messages).unwrap();
        assert_eq!(usage("prompt_tokens"), u64::from(prompt), "{messages}");

        let choice = &answer["choices"][0];
        let text = choice["message"]["content"].as_str().unwrap();
        let counted = u64::from(tokenizer.count(text));
        let completion = usage("completion_tokens");
        // The end counts; a small model may cut what it writes into more tokens than the text needs.
        let most = counted + counted / 8 + 16;
        assert!((1..=most).contains(&completion), "{completion} for {counted}: {text:?}");

        // So everything the server counted is charged.
        let document = network.receipt(&reply.request_id.unwrap()).await.unwrap();
        let receipt = &document["receipts"][0];
        let charged = |name: &str| find(receipt, name).and_then(Value::as_u64);
        assert_eq!(charged("input_tokens"), Some(usage("prompt_tokens")), "{receipt}");
        assert_eq!(charged("output_tokens"), Some(completion), "{receipt}");
    }
}

/// A member of an object or of one inside of it.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object.get(name).or_else(|| object.values().find_map(|inner| find(inner, name)))
}
