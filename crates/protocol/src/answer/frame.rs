//! Reads a chunk that differs from an earlier one in nothing but its text, without parsing it.
//!
//! A server's chunks are the same bytes again and again but for the few that say something. A chunk that was
//! parsed, and only added text to one choice, leaves its [`Frame`]: the bytes before that text and the bytes
//! after it. Another chunk that begins and ends with these bytes, and has between them what is the whole
//! inside of a JSON string without escapes (RFC 8259, section 7), is the same JSON with another text:
//! the bytes before end with the string's opening quote, the bytes after begin with its closing one, and one
//! string in place of another changes nothing else of how JSON reads. Any other chunk is parsed.

use std::borrow::Cow;

use super::wire::{ChoiceWire, CompletionWire, MessageWire, Text};

/// Longest frame that is kept. Chunks with more around their text than that are parsed.
const MAX_FRAME_BYTES: usize = 4 * 1024;

/// Which text of a choice grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grows {
    Content,
    Reasoning,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    before: Vec<u8>,
    after: Vec<u8>,
    /// The choice that grows.
    index: u32,
    grows: Grows,
}

impl Frame {
    /// The frame of `chunk`, which `wire` was read from. Nothing where it says more than one text.
    ///
    /// What may stand there beside the text has to add nothing when it is added again: a role is kept once.
    pub(super) fn of(chunk: &[u8], wire: &CompletionWire<'_>) -> Option<Self> {
        let CompletionWire { choices: Some(choices), usage: None, data: None, error: None } = wire
        else {
            return None;
        };
        let [ChoiceWire { index, finish_reason: None, message: _, delta, text }] = &**choices
        else {
            return None;
        };
        let (grows, text) = match (delta, text) {
            (Some(delta), _) => only_text(delta)?,
            (None, Some(text)) => (Grows::Content, text),
            (None, None) => return None,
        };
        let Text(Cow::Borrowed(text)) = text else { return None };
        let start = text.as_ptr().addr().checked_sub(chunk.as_ptr().addr())?;
        let (before, rest) = chunk.split_at_checked(start)?;
        let after = rest.get(text.len()..)?;
        let fits = before.len().saturating_add(after.len()) <= MAX_FRAME_BYTES;
        let quoted = before.ends_with(b"\"") && after.starts_with(b"\"");
        (fits && quoted).then(|| Self {
            before: before.to_vec(),
            after: after.to_vec(),
            index: index.unwrap_or(0),
            grows,
        })
    }

    /// The text of a chunk with this frame, and where it belongs. Nothing where it has another one, or has
    /// to be parsed.
    pub(super) fn read<'a>(&self, chunk: &'a [u8]) -> Option<(u32, Grows, &'a str)> {
        let text = chunk.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let plain = text.iter().all(|byte| *byte >= b' ' && *byte != b'"' && *byte != b'\\');
        let text = plain.then(|| std::str::from_utf8(text).ok())??;
        Some((self.index, self.grows, text))
    }
}

/// The one text that a piece of a message has.
fn only_text<'a, 'b>(delta: &'b MessageWire<'a>) -> Option<(Grows, &'b Text<'a>)> {
    let MessageWire {
        role: _,
        content,
        refusal: None,
        reasoning_content,
        reasoning,
        tool_calls: None,
    } = delta
    else {
        return None;
    };
    match (content, reasoning_content, reasoning) {
        (Some(text), None, None) => Some((Grows::Content, text)),
        (None, Some(text), None) | (None, None, Some(text)) => Some((Grows::Reasoning, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const CHUNK: &str =
        r#"{"id":"1","choices":[{"index":2,"delta":{"content":"Hi"},"finish_reason":null}],"x":1}"#;

    fn frame(chunk: &str) -> Option<Frame> {
        let wire: CompletionWire<'_> = serde_json::from_str(chunk).unwrap();
        Frame::of(chunk.as_bytes(), &wire)
    }

    #[test]
    fn chunk_with_another_text_is_read() {
        let frame = frame(CHUNK).unwrap();
        for text in ["Hi", "", "naïve", "{}[],:", "content"] {
            let chunk = CHUNK.replace("Hi", text);
            assert_eq!(frame.read(chunk.as_bytes()), Some((2, Grows::Content, text)), "{text}");
        }
    }

    #[test]
    fn whatever_is_not_the_inside_of_a_plain_string_is_parsed() {
        let frame = frame(CHUNK).unwrap();
        for text in ["a\\nb", "a\"", "\"", "a\",\"content\":\"b", "a\nb", "\u{1}", "\\"] {
            assert_eq!(frame.read(CHUNK.replace("Hi", text).as_bytes()), None, "{text:?}");
        }
        let mut torn = CHUNK.as_bytes().to_vec();
        let at = CHUNK.find("Hi").unwrap();
        torn[at] = 0xff;
        assert_eq!(frame.read(&torn), None);
    }

    #[test]
    fn chunk_that_is_different_anywhere_else_is_parsed() {
        let frame = frame(CHUNK).unwrap();
        for other in [
            CHUNK.replace("\"id\":\"1\"", "\"id\":\"2\""),
            CHUNK.replace("null", "\"stop\""),
            CHUNK.replace("\"index\":2", "\"index\":1"),
            CHUNK.replace("\"x\":1", "\"x\":1,\"usage\":{}"),
            format!("{CHUNK} "),
            // Shorter than the two ends together.
            CHUNK[..CHUNK.len() / 2].to_owned(),
            String::new(),
        ] {
            assert_eq!(frame.read(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn only_chunks_that_say_one_text_and_nothing_else_leave_a_frame() {
        for (delta, leaves) in [
            (r#""delta":{"content":"a"}"#, true),
            (r#""delta":{"role":"assistant","content":""}"#, true),
            (r#""delta":{"reasoning":"a"}"#, true),
            (r#""delta":{"reasoning_content":"a","content":null}"#, true),
            (r#""text":"a""#, true),
            (r#""delta":{"content":"a","reasoning_content":"b"}"#, false),
            (r#""delta":{"content":"a","refusal":"b"}"#, false),
            (r#""delta":{"content":"a","tool_calls":[]}"#, false),
            (r#""delta":{"content":"a\nb"}"#, false),
            (r#""delta":{"content":"a"},"finish_reason":"stop""#, false),
            (r#""delta":{}"#, false),
        ] {
            let chunk = format!(r#"{{"choices":[{{{delta}}}]}}"#);
            assert_eq!(frame(&chunk).is_some(), leaves, "{chunk}");
            for more in [r#","usage":{}"#, r#","error":"x""#, r#","data":[]"#] {
                let chunk = format!(r#"{{"choices":[{{{delta}}}]{more}}}"#);
                assert!(frame(&chunk).is_none(), "{chunk}");
            }
        }
        let two = r#"{"choices":[{"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}"#;
        assert!(frame(two).is_none());
    }

    #[test]
    fn frame_that_is_too_long_is_not_kept() {
        let chunk = CHUNK.replace("\"x\":1", &format!("\"x\":\"{}\"", "y".repeat(MAX_FRAME_BYTES)));
        assert!(frame(&chunk).is_none());
    }
}
