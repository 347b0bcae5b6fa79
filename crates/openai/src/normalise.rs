//! What inference servers leave out of an answer that OpenAI's schema requires, or say in a way it does not
//! allow.
//!
//! Only members that are null or say what is known are added, and only empty ones are taken away: the
//! canonical answer, which commitments are made of, is the same before and after. For the same reason a
//! finish reason stays what it is.

use serde_json::{Map, Value};

use crate::endpoint::Endpoint;

/// What to say where a server says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults<'a> {
    /// The answer's id.
    pub id: &'a str,
    /// The model, as the client named it.
    pub model: &'a str,
    /// When it was asked for, in seconds since 1970.
    pub created: u64,
}

/// A whole answer with everything the schema requires; nothing when it lacks nothing, or is none.
#[must_use]
pub fn normalise_whole(
    endpoint: Endpoint,
    answer: &[u8],
    defaults: Defaults<'_>,
) -> Option<Vec<u8>> {
    // Looking costs less than parsing, and most servers always lack the same.
    let (kind, required): (&str, &[&[u8]]) = match endpoint {
        Endpoint::Chat => ("chat.completion", &[b"\"refusal\"", b"\"logprobs\""]),
        Endpoint::Completions => ("text_completion", &[b"\"logprobs\""]),
        Endpoint::Embeddings => return None,
    };
    let complete = required.iter().chain(&SHARED).all(|name| has(answer, name));
    if complete && !has(answer, b"\"annotations\":null") && !has(answer, b"\"tool_calls\":[]") {
        return None;
    }
    let mut object: Map<String, Value> = serde_json::from_slice(answer).ok()?;
    for choice in object.get_mut("choices")?.as_array_mut()? {
        let choice = choice.as_object_mut()?;
        choice.entry("logprobs").or_insert(Value::Null);
        choice.entry("finish_reason").or_insert(Value::Null);
        if endpoint == Endpoint::Chat {
            let message = choice.get_mut("message")?.as_object_mut()?;
            message.entry("content").or_insert(Value::Null);
            message.entry("refusal").or_insert(Value::Null);
            message.entry("role").or_insert_with(|| "assistant".into());
            message.retain(|name, value| match name.as_str() {
                "annotations" => !value.is_null(),
                "tool_calls" => value.as_array().is_some_and(|calls| !calls.is_empty()),
                _ => true,
            });
        }
    }
    fill(&mut object, kind, defaults);
    serde_json::to_vec(&object).ok()
}

/// Whether chunks like this one have to go through [`normalise_chunk`]: a server that leaves something out
/// of one leaves it out of all.
#[must_use]
pub fn lacks_members(chunk: &[u8]) -> bool {
    !SHARED.iter().all(|name| has(chunk, name)) || !has(chunk, b"\"finish_reason\"")
}

/// A chunk of a stream with everything the schema requires; nothing when it is none.
#[must_use]
pub fn normalise_chunk(
    endpoint: Endpoint,
    chunk: &[u8],
    defaults: Defaults<'_>,
) -> Option<Vec<u8>> {
    let kind = match endpoint {
        Endpoint::Chat => "chat.completion.chunk",
        Endpoint::Completions => "text_completion",
        Endpoint::Embeddings => return None,
    };
    let mut object: Map<String, Value> = serde_json::from_slice(chunk).ok()?;
    let choices = object.entry("choices").or_insert_with(|| Value::Array(Vec::new()));
    for (position, choice) in choices.as_array_mut()?.iter_mut().enumerate() {
        let choice = choice.as_object_mut()?;
        choice.entry("index").or_insert(position.into());
        choice.entry("finish_reason").or_insert(Value::Null);
        match endpoint {
            Endpoint::Chat => choice.entry("delta").or_insert_with(|| Map::new().into()),
            _ => choice.entry("logprobs").or_insert(Value::Null),
        };
    }
    fill(&mut object, kind, defaults);
    serde_json::to_vec(&object).ok()
}

/// What every answer has.
const SHARED: [&[u8]; 4] = [b"\"id\"", b"\"object\"", b"\"created\"", b"\"model\""];

fn fill(object: &mut Map<String, Value>, kind: &str, defaults: Defaults<'_>) {
    object.entry("id").or_insert_with(|| defaults.id.into());
    object.entry("object").or_insert_with(|| kind.into());
    object.entry("created").or_insert_with(|| defaults.created.into());
    object.entry("model").or_insert_with(|| defaults.model.into());
    if let Some(usage) = object.get_mut("usage").and_then(Value::as_object_mut) {
        let count =
            |usage: &Map<String, Value>, name| usage.get(name).and_then(Value::as_u64).unwrap_or(0);
        let (prompt, completion) =
            (count(usage, "prompt_tokens"), count(usage, "completion_tokens"));
        usage.entry("completion_tokens").or_insert(completion.into());
        usage.entry("total_tokens").or_insert(prompt.saturating_add(completion).into());
    }
}

fn has(bytes: &[u8], name: &[u8]) -> bool {
    memchr::memmem::find(bytes, name).is_some()
}
