//! What a scripted node does with a request.

use serde_json::{Value, json};

/// One request's course.
#[derive(Clone, Debug)]
pub(crate) enum Script {
    /// Answers with these pieces of text.
    Answer(Vec<String>),
    /// The same, but reports this usage instead of the right one.
    Miscount { pieces: Vec<String>, prompt: u32, completion: u32 },
    /// Refuses the ticket with this code.
    RefuseTicket(&'static str),
    /// Answers with an error of its server.
    Error(u16, Value),
    /// Takes the request and never answers.
    Hang,
    /// Resets the stream after the response's head.
    ResetBeforeFirstByte,
    /// Streams these pieces, then resets the stream.
    ResetAfter(Vec<String>),
    /// Streams these pieces, then an error event, then ends without `[DONE]`.
    ErrorAfter(Vec<String>),
    /// Streams these pieces, then nothing.
    HangAfter(Vec<String>),
    /// Streams pieces of this many bytes for ever.
    Endless(usize),
    /// Answers with this object, whatever was asked for.
    Whole(Value),
    /// Streams these chunks and `[DONE]`.
    Chunks(Vec<Value>),
    /// Streams these pieces and then these bytes, and ends.
    Bytes(Vec<String>, &'static [u8]),
    /// Streams these chunks, then resets the stream.
    ChunksThenReset(Vec<Value>),
    /// Does what the request asks for, as a good model would: calls the tool, follows the schema.
    AsAsked,
    /// Leaves out the proof.
    WithoutProof(Vec<String>),
}

impl Script {
    /// Answers with these words.
    pub(crate) fn words(text: &str) -> Self {
        Self::Answer(pieces(text))
    }
}

/// A text cut before each space.
pub(crate) fn pieces(text: &str) -> Vec<String> {
    let words = text.split(' ').enumerate();
    words.map(|(at, word)| if at == 0 { word.into() } else { format!(" {word}") }).collect()
}

/// A chunk with a piece of text.
pub(crate) fn chunk(model: &str, text: &str) -> Value {
    object(
        "chat.completion.chunk",
        model,
        json!([
            { "index": 0, "delta": { "content": text }, "finish_reason": null }
        ]),
    )
}

/// The chunk that ends a choice.
pub(crate) fn last_chunk(model: &str) -> Value {
    object(
        "chat.completion.chunk",
        model,
        json!([
            { "index": 0, "delta": {}, "finish_reason": "stop" }
        ]),
    )
}

/// The chunk with the usage.
pub(crate) fn usage_chunk(model: &str, prompt: u32, completion: u32) -> Value {
    let mut chunk = object("chat.completion.chunk", model, json!([]));
    chunk["usage"] = usage(prompt, completion);
    chunk
}

/// A unary answer.
pub(crate) fn completion(model: &str, text: &str, prompt: u32, completion: u32) -> Value {
    let mut answer = object(
        "chat.completion",
        model,
        json!([
            { "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }
        ]),
    );
    answer["usage"] = usage(prompt, completion);
    answer
}

fn usage(prompt: u32, completion: u32) -> Value {
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    })
}

fn object(kind: &str, model: &str, choices: Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": kind, "created": 1, "model": model, "choices": choices })
}
