//! What llama.cpp, vLLM and others say, as they say it: fields of their own, and fields left out.

use serde_json::{Value, json};

/// One habit: what the server sends, whole and in pieces.
pub(crate) struct Habit {
    pub(crate) name: &'static str,
    pub(crate) whole: Value,
    pub(crate) chunks: Vec<Value>,
}

pub(super) fn whole(message: Value, finish: &str) -> Value {
    json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "served/name",
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 },
    })
}

fn piece(delta: Value, finish: Value) -> Value {
    json!({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served/name",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
    })
}

/// What llama.cpp, vLLM and others are known to do.
pub(crate) fn habits() -> Vec<Habit> {
    let text = |extra: Value| {
        let mut message = json!({ "role": "assistant", "content": "Hello" });
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        message
    };
    let usage = || {
        json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [],
                "usage": { "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 },
                "timings": { "predicted_ms": 1.5 } })
    };
    let mut llama = whole(text(json!({})), "stop");
    llama["timings"] = json!({ "prompt_n": 7, "predicted_per_second": 61.5 });
    llama["usage"]["prompt_tokens_details"] = json!({ "cached_tokens": 3 });
    let mut vllm = whole(
        text(json!({ "refusal": null, "annotations": null, "audio": null, "function_call": null,
                     "tool_calls": [], "reasoning_content": null })),
        "stop",
    );
    vllm["choices"][0]["logprobs"] = Value::Null;
    vllm["choices"][0]["stop_reason"] = Value::Null;
    vllm["choices"][0]["token_ids"] = Value::Null;
    vllm["usage"]["prompt_tokens_details"] = Value::Null;
    vllm["prompt_logprobs"] = Value::Null;
    vllm["kv_transfer_params"] = Value::Null;
    let mut continuous = piece(json!({ "content": "Hello" }), Value::Null);
    continuous["usage"] = json!({ "prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8 });
    let mut bare = whole(json!({ "role": "assistant", "content": "Hello" }), "stop");
    bare.as_object_mut().unwrap().shift_remove("id");
    bare.as_object_mut().unwrap().shift_remove("created");
    bare["usage"].as_object_mut().unwrap().shift_remove("total_tokens");
    let mut bare_chunk = piece(json!({ "content": "Hello" }), Value::Null);
    bare_chunk.as_object_mut().unwrap().shift_remove("id");
    bare_chunk["choices"][0].as_object_mut().unwrap().shift_remove("finish_reason");
    let call =
        json!({ "id": "1", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let mut indexed = call.clone();
    indexed["index"] = json!(0);
    vec![
        Habit {
            name: "llama.cpp",
            whole: llama,
            chunks: vec![
                piece(json!({ "role": "assistant", "content": null }), Value::Null),
                piece(json!({ "content": "Hello" }), Value::Null),
                piece(json!({}), json!("stop")),
                usage(),
            ],
        },
        Habit {
            name: "vLLM with continuous usage",
            whole: vllm,
            chunks: vec![
                piece(json!({ "role": "assistant", "content": "" }), Value::Null),
                continuous,
                piece(json!({ "content": "!" }), json!("stop")),
                usage(),
            ],
        },
        Habit {
            name: "a reasoning parser",
            whole: whole(text(json!({ "reasoning_content": "Hm." })), "stop"),
            chunks: vec![
                piece(json!({ "role": "assistant", "reasoning_content": "Hm." }), Value::Null),
                piece(json!({ "content": "Hello" }), json!("stop")),
                usage(),
            ],
        },
        Habit {
            name: "calls, with a finish reason of its own",
            whole: whole(json!({ "role": "assistant", "tool_calls": [call] }), "tool_calls"),
            chunks: vec![
                piece(json!({ "role": "assistant", "tool_calls": [indexed] }), Value::Null),
                piece(json!({}), json!("tool_calls")),
                usage(),
            ],
        },
        Habit {
            name: "what a small server leaves out",
            whole: bare,
            chunks: vec![bare_chunk, piece(json!({}), json!("stop")), usage()],
        },
        Habit {
            name: "an end in words of its own",
            whole: whole(text(json!({})), "eos_token"),
            chunks: vec![
                piece(json!({ "role": "assistant", "content": "Hello" }), Value::Null),
                piece(json!({}), json!("MAX_TOKENS")),
                usage(),
            ],
        },
        Habit {
            name: "an empty finish reason until the end",
            whole: whole(text(json!({})), "stop"),
            chunks: vec![
                piece(json!({ "role": "assistant", "content": "Hello" }), json!("")),
                piece(json!({ "content": "!" }), json!("")),
                piece(json!({}), json!("stop")),
                usage(),
            ],
        },
    ]
}
