//! Answers that fit their requests, for clients that check: the tool that is offered is called with
//! arguments its schema allows, and structured output follows its schema.

use serde_json::{Map, Value, json};

use super::habits::{habits, whole};
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
        _ => match request["like_server"].as_u64() {
            Some(which) => like_server(which, streamed),
            None => chat(request, streamed),
        },
    }
}

/// An answer as one of the servers gives it that clients will meet behind nodes; beyond the last of them
/// one that says so.
fn like_server(which: u64, streamed: bool) -> Script {
    let Some(habit) = habits().into_iter().nth(usize::try_from(which).unwrap()) else {
        let message = json!({ "role": "assistant", "content": "no such server" });
        return Script::Whole(whole(message, "stop"));
    };
    match streamed {
        true => Script::Chunks(habit.chunks),
        false => Script::Whole(habit.whole),
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
    let count = match request["input"].as_array() {
        Some(inputs) if !inputs[0].is_number() => inputs.len(),
        _ => 1,
    };
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

/// A value that a JSON schema allows: what a model says that follows it. `name` is the member it is for.
fn value_for(schema: &Value, root: &Value, name: &str) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null);
        return value_for(target, root, name);
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(first) = schema["anyOf"].as_array().and_then(|schemas| schemas.first()) {
        return value_for(first, root, name);
    }
    match schema["type"].as_str() {
        Some("integer") => json!(36),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => json!([value_for(&schema["items"], root, name)]),
        Some("string") => json!(match name {
            "city" => "Paris",
            "name" => "Ada",
            _ => "text",
        }),
        _ => {
            let members = schema["properties"].as_object().cloned().unwrap_or_default();
            let filled: Map<String, Value> = members
                .iter()
                .map(|(name, member)| (name.clone(), value_for(member, root, name)))
                .collect();
            filled.into()
        }
    }
}

/// What the model says: a text, or calls by name and arguments.
enum Said {
    Text(String),
    Calls(Vec<(String, String)>),
}

fn said(request: &Value) -> Said {
    let answered = request["messages"]
        .as_array()
        .and_then(|messages| messages.last())
        .is_some_and(|message| message["role"] == "tool");
    let format = &request["response_format"];
    match format["type"].as_str() {
        Some("json_schema") => {
            let schema = &format["json_schema"]["schema"];
            return Said::Text(value_for(schema, schema, "").to_string());
        }
        Some("json_object") => return Said::Text("{}".into()),
        _ => {}
    }
    let tools: Vec<&Value> = request["tools"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tool| &tool["function"])
        .filter(|function| function["name"].is_string())
        .collect();
    if tools.is_empty() || answered || request["tool_choice"] == "none" {
        return Said::Text(TEXT.into());
    }
    let wanted = &request["tool_choice"]["function"]["name"];
    let first = tools.iter().find(|tool| tool["name"] == *wanted).unwrap_or(&tools[0]);
    let called = match request["parallel_tool_calls"] == true {
        true => tools.clone(),
        false => vec![*first],
    };
    let call = |function: &&Value| {
        let parameters = &function["parameters"];
        let name = function["name"].as_str().unwrap().to_owned();
        (name, value_for(parameters, parameters, "").to_string())
    };
    Said::Calls(called.iter().map(call).collect())
}

/// Log-probabilities of one token, with as many alternatives as were asked for.
fn logprobs(request: &Value) -> Value {
    if request["logprobs"] != true {
        return Value::Null;
    }
    let token = |text: &str| json!({ "token": text, "logprob": -0.5, "bytes": text.as_bytes() });
    let mut first = token("Hello");
    let count = request["top_logprobs"].as_u64().unwrap_or(0);
    first["top_logprobs"] = (0..count).map(|_| token("Hello")).collect();
    json!({ "content": [first], "refusal": null })
}

fn chat(request: &Value, streamed: bool) -> Script {
    let said = said(request);
    let object = |kind: &str, choices: Value| {
        json!({ "id": "chatcmpl-1", "object": kind, "created": 1, "model": request["model"],
                "choices": choices })
    };
    if !streamed {
        let count = request["n"].as_u64().unwrap_or(1);
        let (message, finish) = match said {
            Said::Text(text) => (json!({ "role": "assistant", "content": text }), "stop"),
            Said::Calls(calls) => {
                let calls: Vec<Value> = calls
                    .iter()
                    .enumerate()
                    .map(|(at, (name, arguments))| {
                        json!({ "id": format!("call_{at}"), "type": "function",
                                "function": { "name": name, "arguments": arguments } })
                    })
                    .collect();
                let message = json!({ "role": "assistant", "content": null, "tool_calls": calls });
                (message, "tool_calls")
            }
        };
        let choices: Vec<Value> = (0..count)
            .map(|index| {
                let mut choice =
                    json!({ "index": index, "message": message, "finish_reason": finish });
                if request["logprobs"] == true {
                    choice["logprobs"] = logprobs(request);
                }
                choice
            })
            .collect();
        let mut whole = object("chat.completion", choices.into());
        whole["usage"] = usage();
        return Script::Whole(whole);
    }
    let count = request["n"].as_u64().unwrap_or(1);
    let chunk = |index: u64, delta: Value, finish: Value| {
        object(
            "chat.completion.chunk",
            json!([{ "index": index, "delta": delta, "finish_reason": finish }]),
        )
    };
    let mut chunks = Vec::new();
    for index in 0..count {
        chunks.push(chunk(index, json!({ "role": "assistant", "content": null }), Value::Null));
        let finish = match &said {
            Said::Text(text) => {
                for piece in pieces(text) {
                    chunks.push(chunk(index, json!({ "content": piece }), Value::Null));
                }
                "stop"
            }
            Said::Calls(calls) => {
                for (at, (name, arguments)) in calls.iter().enumerate() {
                    let begun = json!([{ "index": at, "id": format!("call_{at}"), "type": "function",
                                         "function": { "name": name, "arguments": "" } }]);
                    chunks.push(chunk(index, json!({ "tool_calls": begun }), Value::Null));
                    let (first, second) = arguments.split_at(arguments.len() / 2);
                    for piece in [first, second] {
                        let piece = json!([{ "index": at, "function": { "arguments": piece } }]);
                        chunks.push(chunk(index, json!({ "tool_calls": piece }), Value::Null));
                    }
                }
                "tool_calls"
            }
        };
        chunks.push(chunk(index, json!({}), json!(finish)));
    }
    let mut last = object("chat.completion.chunk", json!([]));
    last["usage"] = usage();
    chunks.push(last);
    Script::Chunks(chunks)
}
