//! What inference servers leave out of a chat completion that OpenAI's schema requires.
//!
//! Only members that are null or say what is known are added: the canonical answer, which commitments are
//! made of, is the same before and after. Streams need nothing of the kind: all that a chunk requires,
//! every server sends.

use serde_json::{Map, Value};

/// A whole chat completion with everything the schema requires; nothing when it lacks nothing, or is none.
#[must_use]
pub fn normalise_completion(completion: &[u8], model: &str) -> Option<Vec<u8>> {
    // Nearly every server lacks or has both; looking costs less than parsing.
    if has(completion, b"\"refusal\"") && has(completion, b"\"logprobs\"") {
        return None;
    }
    let mut object: Map<String, Value> = serde_json::from_slice(completion).ok()?;
    for choice in object.get_mut("choices")?.as_array_mut()? {
        let choice = choice.as_object_mut()?;
        choice.entry("logprobs").or_insert(Value::Null);
        choice.entry("finish_reason").or_insert(Value::Null);
        let message = choice.get_mut("message")?.as_object_mut()?;
        message.entry("content").or_insert(Value::Null);
        message.entry("refusal").or_insert(Value::Null);
        message.entry("role").or_insert_with(|| "assistant".into());
    }
    object.entry("object").or_insert_with(|| "chat.completion".into());
    object.entry("model").or_insert_with(|| model.into());
    serde_json::to_vec(&object).ok()
}

fn has(bytes: &[u8], name: &[u8]) -> bool {
    memchr::memmem::find(bytes, name).is_some()
}
