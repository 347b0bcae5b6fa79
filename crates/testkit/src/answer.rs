//! The bytes of an answer, as llama.cpp and vLLM send them.

use bytes::Bytes;
use pinaivu_openai::{DONE_EVENT, encode_event};
use serde_json::{Value, json};

use crate::script::{Answer, Flavour, ReportedUsage};

/// The same for every answer: nothing here may depend on a clock.
const CREATED: u64 = 1_700_000_000;
const ID: &str = "chatcmpl-scripted";

/// What of a request shapes the answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) max_tokens: Option<usize>,
    /// The last assistant message, to be continued.
    pub(crate) begun: Option<String>,
}

impl Wanted {
    pub(crate) fn read(body: &Value) -> Self {
        let limit = body.get("max_completion_tokens").filter(|value| !value.is_null());
        let limit = limit.or_else(|| body.get("max_tokens")).and_then(Value::as_u64);
        let continues = body.get("continue_final_message").and_then(Value::as_bool);
        let last = body.get("messages").and_then(Value::as_array).and_then(|all| all.last());
        let begun = last
            .filter(|message| message.get("role").and_then(Value::as_str) == Some("assistant"))
            .and_then(|message| message.get("content"))
            .and_then(Value::as_str);
        let flag = |value: Option<&Value>| value.and_then(Value::as_bool).unwrap_or(false);
        Self {
            model: body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
            stream: flag(body.get("stream")),
            include_usage: flag(body.pointer("/stream_options/include_usage")),
            max_tokens: limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            begun: begun.filter(|_| continues == Some(true)).map(str::to_owned),
        }
    }
}

/// The pieces a request gets, and why they end.
pub(crate) struct Cut {
    pub(crate) pieces: Vec<String>,
    pub(crate) finish_reason: &'static str,
}

pub(crate) fn cut(answer: &Answer, wanted: &Wanted) -> Cut {
    let mut skipped = 0;
    if let Some(begun) = &wanted.begun {
        let mut text = String::new();
        for (at, piece) in answer.pieces.iter().enumerate() {
            text.push_str(piece);
            if text == *begun {
                skipped = at + 1;
            }
        }
    }
    let rest = answer.pieces.iter().skip(skipped);
    let most = wanted.max_tokens.unwrap_or(usize::MAX);
    let pieces: Vec<String> = rest.clone().take(most).cloned().collect();
    let finish_reason = if rest.count() > pieces.len() { "length" } else { "stop" };
    Cut { pieces, finish_reason }
}

fn usage(answer: &Answer, cut: &Cut, flavour: Flavour) -> Option<Value> {
    let (prompt, completion) = match answer.usage {
        ReportedUsage::Right => {
            let end_token = usize::from(cut.finish_reason == "stop");
            let tokens = u32::try_from(cut.pieces.len() + end_token).unwrap_or(u32::MAX);
            (answer.prompt_tokens, tokens)
        }
        ReportedUsage::Wrong { prompt, completion } => (prompt, completion),
        ReportedUsage::Missing => return None,
    };
    let mut usage = json!({
        "completion_tokens": completion,
        "prompt_tokens": prompt,
        "total_tokens": prompt.saturating_add(completion),
    });
    if let Some(fields) = usage.as_object_mut() {
        let details = match flavour {
            Flavour::LlamaCpp => json!({ "cached_tokens": 0 }),
            Flavour::Vllm | Flavour::Plain => Value::Null,
        };
        fields.insert("prompt_tokens_details".to_owned(), details);
    }
    Some(usage)
}

/// The body of a unary answer to a request for `model`, as `flavour` writes it.
#[must_use]
pub fn unary_body(answer: &Answer, model: &str, flavour: Flavour) -> Vec<u8> {
    let wanted = Wanted { model: model.to_owned(), ..Wanted::default() };
    unary(answer, &wanted, flavour)
}

pub(crate) fn unary(answer: &Answer, wanted: &Wanted, flavour: Flavour) -> Vec<u8> {
    let cut = cut(answer, wanted);
    let mut body = json!({
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": wanted.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": cut.pieces.concat() },
            "finish_reason": cut.finish_reason,
        }],
    });
    if let (Some(fields), Some(usage)) = (body.as_object_mut(), usage(answer, &cut, flavour)) {
        fields.insert("usage".to_owned(), usage);
    }
    body.to_string().into_bytes()
}

/// The events of a streamed answer to a request for `model`, one each, `[DONE]` included.
#[must_use]
pub fn stream_events(
    answer: &Answer,
    model: &str,
    include_usage: bool,
    flavour: Flavour,
) -> Vec<Bytes> {
    let wanted = Wanted { model: model.to_owned(), include_usage, ..Wanted::default() };
    let Stream { opening, pieces, closing, done } = stream(answer, &wanted, flavour);
    opening.into_iter().chain(pieces).chain(closing).chain([done]).collect()
}

/// The events of a stream: before the pieces, one for each, and after them.
pub(crate) struct Stream {
    pub(crate) opening: Vec<Bytes>,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) closing: Vec<Bytes>,
    pub(crate) done: Bytes,
}

pub(crate) fn stream(answer: &Answer, wanted: &Wanted, flavour: Flavour) -> Stream {
    let cut = cut(answer, wanted);
    let chunk = |choices: Value| {
        json!({
            "id": ID,
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": wanted.model,
            "choices": choices,
        })
    };
    let delta = |delta: Value, reason: Option<&str>| {
        let choice = json!([{ "index": 0, "delta": delta, "finish_reason": reason }]);
        encode_event(chunk(choice).to_string().as_bytes())
    };
    let finish_with_text = flavour == Flavour::Vllm;
    let last = cut.pieces.len().saturating_sub(1);
    let pieces = cut
        .pieces
        .iter()
        .enumerate()
        .map(|(at, piece)| {
            let reason = (finish_with_text && at == last).then_some(cut.finish_reason);
            delta(json!({ "content": piece }), reason)
        })
        .collect();
    let first_content = if finish_with_text { json!("") } else { Value::Null };
    let mut closing = Vec::new();
    if !finish_with_text || cut.pieces.is_empty() {
        closing.push(delta(json!({}), Some(cut.finish_reason)));
    }
    if wanted.include_usage
        && let Some(usage) = usage(answer, &cut, flavour)
    {
        let mut bare = chunk(json!([]));
        if let Some(fields) = bare.as_object_mut() {
            fields.insert("usage".to_owned(), usage);
        }
        closing.push(encode_event(bare.to_string().as_bytes()));
    }
    Stream {
        opening: vec![delta(json!({ "role": "assistant", "content": first_content }), None)],
        pieces,
        closing,
        done: Bytes::from_static(DONE_EVENT),
    }
}
