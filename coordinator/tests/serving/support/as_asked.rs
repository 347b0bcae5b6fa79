//! Answers that fit their requests, for clients that check.

use serde_json::{Value, json};

use super::script::{Script, pieces};

const TEXT: &str = "Hello from the node";

fn usage() -> Value {
    json!({ "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 })
}

/// What to do with a request at a path.
pub(crate) fn as_asked(path: &str, request: &Value) -> Script {
    let streamed = request["stream"] == true;
    match path {
        "/v1/embeddings" => Script::Whole(embeddings(request)),
        "/v1/completions" => completion(request, streamed),
        _ => chat(request, streamed),
    }
}

fn embeddings(request: &Value) -> Value {
    use base64::Engine as _;
    let vector = [0.5_f32, -1.0, 0.25];
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let embedding = match request["encoding_format"].as_str() {
        Some("base64") => json!(base64::engine::general_purpose::STANDARD.encode(bytes)),
        _ => json!(vector),
    };
    let count = request["input"].as_array().map_or(1, Vec::len);
    let data: Vec<Value> = (0..count)
        .map(|index| json!({ "object": "embedding", "index": index, "embedding": embedding }))
        .collect();
    json!({
        "object": "list", "model": request["model"], "data": data,
        "usage": { "prompt_tokens": 4, "total_tokens": 4 },
    })
}

fn completion(request: &Value, streamed: bool) -> Script {
    let object = |choices: Value| {
        json!({ "id": "cmpl-1", "object": "text_completion", "created": 1,
                "model": request["model"], "choices": choices })
    };
    let choice = |text: &str, finish: Value| json!([{ "index": 0, "text": text, "finish_reason": finish, "logprobs": null }]);
    if !streamed {
        let mut whole = object(choice(TEXT, json!("stop")));
        whole["usage"] = usage();
        return Script::Whole(whole);
    }
    let mut chunks: Vec<Value> =
        pieces(TEXT).iter().map(|piece| object(choice(piece, Value::Null))).collect();
    chunks.push(object(choice("", json!("stop"))));
    let mut last = object(json!([]));
    last["usage"] = usage();
    chunks.push(last);
    Script::Chunks(chunks)
}

/// What the model says: a text, or a call.
enum Said {
    Text(&'static str),
    Call,
}

fn chat(request: &Value, streamed: bool) -> Script {
    let answered = request["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .is_some_and(|message| message["role"] == "tool");
    let offered = request["tools"].as_array().is_some_and(|tools| !tools.is_empty());
    let said = match request["response_format"]["type"].as_str() {
        Some("json_schema") => Said::Text("{\"name\":\"Ada\",\"age\":36}"),
        _ if offered && !answered => Said::Call,
        _ => Said::Text(TEXT),
    };
    let object = |kind: &str, choices: Value| {
        json!({ "id": "chatcmpl-1", "object": kind, "created": 1, "model": request["model"],
                "choices": choices })
    };
    let call = |arguments: &str| {
        json!([{ "index": 0, "id": "call_1", "type": "function",
                 "function": { "name": "weather", "arguments": arguments } }])
    };
    let arguments = "{\"city\":\"Paris\"}";
    if !streamed {
        let count = request["n"].as_u64().unwrap_or(1);
        let (message, finish) = match said {
            Said::Text(text) => (json!({ "role": "assistant", "content": text }), "stop"),
            Said::Call => (
                json!({ "role": "assistant", "content": null, "tool_calls": call(arguments) }),
                "tool_calls",
            ),
        };
        let choices: Vec<Value> = (0..count)
            .map(|index| json!({ "index": index, "message": message, "finish_reason": finish }))
            .collect();
        let mut whole = object("chat.completion", choices.into());
        whole["usage"] = usage();
        return Script::Whole(whole);
    }
    let chunk = |delta: Value, finish: Value| {
        object(
            "chat.completion.chunk",
            json!([{ "index": 0, "delta": delta, "finish_reason": finish }]),
        )
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": null }), Value::Null)];
    let finish = match said {
        Said::Text(text) => {
            for piece in pieces(text) {
                chunks.push(chunk(json!({ "content": piece }), Value::Null));
            }
            "stop"
        }
        Said::Call => {
            chunks.push(chunk(json!({ "tool_calls": call("") }), Value::Null));
            let (first, second) = arguments.split_at(5);
            for piece in [first, second] {
                let piece = json!([{ "index": 0, "function": { "arguments": piece } }]);
                chunks.push(chunk(json!({ "tool_calls": piece }), Value::Null));
            }
            "tool_calls"
        }
    };
    chunks.push(chunk(json!({}), json!(finish)));
    let mut last = object("chat.completion.chunk", json!([]));
    last["usage"] = usage();
    chunks.push(last);
    Script::Chunks(chunks)
}
