//! Input items as chat messages.

use pinaivu_openai::ApiError;
use serde_json::{Value, json};

/// Adds the messages that `items` stand for, in order.
pub(super) fn add(items: &[Value], messages: &mut Vec<Value>) -> Result<(), ApiError> {
    for (at, item) in items.iter().enumerate() {
        let kind = item.get("type").and_then(Value::as_str).unwrap_or("message");
        match kind {
            "message" => messages.push(message(at, item)?),
            "function_call" => call(at, item, messages)?,
            "function_call_output" => messages.push(output(at, item)?),
            // What a model thought before is not shown to it again.
            "reasoning" => {}
            "item_reference" => {
                let why = "Items are not stored; send them whole.";
                return Err(ApiError::unsupported_parameter(format!("input[{at}].type"), why));
            }
            _ => {
                let why = "Only messages, function calls and their outputs can be passed on.";
                return Err(ApiError::unsupported_parameter(format!("input[{at}].type"), why));
            }
        }
    }
    Ok(())
}

fn text<'a>(at: usize, item: &'a Value, name: &str) -> Result<&'a str, ApiError> {
    item.get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| ApiError::invalid_value(format!("input[{at}].{name}"), "a string"))
}

fn message(at: usize, item: &Value) -> Result<Value, ApiError> {
    let role = text(at, item, "role")?;
    if !["user", "assistant", "system", "developer"].contains(&role) {
        let expected = "user, assistant, system or developer";
        return Err(ApiError::invalid_value(format!("input[{at}].role"), expected));
    }
    let content = item.get("content").unwrap_or(&Value::Null);
    let content = match content {
        Value::String(text) => Value::from(text.as_str()),
        Value::Array(parts) if role == "assistant" => joined(at, parts)?.into(),
        Value::Array(parts) => {
            parts.iter().map(|part| self::part(at, part)).collect::<Result<Vec<_>, _>>()?.into()
        }
        _ => {
            let expected = "a string or an array of content parts";
            return Err(ApiError::invalid_value(format!("input[{at}].content"), expected));
        }
    };
    Ok(json!({ "role": role, "content": content }))
}

fn part(at: usize, part: &Value) -> Result<Value, ApiError> {
    match part.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text" | "text") => {
            Ok(json!({ "type": "text", "text": text(at, part, "text")? }))
        }
        Some("input_image") if part.get("image_url").is_some_and(Value::is_string) => {
            let mut image = json!({ "url": part.get("image_url") });
            if let Some(detail) = part.get("detail").filter(|detail| !detail.is_null()) {
                image["detail"] = detail.clone();
            }
            Ok(json!({ "type": "image_url", "image_url": image }))
        }
        _ => {
            let why = "Only text, and images by URL, can be passed on.";
            Err(ApiError::unsupported_parameter(format!("input[{at}].content"), why))
        }
    }
}

/// What an assistant said before, as one text.
fn joined(at: usize, parts: &[Value]) -> Result<String, ApiError> {
    let piece = |part: &Value| match part.get("type").and_then(Value::as_str) {
        Some("refusal") => text(at, part, "refusal").map(str::to_owned),
        Some("output_text" | "input_text" | "text") => text(at, part, "text").map(str::to_owned),
        _ => {
            let why = "An assistant's earlier message is text or a refusal.";
            Err(ApiError::unsupported_parameter(format!("input[{at}].content"), why))
        }
    };
    parts.iter().map(piece).collect()
}

/// Calls that follow an assistant's message, or one another, are one message.
fn call(at: usize, item: &Value, messages: &mut Vec<Value>) -> Result<(), ApiError> {
    let call = json!({
        "id": text(at, item, "call_id")?,
        "type": "function",
        "function": {
            "name": text(at, item, "name")?,
            "arguments": text(at, item, "arguments")?,
        },
    });
    let last = messages.last_mut().filter(|last| last.get("role") == Some(&json!("assistant")));
    match last.and_then(Value::as_object_mut) {
        Some(last) => {
            let calls = last.entry("tool_calls").or_insert_with(|| json!([]));
            if let Some(calls) = calls.as_array_mut() {
                calls.push(call);
            }
        }
        None => {
            messages.push(json!({ "role": "assistant", "content": null, "tool_calls": [call] }))
        }
    }
    Ok(())
}

fn output(at: usize, item: &Value) -> Result<Value, ApiError> {
    let content = match item.get("output") {
        Some(Value::String(text)) => Value::from(text.as_str()),
        Some(Value::Array(parts)) => {
            parts.iter().map(|part| self::part(at, part)).collect::<Result<Vec<_>, _>>()?.into()
        }
        _ => {
            let expected = "a string or an array of content parts";
            return Err(ApiError::invalid_value(format!("input[{at}].output"), expected));
        }
    };
    Ok(json!({ "role": "tool", "tool_call_id": text(at, item, "call_id")?, "content": content }))
}
