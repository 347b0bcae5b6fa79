//! What inference servers leave out of an answer that OpenAI's schema requires, or say in a way it does not
//! allow.
//!
//! Only members that are null or say what is known are added, only empty ones are taken away, and a finish
//! reason in a server's own words becomes the one of OpenAI's that the protocol reads in it: the canonical
//! answer, which commitments are made of, is the same before and after.

use std::ops::Range;
use std::sync::OnceLock;

use memchr::memmem::Finder;
use pinaivu_protocol::answer::FinishReason;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::endpoint::Endpoint;
use crate::field::{TopLevel, close, put_string, span, top_level};

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
    let (kind, required): (&str, &[&Piece]) = match endpoint {
        Endpoint::Chat => ("chat.completion", &[&REFUSAL, &LOGPROBS]),
        Endpoint::Completions => ("text_completion", &[&LOGPROBS]),
        Endpoint::Embeddings => return None,
    };
    let surplus = SURPLUS.iter().any(|it| it.is_in(answer)) || has_foreign_reason(answer);
    if !surplus && required.iter().copied().chain(&SHARED).all(|it| it.is_in(answer)) {
        return None;
    }
    let usage_is_whole = !USAGE.is_in(answer) || COUNTS.iter().all(|count| count.is_in(answer));
    let added = match surplus || !usage_is_whole {
        true => None,
        false => with_members_added(endpoint, kind, answer, defaults),
    };
    added.or_else(|| built_anew(endpoint, kind, answer, defaults))
}

/// The same by adding text between the bytes that are there, which costs less than building the object and
/// writing it again. Nothing where that is not possible.
fn with_members_added(
    endpoint: Endpoint,
    kind: &str,
    answer: &[u8],
    defaults: Defaults<'_>,
) -> Option<Vec<u8>> {
    let members = top_level(answer).ok()?;
    let choices = only(&members, "choices")?;
    let place = span(answer, choices);
    let mut out = Vec::with_capacity(answer.len().saturating_add(256));
    out.extend_from_slice(answer.get(..place.start)?);
    out.push(b'[');
    let choices: Vec<&RawValue> = serde_json::from_str(choices.get()).ok()?;
    for (at, choice) in choices.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        add_to_choice(endpoint, choice.get().as_bytes(), &mut out)?;
    }
    out.push(b']');
    out.extend_from_slice(without_brace(answer, place.end)?);
    let text = |text| {
        let mut quoted = Vec::new();
        put_string(&mut quoted, text);
        String::from_utf8(quoted).unwrap_or_default()
    };
    let (id, object, model) = (text(defaults.id), text(kind), text(defaults.model));
    let created = defaults.created.to_string();
    let all = [("id", &*id), ("object", &*object), ("created", &*created), ("model", &*model)];
    close(&mut out, members.is_empty(), missing(&members, &all));
    Some(out)
}

fn add_to_choice(endpoint: Endpoint, choice: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let members = top_level(choice).ok()?;
    let mut copied = 0;
    if endpoint == Endpoint::Chat {
        let message = only(&members, "message")?;
        let Range { start, end } = span(choice, message);
        out.extend_from_slice(choice.get(..start)?);
        let message = message.get().as_bytes();
        let members = top_level(message).ok()?;
        out.extend_from_slice(without_brace(message, 0)?);
        close(out, members.is_empty(), missing(&members, &IN_MESSAGE));
        copied = end;
    }
    out.extend_from_slice(without_brace(choice, copied)?);
    close(out, members.is_empty(), missing(&members, &IN_CHOICE));
    Some(())
}

/// An object from `start` on, without what ends it.
fn without_brace(object: &[u8], start: usize) -> Option<&[u8]> {
    Some(object.get(start..)?.trim_ascii_end().strip_suffix(b"}")?.trim_ascii_end())
}

/// The value of a member that is there once.
fn only<'a>(members: &TopLevel<'a>, name: &str) -> Option<&'a RawValue> {
    let mut found = members.iter().filter(|(key, _)| key == name).map(|(_, value)| *value);
    found.next().filter(|_| found.next().is_none())
}

fn missing<'a>(
    members: &TopLevel<'_>,
    wanted: &[(&'a str, &'a str)],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    wanted.iter().copied().filter(|(name, _)| !members.iter().any(|(key, _)| key == name))
}

fn built_anew(
    endpoint: Endpoint,
    kind: &str,
    answer: &[u8],
    defaults: Defaults<'_>,
) -> Option<Vec<u8>> {
    let mut object: Map<String, Value> = serde_json::from_slice(answer).ok()?;
    for choice in object.get_mut("choices")?.as_array_mut()? {
        let choice = choice.as_object_mut()?;
        insert_missing(choice, &IN_CHOICE);
        translate_reason(choice);
        if endpoint == Endpoint::Chat {
            let message = choice.get_mut("message")?.as_object_mut()?;
            insert_missing(message, &IN_MESSAGE);
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

fn insert_missing(object: &mut Map<String, Value>, wanted: &[(&str, &str)]) {
    for (name, value) in wanted {
        // The values are constants below.
        object.entry(*name).or_insert_with(|| serde_json::from_str(value).unwrap_or_default());
    }
}

/// What each choice has, and each message, with the JSON of what stands for nothing.
const IN_CHOICE: [(&str, &str); 2] = [("logprobs", "null"), ("finish_reason", "null")];
const IN_MESSAGE: [(&str, &str); 3] =
    [("content", "null"), ("refusal", "null"), ("role", "\"assistant\"")];

/// What is looked for in the text of an answer. What finds it is made once: for a short answer making it
/// costs more than using it.
struct Piece {
    text: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Piece {
    const fn new(text: &'static str) -> Self {
        Self { text, finder: OnceLock::new() }
    }

    fn finder(&self) -> &Finder<'static> {
        self.finder.get_or_init(|| Finder::new(self.text))
    }

    fn is_in(&self, answer: &[u8]) -> bool {
        self.finder().find(answer).is_some()
    }
}

/// What each answer has, and what each choice of a whole one.
static SHARED: [Piece; 4] = [
    Piece::new("\"id\""),
    Piece::new("\"object\""),
    Piece::new("\"created\""),
    Piece::new("\"model\""),
];
static REFUSAL: Piece = Piece::new("\"refusal\"");
static LOGPROBS: Piece = Piece::new("\"logprobs\"");
static FINISH_REASON: Piece = Piece::new("\"finish_reason\"");

/// What some servers say to say nothing, and the schema does not allow.
static SURPLUS: [Piece; 2] = [Piece::new("\"annotations\":null"), Piece::new("\"tool_calls\":[]")];

/// Usage, and what it has.
static USAGE: Piece = Piece::new("\"usage\"");
static COUNTS: [Piece; 2] = [Piece::new("\"completion_tokens\""), Piece::new("\"total_tokens\"")];

/// Whether chunks like this one have to go through [`normalise_chunk`]: a server that leaves something out
/// of one leaves it out of all.
#[must_use]
pub fn lacks_members(chunk: &[u8]) -> bool {
    !SHARED.iter().all(|name| name.is_in(chunk))
        || !FINISH_REASON.is_in(chunk)
        || has_foreign_reason(chunk)
}

/// Whether a choice's finish reason is none of OpenAI's. A server names most of them as OpenAI does, so a
/// stream is to be asked again where one ends.
#[must_use]
pub fn has_foreign_reason(object: &[u8]) -> bool {
    let foreign = |at: usize| {
        let value = object
            .get(at.saturating_add(FINISH_REASON.text.len())..)
            .unwrap_or_default()
            .trim_ascii_start()
            .strip_prefix(b":")
            .unwrap_or_default()
            .trim_ascii_start();
        // With an escape it is none of OpenAI's words as they stand.
        value.strip_prefix(b"\"").is_some_and(|text| {
            let end = text.iter().position(|byte| *byte == b'"').unwrap_or(text.len());
            let said = text.get(..end).and_then(|said| std::str::from_utf8(said).ok());
            !said.is_some_and(FinishReason::is_openai)
        })
    };
    FINISH_REASON.finder().find_iter(object).any(foreign)
}

fn translate_reason(choice: &mut Map<String, Value>) {
    if let Some(reason) = choice.get_mut("finish_reason")
        && let Some(said) = reason.as_str()
    {
        *reason = FinishReason::read(said).map_or(Value::Null, |reason| reason.as_str().into());
    }
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
        translate_reason(choice);
        match endpoint {
            Endpoint::Chat => choice.entry("delta").or_insert_with(|| Map::new().into()),
            _ => choice.entry("logprobs").or_insert(Value::Null),
        };
    }
    fill(&mut object, kind, defaults);
    serde_json::to_vec(&object).ok()
}

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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const DEFAULTS: Defaults<'_> = Defaults { id: "i\"d", model: "m", created: 7 };

    /// An answer without the members whose bits are set.
    fn lacking(endpoint: Endpoint, bits: u32) -> Value {
        let mut bit = 0..;
        let mut drop = |object: &mut Value, name: &str| {
            let at: u32 = bit.next().unwrap();
            if bits & (1 << at) != 0 {
                object.as_object_mut().unwrap().shift_remove(name);
            }
        };
        let mut message =
            json!({ "role": "assistant", "content": "Hi }", "refusal": null, "x": [1] });
        for name in ["role", "content", "refusal", "x"] {
            drop(&mut message, name);
        }
        let mut choice = json!({ "index": 0, "logprobs": null, "finish_reason": "stop" });
        for name in ["index", "logprobs", "finish_reason"] {
            drop(&mut choice, name);
        }
        match endpoint {
            Endpoint::Chat => choice["message"] = message,
            _ => choice["text"] = "Hi".into(),
        }
        let mut answer = json!({ "id": "a", "object": "o", "created": 1, "model": "n",
            "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 } });
        for name in ["id", "object", "created", "model", "usage"] {
            drop(&mut answer, name);
        }
        answer["choices"] = json!([choice, choice]);
        answer
    }

    #[test]
    fn members_added_as_text_and_by_building_anew_are_the_same() {
        for endpoint in [Endpoint::Chat, Endpoint::Completions] {
            for bits in 0..1 << 12 {
                let answer = lacking(endpoint, bits);
                for text in [answer.to_string(), format!(" {answer:#}\n")] {
                    let added = with_members_added(endpoint, "kind", text.as_bytes(), DEFAULTS);
                    let anew = built_anew(endpoint, "kind", text.as_bytes(), DEFAULTS);
                    let read = |json: Option<Vec<u8>>| -> Value {
                        serde_json::from_slice(&json.unwrap()).unwrap()
                    };
                    assert_eq!(read(added), read(anew), "{text}");
                }
            }
        }
    }

    #[test]
    fn finish_reasons_become_words_of_openai() {
        let whole = |said: &str| {
            json!({ "id": "a", "object": "o", "created": 1, "model": "n",
                "choices": [{ "index": 0, "finish_reason": said, "logprobs": null, "message": {
                    // Text is not looked into.
                    "role": "assistant", "content": "\"finish_reason\":\"eos\"", "refusal": null } }] })
        };
        for said in ["stop", "length", "tool_calls", "content_filter", "function_call"] {
            let answer = whole(said).to_string();
            assert!(!has_foreign_reason(answer.as_bytes()), "{said}");
            assert_eq!(normalise_whole(Endpoint::Chat, answer.as_bytes(), DEFAULTS), None);
        }
        for (said, meant) in [
            ("eos_token", json!("stop")),
            ("MAX_TOKENS", json!("length")),
            ("tool_use", json!("tool_calls")),
            ("e\"os\u{e9}", json!("stop")),
            ("", Value::Null),
        ] {
            for answer in [whole(said).to_string(), format!("{:#}", whole(said))] {
                assert!(has_foreign_reason(answer.as_bytes()), "{answer}");
                assert!(lacks_members(answer.as_bytes()), "{answer}");
                let normal = normalise_whole(Endpoint::Chat, answer.as_bytes(), DEFAULTS).unwrap();
                let mut expected = whole(said);
                expected["choices"][0]["finish_reason"] = meant.clone();
                assert_eq!(serde_json::from_slice::<Value>(&normal).unwrap(), expected);
                let normal = normalise_chunk(Endpoint::Chat, answer.as_bytes(), DEFAULTS).unwrap();
                let normal: Value = serde_json::from_slice(&normal).unwrap();
                assert_eq!(normal["choices"][0]["finish_reason"], meant);
            }
        }
        assert!(!has_foreign_reason(br#"{"finish_reason" : null,"x":"finish_reason"}"#));
        assert!(has_foreign_reason(br#"{"finish_reason" :"unended"#));
    }

    #[test]
    fn what_cannot_be_added_to_is_built_anew_or_nothing() {
        for answer in [
            "[]",
            "{}",
            "{\"choices\":1}",
            "{\"choices\":[1]}",
            "{\"choices\":[{}]}",
            "{\"choices\":[{\"message\":1}]}",
            "{\"choices\":[],\"choices\":[]}",
            "{\"choices\":[{\"message\":{},\"message\":{}}]}",
            "{\"choices\":[]",
        ] {
            let added = with_members_added(Endpoint::Chat, "kind", answer.as_bytes(), DEFAULTS);
            assert_eq!(added, None, "{answer}");
        }
    }
}
