//! The members of OpenAI's objects that the canonical answer is made of, borrowed from the bytes.
//! Everything else is skipped without being built, which makes a streamed chunk cost little more than
//! one pass over its bytes.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Usage;
use crate::jcs::{JsonError, canonical_bytes};
use crate::units::TokenCount;

/// Borrowed where the JSON has no escapes. A type of its own because serde borrows for a field
/// `Cow<str>` but not inside an `Option`.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A `chat.completion` or a `chat.completion.chunk`.
#[derive(Deserialize)]
pub(super) struct CompletionWire<'a> {
    #[serde(borrow)]
    pub(super) choices: Option<Vec<ChoiceWire<'a>>>,
    pub(super) usage: Option<UsageWire>,
    /// The vectors of an embeddings answer.
    pub(super) data: Option<Vec<EmbeddingWire>>,
    /// What stands in place of an answer.
    pub(super) error: Option<ErrorWire>,
}

/// An error of any shape. Some servers have an empty one beside every answer.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ErrorWire {
    Text(String),
    List(Vec<IgnoredAny>),
    Other(IgnoredAny),
}

impl ErrorWire {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List(list) => list.is_empty(),
            Self::Other(IgnoredAny) => false,
        }
    }
}

/// One vector: an array of numbers, or base64.
#[derive(Deserialize)]
pub(super) struct EmbeddingWire {
    pub(super) index: Option<u32>,
    pub(super) embedding: serde_json::Value,
}

/// One choice: `message` in a completion, `delta` in a chunk.
#[derive(Deserialize)]
pub(super) struct ChoiceWire<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<MessageWire<'a>>,
    #[serde(borrow)]
    pub(super) delta: Option<MessageWire<'a>>,
    /// What a completion without a chat has in place of both.
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
}

impl EmbeddingWire {
    /// The vector as what a model said.
    pub(super) fn into_choice<'a>(self) -> Result<ChoiceWire<'a>, JsonError> {
        let json = canonical_bytes(&self.embedding)?;
        let text = String::from_utf8_lossy(&json).into_owned();
        Ok(ChoiceWire {
            index: self.index,
            finish_reason: None,
            message: None,
            delta: None,
            text: Some(Text(Cow::Owned(text))),
        })
    }
}

impl<'a> ChoiceWire<'a> {
    /// The message of a whole answer.
    pub(super) fn whole(self) -> Option<MessageWire<'a>> {
        match self.message {
            Some(message) => Some(message.with_calls_by_position()),
            None => self.text.map(MessageWire::of_text),
        }
    }

    /// The piece in a chunk.
    pub(super) fn piece(self) -> Option<MessageWire<'a>> {
        self.delta.or_else(|| self.text.map(MessageWire::of_text))
    }
}

/// A message or a piece of one.
#[derive(Deserialize)]
pub(super) struct MessageWire<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Text<'a>>,
    /// What vLLM since 0.12 and Ollama call `reasoning_content`.
    #[serde(borrow)]
    pub(super) reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolCallWire<'a>>>,
}

/// A tool call or a piece of one.
#[derive(Deserialize)]
pub(super) struct ToolCallWire<'a> {
    pub(super) index: Option<u32>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) r#type: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<FunctionWire<'a>>,
}

#[derive(Deserialize)]
pub(super) struct FunctionWire<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Text<'a>>,
}

#[derive(Deserialize)]
pub(super) struct UsageWire {
    prompt_tokens: Option<TokenCount>,
    completion_tokens: Option<TokenCount>,
    total_tokens: Option<TokenCount>,
}

impl<'a> MessageWire<'a> {
    fn of_text(text: Text<'a>) -> Self {
        Self {
            role: None,
            content: Some(text),
            refusal: None,
            reasoning_content: None,
            reasoning: None,
            tool_calls: None,
        }
    }

    /// Drops the tool calls' own indices, so that their positions count.
    pub(super) fn with_calls_by_position(mut self) -> Self {
        for call in self.tool_calls.iter_mut().flatten() {
            call.index = None;
        }
        self
    }
}

impl From<UsageWire> for Usage {
    fn from(wire: UsageWire) -> Self {
        // vLLM types both counts as optional with 0 as default.
        let sum = Self::new(
            wire.prompt_tokens.unwrap_or_default(),
            wire.completion_tokens.unwrap_or_default(),
        );
        Self { total_tokens: wire.total_tokens.unwrap_or(sum.total_tokens), ..sum }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::borrow::Cow;

    use super::CompletionWire;

    #[test]
    fn text_without_escapes_is_borrowed_from_the_chunk() {
        let chunk = br#"{"choices":[{"delta":{"content":"plain","refusal":"a\nb"}}]}"#;
        let wire: CompletionWire<'_> = serde_json::from_slice(chunk).unwrap();
        let delta = wire.choices.unwrap().remove(0).delta.unwrap();
        assert!(matches!(delta.content.unwrap().0, Cow::Borrowed("plain")));
        assert!(matches!(delta.refusal.unwrap().0, Cow::Owned(text) if text == "a\nb"));
    }
}
