//! One answer has one canonical form, however it was delivered: the shapes of llama.cpp (captured
//! from a running server), vLLM and OpenAI, unary and streamed, and generated ones.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, reason = "tests")]

use pinaivu_protocol::answer::{Answer, AnswerAssembler, AnswerError, Usage};
use pinaivu_protocol::units::TokenCount;
use proptest::prelude::*;
use serde_json::{Value, json};

fn canonical(answer: &Answer) -> String {
    String::from_utf8(answer.canonical_bytes()).unwrap()
}

/// Both ways to read a unary answer.
fn unary(completion: &Value) -> Answer {
    let answer = Answer::from_completion(completion).unwrap();
    let text = serde_json::to_vec_pretty(completion).unwrap();
    assert_eq!(Answer::from_completion_json(&text).unwrap(), answer);
    answer
}

/// Both ways to read a stream.
fn streamed(chunks: &[Value]) -> Answer {
    let (mut from_values, mut from_bytes) = (AnswerAssembler::new(), AnswerAssembler::new());
    for chunk in chunks {
        from_values.push(chunk).unwrap();
        from_bytes.push_json(chunk.to_string().as_bytes()).unwrap();
        assert_eq!(from_values.output_bytes(), from_bytes.output_bytes());
    }
    let counted = from_bytes.output_bytes();
    let answer = from_bytes.finish();
    assert_eq!(from_values.finish(), answer);
    assert_eq!(answer.output_bytes(), counted);
    answer
}

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
        chunk(json!({"role": "assistant", "content": null, "refusal": null,
                     "tool_calls": [call(0, "call_a", "get_weather")]}), None),
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
    let completion = unary(&json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
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
fn what_means_nothing_changes_nothing() {
    let bare = unary(&json!({"choices": [{"message": {"content": "x"}}]}));
    assert_eq!(
        canonical(&bare),
        r#"{"choices":[{"finish_reason":null,"index":0,"message":{"content":"x","role":"assistant"}}]}"#
    );
    for same in [
        json!({"choices": [{"index": 0, "finish_reason": null, "message": {"content": "x"}}]}),
        json!({"choices": [{"message": {"content": "x", "role": "assistant"}}], "usage": null}),
        json!({"choices": [{"message": {"content": "x", "role": null, "refusal": null,
               "reasoning_content": null, "reasoning": null, "tool_calls": null}}]}),
        json!({"choices": [{"message": {"content": "x", "role": "", "refusal": "",
               "reasoning_content": "", "reasoning": "", "tool_calls": []}}]}),
        json!({"id": "a", "model": "b", "created": 3, "request_id": "req_1",
               "choices": [{"logprobs": {"content": []}, "stop_reason": 2,
                            "message": {"content": "x", "annotations": [{}], "audio": null}}]}),
    ] {
        assert_eq!(unary(&same), bare, "{same}");
    }
}

#[test]
fn what_means_something_changes_the_canonical_bytes() {
    let base = json!({
        "choices": [{"index": 0, "finish_reason": "stop", "message": {
            "role": "assistant", "content": "c", "refusal": "f", "reasoning_content": "r",
            "tool_calls": [{"id": "i", "type": "function",
                            "function": {"name": "n", "arguments": "a"}}]}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    });
    let original = canonical(&unary(&base));
    let changes = [
        ("/choices/0/index", json!(1)),
        ("/choices/0/finish_reason", json!("length")),
        ("/choices/0/finish_reason", Value::Null),
        ("/choices/0/message/role", json!("tool")),
        ("/choices/0/message/content", json!("C")),
        ("/choices/0/message/content", Value::Null),
        ("/choices/0/message/refusal", json!("F")),
        ("/choices/0/message/reasoning_content", json!("R")),
        ("/choices/0/message/tool_calls", json!([])),
        ("/choices/0/message/tool_calls/0/id", json!("I")),
        ("/choices/0/message/tool_calls/0/type", json!("custom")),
        ("/choices/0/message/tool_calls/0/function/name", json!("N")),
        ("/choices/0/message/tool_calls/0/function/arguments", json!("A")),
        ("/usage/prompt_tokens", json!(9)),
        ("/usage/completion_tokens", json!(9)),
        ("/usage/total_tokens", json!(9)),
        ("/usage", Value::Null),
        ("/choices", json!([])),
    ];
    let mut seen = vec![original];
    for (pointer, value) in changes {
        let mut changed = base.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let bytes = canonical(&unary(&changed));
        assert!(!seen.contains(&bytes), "{pointer}");
        seen.push(bytes);
    }
}

#[test]
fn usage_is_filled_in_only_where_there_is_none() {
    let counts = (TokenCount(10), TokenCount(6));
    let without = unary(&json!({"choices": [{"message": {"content": "x"}}]}));
    let with = unary(&json!({"choices": [{"message": {"content": "x"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}}));
    assert_ne!(without.canonical_bytes(), with.canonical_bytes());
    assert_eq!(without.clone().with_usage(counts.0, counts.1), with);
    let kept = with.clone().with_usage(TokenCount(1), TokenCount(1));
    assert_eq!(kept, with);
    let no_total = unary(&json!({"choices": [{"message": {"content": "x"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 6}}));
    assert_eq!(no_total, with);
    let empty = unary(&json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": null}}));
    assert_eq!(empty.usage, Some(Usage::new(TokenCount(10), TokenCount(0))));
}

#[test]
fn a_stream_that_breaks_off_is_the_answer_so_far() {
    let mut assembler = AnswerAssembler::new();
    assembler
        .push_json(br#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"ha"}}]}"#)
        .unwrap();
    assembler.push_json(br#"{"choices":[{"index":0,"delta":{"content":"lf"}}]}"#).unwrap();
    assert_eq!(assembler.output_bytes(), 4);
    assert_eq!(assembler.usage(), None);
    let answer = assembler.finish().with_usage(TokenCount(3), TokenCount(2));
    assert_eq!(
        canonical(&answer),
        concat!(
            r#"{"choices":[{"finish_reason":null,"index":0,"#,
            r#""message":{"content":"half","role":"assistant"}}],"#,
            r#""usage":{"completion_tokens":2,"prompt_tokens":3,"total_tokens":5}}"#
        )
    );
}

#[test]
fn objects_of_another_shape_are_refused() {
    for wrong in [
        json!([]),
        json!({"choices": 1}),
        json!({"choices": [{"index": -1, "message": {}}]}),
        json!({"choices": [{"index": 4_294_967_296_u64, "message": {}}]}),
        json!({"choices": [{"message": {"content": ["part"]}}]}),
        json!({"choices": [{"message": {"tool_calls": [{"function": {"arguments": {}}}]}}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 1.5}}),
        json!({"choices": [], "usage": {"completion_tokens": 4_294_967_296_u64}}),
    ] {
        assert!(matches!(Answer::from_completion(&wrong), Err(AnswerError::Shape(_))), "{wrong}");
    }
    for wrong in [
        r#"{"choices":[],"choices":[]}"#,
        r#"{"choices":[{"message":{"content":"a","content":"b"}}]}"#,
        r#"{"choices":[{"message":{"content":"\ud800"}}]}"#,
        r#"{"choices":[]"#,
        r#"{"choices":[]} {}"#,
    ] {
        let result = Answer::from_completion_json(wrong.as_bytes());
        assert!(matches!(result, Err(AnswerError::Shape(_))), "{wrong}");
    }
    let error = json!({"error": {"message": "no"}});
    assert!(matches!(Answer::from_completion(&error), Err(AnswerError::NoChoices)));
    let twice = json!({"choices": [{"index": 2, "message": {}}, {"index": 0, "message": {}},
                                   {"index": 2, "message": {}}]});
    assert!(matches!(
        Answer::from_completion(&twice),
        Err(AnswerError::DuplicateChoice { index: 2 })
    ));
}

#[test]
fn a_refused_chunk_adds_nothing() {
    let mut assembler = AnswerAssembler::new();
    assembler.push(&json!({"choices": [{"index": 0, "delta": {"content": "a"}}]})).unwrap();
    let before = assembler.clone().finish();
    for wrong in [
        json!({"choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 0, "delta": {}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 1, "delta": 3}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "b"}}], "usage": 7}),
    ] {
        assert!(assembler.push(&wrong).is_err(), "{wrong}");
        assert!(assembler.push_json(wrong.to_string().as_bytes()).is_err(), "{wrong}");
        assert_eq!(assembler.clone().finish(), before);
        assert_eq!(assembler.output_bytes(), 1);
    }
    // A chunk that only carries a keep-alive or an error has no choices, and is none of our business.
    assembler.push(&json!({"error": {"message": "no"}})).unwrap();
    assert_eq!(assembler.finish(), before);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), any::<String>(), "[a-z\"\\\\\n\u{1}é😀]{0,12}"]
}

fn message() -> impl Strategy<Value = Value> {
    let call = (text(), text(), text()).prop_map(|(id, name, arguments)| {
        json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
    });
    (text(), text(), text(), prop::collection::vec(call, 0..3)).prop_map(
        |(content, refusal, reasoning, calls)| {
            json!({"role": "assistant", "content": content, "refusal": refusal,
                   "reasoning_content": reasoning, "tool_calls": calls})
        },
    )
}

fn completion() -> impl Strategy<Value = Value> {
    (prop::collection::vec(message(), 1..4), any::<u16>(), any::<u16>()).prop_map(
        |(messages, prompt, generated)| {
            let choices: Vec<_> = messages
                .into_iter()
                .enumerate()
                .map(|(i, message)| json!({"index": i, "finish_reason": "stop", "message": message}))
                .collect();
            json!({"choices": choices, "usage": {
                "prompt_tokens": prompt, "completion_tokens": generated,
                "total_tokens": u32::from(prompt) + u32::from(generated)}})
        },
    )
}

/// A stream of the completion with one character a chunk, its choices taking turns as `order` says.
fn as_stream(completion: &Value, order: &[usize]) -> Vec<Value> {
    let mut queues = Vec::new();
    for choice in completion["choices"].as_array().unwrap() {
        let message = &choice["message"];
        let mut deltas = vec![json!({"role": "assistant", "content": ""})];
        for member in ["reasoning_content", "content", "refusal"] {
            let text = message[member].as_str().unwrap();
            deltas.extend(text.chars().map(|letter| json!({member: letter})));
        }
        for (at, call) in message["tool_calls"].as_array().unwrap().iter().enumerate() {
            let function = &call["function"];
            deltas.push(json!({"tool_calls": [{"index": at, "id": call["id"], "type": "function",
                "function": {"name": function["name"], "arguments": ""}}]}));
            let arguments = function["arguments"].as_str().unwrap();
            deltas.extend(arguments.chars().map(
                |letter| json!({"tool_calls": [{"index": at, "function": {"arguments": letter}}]}),
            ));
        }
        let index = &choice["index"];
        let mut chunks: Vec<_> = deltas
            .into_iter()
            .map(|delta| json!({"choices": [{"index": index, "delta": delta, "finish_reason": null}]}))
            .collect();
        chunks.push(json!({"choices": [
            {"index": index, "delta": {}, "finish_reason": choice["finish_reason"]}]}));
        chunks.reverse();
        queues.push(chunks);
    }
    let mut stream = Vec::new();
    let mut turns = order.iter().cycle();
    while queues.iter().any(|queue| !queue.is_empty()) {
        let turn = turns.next().unwrap() % queues.len();
        let queue = if queues[turn].is_empty() {
            queues.iter_mut().find(|queue| !queue.is_empty()).unwrap()
        } else {
            &mut queues[turn]
        };
        stream.push(queue.pop().unwrap());
    }
    stream.push(json!({"choices": [], "usage": completion["usage"]}));
    stream
}

proptest! {
    #[test]
    fn any_answer_is_the_same_unary_and_streamed(
        completion in completion(),
        order in prop::collection::vec(any::<usize>(), 1..20),
    ) {
        let answer = unary(&completion);
        prop_assert_eq!(&streamed(&as_stream(&completion, &order)), &answer);
    }

    #[test]
    fn canonical_bytes_are_rfc_8785_and_their_own_canonical_form(completion in completion()) {
        let answer = unary(&completion);
        let bytes = answer.canonical_bytes();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        prop_assert_eq!(&serde_json_canonicalizer::to_vec(&value).unwrap(), &bytes);
        prop_assert_eq!(&unary(&value), &answer);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Answer::from_completion_json(&bytes);
        let _ = AnswerAssembler::new().push_json(&bytes);
    }
}
