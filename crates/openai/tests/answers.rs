//! What is read of answers and model lists, as servers really write them.
#![expect(clippy::unwrap_used, reason = "tests")]

use pinaivu_openai::{AnswerFacts, Defaults, Endpoint, Model, ModelList, Usage, normalise_whole};
use serde_json::json;

fn facts(object: &str) -> AnswerFacts {
    AnswerFacts::parse(object.as_bytes()).unwrap()
}

#[test]
fn llama_cpp_stream_is_read() {
    let role = facts(
        r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":"c","model":"m","object":"chat.completion.chunk"}"#,
    );
    assert_eq!(role, AnswerFacts::default());
    let text = facts(r#"{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Hi"}}]}"#);
    assert_eq!(text, AnswerFacts { has_output: true, ..AnswerFacts::default() });
    let end = facts(r#"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}]}"#);
    assert_eq!(end, AnswerFacts { has_finished: true, ..AnswerFacts::default() });
    let usage = facts(
        r#"{"choices":[],"usage":{"completion_tokens":7,"prompt_tokens":12,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":3}},"timings":{"predicted_ms":1.5}}"#,
    );
    assert_eq!(
        usage,
        AnswerFacts {
            usage: Some(Usage { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19 }),
            is_bare: true,
            ..AnswerFacts::default()
        }
    );
}

#[test]
fn vllm_chunk_with_text_reason_and_usage_is_read() {
    let chunk = facts(
        r#"{"choices":[{"index":0,"delta":{"content":"!"},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"usage":{"prompt_tokens":12,"total_tokens":19,"completion_tokens":7}}"#,
    );
    assert!(chunk.has_output && chunk.has_finished && !chunk.is_bare);
    assert_eq!(chunk.usage.unwrap().completion_tokens, 7);
    let first = facts(
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
    );
    assert_eq!(first, AnswerFacts::default());
}

#[test]
fn output_other_than_content_counts() {
    for delta in [
        json!({ "reasoning_content": "hm" }),
        json!({ "reasoning": "hm" }),
        json!({ "refusal": "no" }),
        json!({ "tool_calls": [{ "index": 0 }] }),
        json!({ "function_call": { "name": "f" } }),
    ] {
        let chunk = json!({ "choices": [{ "index": 0, "delta": delta }] });
        assert!(facts(&chunk.to_string()).has_output, "{chunk}");
    }
    let empty =
        json!({ "choices": [{ "delta": { "content": "", "tool_calls": [], "refusal": null } }] });
    assert!(!facts(&empty.to_string()).has_output);
}

#[test]
fn unary_answers_and_legacy_completions_are_read() {
    let unary = facts(
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
    );
    assert!(unary.has_output && unary.has_finished);
    assert_eq!(
        unary.usage,
        Some(Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 0 })
    );
    assert!(facts(r#"{"choices":[{"text":"Hi","finish_reason":null}]}"#).has_output);
}

#[test]
fn errors_in_a_stream_are_noticed() {
    let error = facts(r#"{"error":{"message":"out of memory","code":500}}"#);
    assert_eq!(error, AnswerFacts { is_error: true, is_bare: true, ..AnswerFacts::default() });
    assert!(!facts(r#"{"choices":[],"error":null}"#).is_error);
}

#[test]
fn what_is_no_answer_gives_nothing() {
    for text in ["", "[DONE]", "{\"choices\":5}", "{\"choices\":[oops", "[]", "null"] {
        assert_eq!(AnswerFacts::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn model_lists_of_servers_keep_what_is_theirs() {
    let llama = r#"{"models":[{"name":"x"}],"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"llamacpp","meta":{"n_ctx":4096,"n_ctx_train":8192}}]}"#;
    let list = ModelList::parse(llama.as_bytes()).unwrap();
    assert_eq!(list.data[0].context_length(), Some(4_096));
    assert_eq!(list.data[0].extra["meta"]["n_ctx_train"], 8_192);
    let vllm = r#"{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"vllm","root":"m","parent":null,"max_model_len":2048,"permission":[]}]}"#;
    assert_eq!(ModelList::parse(vllm.as_bytes()).unwrap().data[0].context_length(), Some(2_048));
    let older = r#"{"data":[{"id":"m","meta":{"n_ctx_train":8192}}]}"#;
    let list = ModelList::parse(older.as_bytes()).unwrap();
    assert_eq!(list.data[0].context_length(), None);
    assert_eq!(list.object, "list");
}

#[test]
fn model_list_of_ours_has_openais_shape() {
    let mut model = Model::new("m", "pinaivu", 1);
    model.extra.insert("context_length".to_owned(), json!(4_096));
    insta::assert_json_snapshot!(ModelList::new(vec![model]));
}

#[test]
fn completion_gets_what_the_schema_requires_and_keeps_the_rest() {
    let bare = json!({
        "id": "1", "created": 1, "timings": { "a": 1.5 },
        "choices": [{ "index": 0, "finish_reason": "tool_calls",
                      "message": { "role": "assistant", "tool_calls": [] } }],
    });
    let defaults = Defaults { id: "req_1", model: "m", created: 2 };
    let normalise = |answer: &str| normalise_whole(Endpoint::Chat, answer.as_bytes(), defaults);
    let whole = normalise(&bare.to_string()).unwrap();
    let whole: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!(
        whole,
        json!({
            "id": "1", "created": 1, "timings": { "a": 1.5 },
            "object": "chat.completion", "model": "m",
            "choices": [{ "index": 0, "finish_reason": "tool_calls", "logprobs": null,
                          "message": { "role": "assistant", "content": null, "refusal": null } }],
        })
    );
    let again = whole.to_string();
    assert_eq!(normalise(&again), None);
    assert_eq!(normalise("[1]"), None);
}

#[test]
fn answer_of_a_server_that_says_nearly_nothing_gets_what_is_known() {
    let defaults = Defaults { id: "req_1", model: "m", created: 2 };
    let bare = json!({
        "choices": [{ "index": 0, "message": { "content": "Hi", "annotations": null } }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2 },
    });
    let whole = normalise_whole(Endpoint::Chat, bare.to_string().as_bytes(), defaults).unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&whole).unwrap(),
        json!({
            "choices": [{ "index": 0, "logprobs": null, "finish_reason": null,
                          "message": { "content": "Hi", "refusal": null, "role": "assistant" } }],
            "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
            "id": "req_1", "object": "chat.completion", "created": 2, "model": "m",
        })
    );
    let text = json!({ "choices": [{ "index": 0, "text": "Hi", "finish_reason": "stop" }] });
    let whole = normalise_whole(Endpoint::Completions, text.to_string().as_bytes(), defaults);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&whole.unwrap()).unwrap(),
        json!({
            "choices": [{ "index": 0, "text": "Hi", "finish_reason": "stop", "logprobs": null }],
            "id": "req_1", "object": "text_completion", "created": 2, "model": "m",
        })
    );
}
