//! From a responses request to a chat completion request.

use bytes::Bytes;
use pinaivu_openai::ApiError;
use serde_json::{Map, Value, json};

use super::input;

/// A translated request.
#[derive(Clone, Debug)]
pub(in crate::http) struct Translated {
    /// The chat completion request.
    pub(in crate::http) chat: Bytes,
    /// What the response repeats of the request.
    pub(super) echo: Value,
}

/// What would need memory, or something to be run, and why it is not done.
const REFUSED: [(&str, &str); 5] = [
    ("previous_response_id", "Responses are not stored; send the earlier turns in 'input'."),
    ("conversation", "Conversations are not stored; send the earlier turns in 'input'."),
    ("prompt", "Prompt templates are not stored; send the text in 'input'."),
    ("max_tool_calls", "The gateway runs no tools."),
    ("context_management", "The gateway does not shorten contexts."),
];

/// Members that mean the same in both.
const SAME: [&str; 9] = [
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "service_tier",
    "provider",
    "seed",
];

/// Members that are read here and have no counterpart.
const READ: [&str; 16] = [
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "metadata",
    "store",
    "background",
    "truncation",
    "include",
    "top_logprobs",
];

/// Translates a body.
///
/// # Errors
/// The first member that is malformed or cannot be served, by name.
pub(in crate::http) fn translate(body: &[u8]) -> Result<Translated, ApiError> {
    // Also refuses what two readers could understand differently.
    let request = pinaivu_protocol::jcs::parse(body).map_err(|_| {
        ApiError::invalid_json("it is not valid JSON, or a field stands there twice.")
    })?;
    let Value::Object(request) = request else {
        return Err(ApiError::invalid_json("it is not a JSON object."));
    };
    refuse(&request)?;
    let mut chat = Map::new();
    chat.insert("model".into(), get(&request, "model").cloned().unwrap_or(Value::Null));
    if chat.get("model").is_none_or(|model| !model.is_string()) {
        return Err(ApiError::missing_parameter("model"));
    }
    chat.insert("messages".into(), messages(&request)?.into());
    if let Some(limit) = get(&request, "max_output_tokens") {
        chat.insert("max_completion_tokens".into(), limit.clone());
    }
    for name in SAME {
        if let Some(value) = get(&request, name) {
            chat.insert(name.into(), value.clone());
        }
    }
    if let Some(effort) = request.get("reasoning").and_then(|reasoning| reasoning.get("effort"))
        && !effort.is_null()
    {
        chat.insert("reasoning_effort".into(), effort.clone());
    }
    if let Some(tools) = get(&request, "tools") {
        let tools = tools.as_array().ok_or_else(|| {
            ApiError::invalid_value("tools", "an array of tools of type 'function'")
        })?;
        if !tools.is_empty() {
            let tools = tools.iter().enumerate().map(tool).collect::<Result<Vec<_>, _>>()?;
            chat.insert("tools".into(), tools.into());
        }
    }
    if let Some(choice) = get(&request, "tool_choice") {
        chat.insert("tool_choice".into(), tool_choice(choice)?);
    }
    if let Some(format) = format(&request)? {
        chat.insert("response_format".into(), format);
    }
    if get(&request, "stream") == Some(&Value::Bool(true)) {
        chat.insert("stream".into(), true.into());
        chat.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    // What neither side knows goes on as it is: the model's server may.
    for (name, value) in &request {
        let known = READ.contains(&name.as_str())
            || SAME.contains(&name.as_str())
            || REFUSED.iter().any(|(refused, _)| refused == name);
        if !known {
            chat.insert(name.clone(), value.clone());
        }
    }
    let chat = Value::Object(chat).to_string().into();
    Ok(Translated { chat, echo: echo(&request) })
}

/// A member that is not null.
fn get<'a>(request: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    request.get(name).filter(|value| !value.is_null())
}

fn refuse(request: &Map<String, Value>) -> Result<(), ApiError> {
    for (name, why) in REFUSED {
        if get(request, name).is_some() {
            return Err(ApiError::unsupported_parameter(name, why));
        }
    }
    for (name, why) in [
        ("background", "Responses are not stored, so nothing can fetch them later."),
        ("store", "Responses are not stored. Send 'store': false."),
    ] {
        match get(request, name) {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => return Err(ApiError::unsupported_parameter(name, why)),
            Some(_) => return Err(ApiError::invalid_value(name, "a boolean")),
        }
    }
    match get(request, "truncation").map(Value::as_str) {
        None | Some(Some("disabled")) => {}
        _ => {
            let why = "The gateway does not shorten inputs; send 'disabled'.";
            return Err(ApiError::unsupported_parameter("truncation", why));
        }
    }
    let included = get(request, "include").and_then(Value::as_array);
    if let Some(item) = included.into_iter().flatten().next() {
        let name = item.as_str().unwrap_or("");
        // Nothing is stored, so there is nothing to encrypt: harmless to ask for.
        if name != "reasoning.encrypted_content" {
            let why = "Only what chat completions return can be included.";
            return Err(ApiError::unsupported_parameter("include", why));
        }
    }
    if get(request, "top_logprobs").is_some_and(|value| value != &json!(0)) {
        let why = "Log-probabilities are told on /v1/chat/completions only.";
        return Err(ApiError::unsupported_parameter("top_logprobs", why));
    }
    // Each would make several answers, and a response has one.
    if get(request, "n").is_some_and(|value| value != &json!(1)) {
        return Err(ApiError::unsupported_parameter("n", "A response is one answer."));
    }
    Ok(())
}

fn messages(request: &Map<String, Value>) -> Result<Vec<Value>, ApiError> {
    let mut messages = Vec::new();
    match get(request, "instructions") {
        None => {}
        Some(Value::String(text)) => messages.push(json!({ "role": "system", "content": text })),
        Some(_) => return Err(ApiError::invalid_value("instructions", "a string")),
    }
    match get(request, "input") {
        None => return Err(ApiError::missing_parameter("input")),
        Some(Value::String(text)) => messages.push(json!({ "role": "user", "content": text })),
        Some(Value::Array(items)) if !items.is_empty() => input::add(items, &mut messages)?,
        Some(_) => {
            return Err(ApiError::invalid_value("input", "a string or an array of items"));
        }
    }
    Ok(messages)
}

fn tool((at, tool): (usize, &Value)) -> Result<Value, ApiError> {
    let kind = tool.get("type").and_then(Value::as_str).unwrap_or("");
    if kind != "function" {
        let why =
            "The gateway runs no tools of its own; only those of type 'function' are offered.";
        return Err(ApiError::unsupported_parameter(format!("tools[{at}].type"), why));
    }
    let mut function = Map::new();
    for name in ["name", "description", "parameters", "strict"] {
        if let Some(value) = tool.get(name).filter(|value| !value.is_null()) {
            function.insert(name.into(), value.clone());
        }
    }
    Ok(json!({ "type": "function", "function": function }))
}

fn tool_choice(choice: &Value) -> Result<Value, ApiError> {
    match choice {
        Value::String(_) => Ok(choice.clone()),
        Value::Object(members) if members.get("type") == Some(&json!("function")) => {
            let name = members.get("name").cloned().unwrap_or(Value::Null);
            Ok(json!({ "type": "function", "function": { "name": name } }))
        }
        _ => {
            let why = "A function by name, or 'auto', 'none' or 'required'.";
            Err(ApiError::unsupported_parameter("tool_choice", why))
        }
    }
}

fn format(request: &Map<String, Value>) -> Result<Option<Value>, ApiError> {
    let format = get(request, "text").and_then(|text| text.get("format"));
    let Some(format) = format.filter(|format| !format.is_null()) else { return Ok(None) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(json!({ "type": "json_object" }))),
        Some("json_schema") => {
            let mut schema = Map::new();
            for name in ["name", "description", "schema", "strict"] {
                if let Some(value) = format.get(name).filter(|value| !value.is_null()) {
                    schema.insert(name.into(), value.clone());
                }
            }
            Ok(Some(json!({ "type": "json_schema", "json_schema": schema })))
        }
        _ => Err(ApiError::invalid_value("text.format.type", "text, json_object or json_schema")),
    }
}

/// What a response repeats, with OpenAI's defaults.
fn echo(request: &Map<String, Value>) -> Value {
    let or = |name: &str, default: Value| get(request, name).cloned().unwrap_or(default);
    json!({
        "background": false,
        "instructions": or("instructions", Value::Null),
        "max_output_tokens": or("max_output_tokens", Value::Null),
        "max_tool_calls": null,
        "metadata": or("metadata", json!({})),
        "model": or("model", Value::Null),
        "parallel_tool_calls": or("parallel_tool_calls", true.into()),
        "previous_response_id": null,
        "reasoning": or("reasoning", json!({ "effort": null, "summary": null })),
        "service_tier": or("service_tier", "default".into()),
        "store": false,
        "temperature": or("temperature", 1.0.into()),
        "text": or("text", json!({ "format": { "type": "text" } })),
        "tool_choice": or("tool_choice", "auto".into()),
        "tools": or("tools", json!([])),
        "top_logprobs": 0,
        "top_p": or("top_p", 1.0.into()),
        "truncation": "disabled",
        "user": or("user", Value::Null),
    })
}
