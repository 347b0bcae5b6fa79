//! What llama.cpp, vLLM and OpenAI send.

use pinaivu_protocol::answer::{Answer, AnswerAssembler};
use serde_json::{Value, json};

use super::{canonical, streamed, unary};

/// Chunks as they come over the wire, up to `[DONE]`.
fn events(stream: &str) -> Vec<Value> {
    stream
        .lines()
        .filter_map(|line| line.trim().strip_prefix("data: "))
        .take_while(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

#[test]
fn llama_cpp_text_is_the_same_unary_and_streamed() {
    let completion = json!({
        "choices": [{"finish_reason": "length", "index": 0,
                     "message": {"role": "assistant", "content": "I'm not\nhé"}}],
        "created": 1_795_383_623, "model": "smollm2-135m-instruct",
        "system_fingerprint": "b1-7e4c0a9", "object": "chat.completion",
        "usage": {"completion_tokens": 5, "prompt_tokens": 39, "total_tokens": 44,
                  "prompt_tokens_details": {"cached_tokens": 0}},
        "id": "chatcmpl-OBNuuloAatY8m0vzad3nvMAaK8IM0PJ5",
        "timings": {"cache_n": 0, "prompt_n": 39, "prompt_ms": 70.527, "predicted_n": 5},
    });
    let stream = r#"
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1795383623,"id":"chatcmpl-OH8E","model":"smollm2-135m-instruct","system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"I"}}],"created":1795383623,"id":"chatcmpl-OH8E","model":"smollm2-135m-instruct","system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"'m not\n"}}],"created":1795383623,"id":"chatcmpl-OH8E","model":"smollm2-135m-instruct","system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"h\u00e9"}}],"created":1795383623,"id":"chatcmpl-OH8E","model":"smollm2-135m-instruct","system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk"}

data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"created":1795383623,"id":"chatcmpl-OH8E","model":"smollm2-135m-instruct","system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk"}

data: {"choices":[],"created":1795383623,"id":"chatcmpl-OH8E","model":"smollm2-135m-instruct","system_fingerprint":"b1-7e4c0a9","object":"chat.completion.chunk","usage":{"completion_tokens":5,"prompt_tokens":39,"total_tokens":44,"prompt_tokens_details":{"cached_tokens":38}},"timings":{"cache_n":38,"prompt_n":1}}

data: [DONE]
"#;
    let expected = concat!(
        r#"{"choices":[{"finish_reason":"length","index":0,"#,
        r#""message":{"content":"I'm not\nhé","role":"assistant"}}],"#,
        r#""usage":{"completion_tokens":5,"prompt_tokens":39,"total_tokens":44}}"#
    );
    let answer = unary(&completion);
    assert_eq!(canonical(&answer), expected);
    assert_eq!(streamed(&events(stream)), answer);
    assert_eq!(answer.output_bytes(), "I'm not\nhé".len());
}

/// llama.cpp starts the second choice first.
#[test]
fn llama_cpp_choices_that_arrive_interleaved_are_sorted() {
    let stream = r#"
data: {"choices":[{"finish_reason":null,"index":1,"delta":{"role":"assistant","content":null}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":null,"index":1,"delta":{"content":"I"}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"I"}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":null,"index":1,"delta":{"content":" see"}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":"stop","index":1,"delta":{}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":"'m"}}],"object":"chat.completion.chunk"}
data: {"choices":[{"finish_reason":"length","index":0,"delta":{}}],"object":"chat.completion.chunk"}
data: {"choices":[],"object":"chat.completion.chunk","usage":{"completion_tokens":2,"prompt_tokens":39,"total_tokens":41,"prompt_tokens_details":{"cached_tokens":38}}}
data: [DONE]
"#;
    let completion = json!({
        "choices": [
            {"finish_reason": "length", "index": 0, "message": {"role": "assistant", "content": "I'm"}},
            {"finish_reason": "stop", "index": 1, "message": {"role": "assistant", "content": "I see"}},
        ],
        "usage": {"completion_tokens": 2, "prompt_tokens": 39, "total_tokens": 41},
    });
    let answer = streamed(&events(stream));
    assert_eq!(answer, unary(&completion));
    assert_eq!(answer.choices().iter().map(|choice| choice.index).collect::<Vec<_>>(), [0, 1]);
    let mut turned = completion;
    turned["choices"].as_array_mut().unwrap().reverse();
    assert_eq!(unary(&turned), answer);
}

/// vLLM: empty first content, `finish_reason` on the last content, usage in every chunk when asked,
/// many null members, `reasoning` instead of `reasoning_content`.
#[test]
fn vllm_reasoning_and_text_are_the_same_unary_and_streamed() {
    let completion = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "four", "refusal": null,
                        "annotations": null, "audio": null, "function_call": null,
                        "tool_calls": [], "reasoning": "two and two"},
            "logprobs": null, "finish_reason": "stop", "stop_reason": null, "token_ids": null,
        }],
        "service_tier": null, "system_fingerprint": null,
        "usage": {"prompt_tokens": 10, "total_tokens": 16, "completion_tokens": 6,
                  "prompt_tokens_details": null},
        "prompt_logprobs": null, "prompt_token_ids": null, "kv_transfer_params": null,
    });
    let chunk = |delta: Value, finish: Option<&str>, completion_tokens: u32| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish,
                         "token_ids": null}],
            "usage": {"prompt_tokens": 10, "total_tokens": 10 + completion_tokens,
                      "completion_tokens": completion_tokens},
        })
    };
    let mut last = chunk(json!({"content": "ur", "reasoning": null}), Some("stop"), 6);
    last["choices"][0]["stop_reason"] = Value::Null;
    let chunks = [
        chunk(json!({"role": "assistant", "content": ""}), None, 0),
        chunk(json!({"reasoning": "two and"}), None, 2),
        chunk(json!({"reasoning": " two", "content": null}), None, 3),
        chunk(json!({"content": "fo"}), None, 5),
        last,
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [],
               "usage": {"prompt_tokens": 10, "total_tokens": 16, "completion_tokens": 6}}),
    ];
    let expected = concat!(
        r#"{"choices":[{"finish_reason":"stop","index":0,"message":"#,
        r#"{"content":"four","reasoning_content":"two and two","role":"assistant"}}],"#,
        r#""usage":{"completion_tokens":6,"prompt_tokens":10,"total_tokens":16}}"#
    );
    assert_eq!(canonical(&unary(&completion)), expected);
    assert_eq!(canonical(&streamed(&chunks)), expected);
    assert_eq!(unary(&completion).output_bytes(), "fourtwo and two".len());
}

/// llama.cpp and DeepSeek call it `reasoning_content`; some servers send both names with one text.
#[test]
fn reasoning_is_counted_once_under_either_name() {
    let with = |reasoning: Value| {
        let mut message = json!({"role": "assistant", "content": "c"});
        message.as_object_mut().unwrap().extend(reasoning.as_object().unwrap().clone());
        (
            unary(&json!({"choices": [{"index": 0, "message": message}]})),
            streamed(&[json!({"choices": [{"index": 0, "delta": message}]})]),
        )
    };
    let expected = with(json!({"reasoning_content": "r"}));
    assert_eq!(expected.0, expected.1);
    assert_eq!(expected.0.output_bytes(), 2);
    assert_eq!(with(json!({"reasoning": "r"})), expected);
    assert_eq!(with(json!({"reasoning": "r", "reasoning_content": "r"})), expected);
    assert_eq!(with(json!({"reasoning": "r", "reasoning_content": null})), expected);
    assert_eq!(with(json!({"reasoning": "r", "reasoning_content": ""})), expected);
}

/// OpenAI: two parallel calls, arguments in pieces, usage null until the last chunk.
#[test]
fn openai_parallel_tool_calls_are_the_same_unary_and_streamed() {
    let completion = json!({
        "id": "chatcmpl-A", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06",
        "choices": [{
            "index": 0,
            "message": {
                "role": "assistant", "content": null,
                "tool_calls": [
                    {"id": "call_a", "type": "function",
                     "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}},
                    {"id": "call_b", "type": "function",
                     "function": {"name": "get_time", "arguments": "{}"}},
                ],
                "refusal": null, "annotations": [],
            },
            "logprobs": null, "finish_reason": "tool_calls",
        }],
        "usage": {"prompt_tokens": 82, "completion_tokens": 40, "total_tokens": 122,
                  "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                  "completion_tokens_details": {"reasoning_tokens": 0}},
        "service_tier": "default", "system_fingerprint": "fp_1",
    });
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": "chatcmpl-A", "object": "chat.completion.chunk", "created": 1,
               "model": "gpt-4o-2024-08-06", "service_tier": "default",
               "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
               "usage": null, "obfuscation": "x7Hq"})
    };
    let call = |index: u32, id: &str, name: &str| {
        json!({"index": index, "id": id, "type": "function",
               "function": {"name": name, "arguments": ""}})
    };
    let piece = |index: u32, arguments: &str| json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]});
    let chunks = [
        chunk(
            json!({"role": "assistant", "content": null, "refusal": null,
                     "tool_calls": [call(0, "call_a", "get_weather")]}),
            None,
        ),
        chunk(piece(0, "{\"city\":"), None),
        chunk(json!({"tool_calls": [call(1, "call_b", "get_time")]}), None),
        chunk(piece(1, "{"), None),
        chunk(piece(0, " \"Paris\"}"), None),
        chunk(piece(1, "}"), None),
        chunk(json!({}), Some("tool_calls")),
        json!({"id": "chatcmpl-A", "object": "chat.completion.chunk", "choices": [],
               "usage": {"prompt_tokens": 82, "completion_tokens": 40, "total_tokens": 122}}),
    ];
    let expected = concat!(
        r#"{"choices":[{"finish_reason":"tool_calls","index":0,"message":{"role":"assistant","#,
        r#""tool_calls":[{"function":{"arguments":"{\"city\": \"Paris\"}","name":"get_weather"},"#,
        r#""id":"call_a","type":"function"},"#,
        r#"{"function":{"arguments":"{}","name":"get_time"},"id":"call_b","type":"function"}]}}],"#,
        r#""usage":{"completion_tokens":40,"prompt_tokens":82,"total_tokens":122}}"#
    );
    assert_eq!(canonical(&unary(&completion)), expected);
    assert_eq!(canonical(&streamed(&chunks)), expected);
    let text = "get_weatherget_time{\"city\": \"Paris\"}{}";
    assert_eq!(unary(&completion).output_bytes(), text.len());
}

/// llama.cpp and vLLM send a call's id and name once and null or nothing afterwards; a call whose
/// index comes late still stands where its index says.
#[test]
fn tool_calls_stand_in_the_order_of_their_stream_indices() {
    let answer = streamed(&[
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 1, "id": "second", "type": "function", "function": {"name": "b", "arguments": "{"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 0, "id": "first", "type": "function", "function": {"name": "a"}}]}}]}),
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [
            {"index": 1, "id": null, "type": null, "function": {"name": null, "arguments": "}"}}]}}]}),
        json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {}}]}),
    ]);
    let completion =
        unary(&json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "tool_calls": [{"id": "first", "function": {"name": "a", "arguments": ""}},
                       {"id": "second", "function": {"name": "b", "arguments": "{}"}}]}}]}));
    assert_eq!(answer, completion);
}

/// A unary list has no indices that mean anything: two equal ones must not merge two calls.
#[test]
fn tool_calls_of_a_unary_answer_stand_in_the_order_of_the_list() {
    let answer = unary(&json!({"choices": [{"index": 0, "message": {"tool_calls": [
        {"index": 7, "id": "x", "function": {"name": "a", "arguments": "1"}},
        {"index": 7, "id": "y", "function": {"name": "b", "arguments": "2"}}]}}]}));
    let ids: Vec<_> =
        answer.choices()[0].message.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["x", "y"]);
}

#[test]
fn completion_without_a_chat_is_its_text_unary_and_streamed() {
    let whole = json!({
        "object": "text_completion",
        "choices": [{"index": 0, "text": "one two", "finish_reason": "stop", "logprobs": null}],
        "usage": {"completion_tokens": 3, "prompt_tokens": 1, "total_tokens": 4},
    });
    let chunks = [
        json!({"choices": [{"index": 0, "text": "one", "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "text": " two", "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"completion_tokens": 3, "prompt_tokens": 1}}),
    ];
    let expected = concat!(
        r#"{"choices":[{"finish_reason":"stop","index":0,"#,
        r#""message":{"content":"one two","role":"assistant"}}],"#,
        r#""usage":{"completion_tokens":3,"prompt_tokens":1,"total_tokens":4}}"#,
    );
    assert_eq!(Answer::from_completion(&whole).unwrap().canonical_bytes(), expected.as_bytes());
    let mut assembler = AnswerAssembler::new();
    for chunk in &chunks {
        assembler.push(chunk).unwrap();
    }
    assert_eq!(assembler.output_bytes(), "one two".len());
    assert_eq!(assembler.finish().canonical_bytes(), expected.as_bytes());
}

#[test]
fn embeddings_are_one_choice_for_each_vector_in_canonical_json() {
    let answer = json!({
        "object": "list",
        "data": [
            {"object": "embedding", "index": 1, "embedding": "AAAAPw=="},
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0, 1e-7]},
        ],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    });
    let expected = concat!(
        r#"{"choices":[{"finish_reason":null,"index":0,"#,
        r#""message":{"content":"[0.5,-1,1e-7]","role":"assistant"}},"#,
        r#"{"finish_reason":null,"index":1,"#,
        r#""message":{"content":"\"AAAAPw==\"","role":"assistant"}}],"#,
        r#""usage":{"completion_tokens":0,"prompt_tokens":4,"total_tokens":4}}"#,
    );
    let answer = Answer::from_completion(&answer).unwrap();
    assert_eq!(answer.canonical_bytes(), expected.as_bytes());
    // What a node journals and presents again is read as the same answer.
    let again = Answer::from_completion_json(&answer.canonical_bytes()).unwrap();
    assert_eq!(again, answer);
}
