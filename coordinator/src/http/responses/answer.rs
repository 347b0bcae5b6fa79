//! From a whole chat completion to a response.

use pinaivu_protocol::answer::{Answer as Canonical, Message};
use serde_json::{Value, json};

use super::{Frame, Status, usage, value_of};

/// The response for a chat completion; nothing when it is not one.
pub(super) fn whole(frame: &Frame, completion: &[u8]) -> Option<Value> {
    let answer = Canonical::from_completion_json(completion).ok()?;
    let choice = answer.choices().first()?;
    let status = Status::of_finish_reason(choice.finish_reason);
    let output = items(frame, &choice.message, status);
    let usage = pinaivu_openai::get_field(completion, "usage").ok()?.map(|raw| {
        serde_json::from_str::<&serde_json::value::RawValue>(raw).map_or(Value::Null, value_of)
    });
    Some(frame.object(status, &output, self::usage(usage.as_ref()), Value::Null, Some(&answer)))
}

/// What a message comes to, as output items in OpenAI's order.
fn items(frame: &Frame, message: &Message, status: Status) -> Vec<Value> {
    let mut items = Vec::new();
    if !message.reasoning_content.is_empty() {
        items.push(reasoning(&frame.id("rs"), &message.reasoning_content));
    }
    let mut content = Vec::new();
    if !message.content.is_empty() {
        content.push(output_text(&message.content));
    }
    if !message.refusal.is_empty() {
        content.push(json!({ "type": "refusal", "refusal": message.refusal }));
    }
    // All but the last item were finished.
    let calls = message.tool_calls.len();
    let ended = |last: bool| if last { status.text() } else { Status::Completed.text() };
    if !content.is_empty() || calls == 0 {
        items.push(self::message(&frame.id("msg"), ended(calls == 0), content));
    }
    for (at, call) in message.tool_calls.iter().enumerate() {
        items.push(function_call(
            &format!("{}_{at}", frame.id("fc")),
            ended(at.saturating_add(1) == calls),
            &call.id,
            &call.function.name,
            &call.function.arguments,
        ));
    }
    items
}

pub(super) fn reasoning(id: &str, text: &str) -> Value {
    let content = match text {
        "" => json!([]),
        text => json!([{ "type": "reasoning_text", "text": text }]),
    };
    json!({ "id": id, "type": "reasoning", "summary": [], "content": content })
}

pub(super) fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

pub(super) fn message(id: &str, status: &str, content: Vec<Value>) -> Value {
    json!({
        "id": id, "type": "message", "role": "assistant", "status": status, "content": content,
    })
}

pub(super) fn function_call(
    id: &str,
    status: &str,
    call: &str,
    name: &str,
    arguments: &str,
) -> Value {
    json!({
        "id": id,
        "type": "function_call",
        "status": status,
        "call_id": call,
        "name": name,
        "arguments": arguments,
    })
}
