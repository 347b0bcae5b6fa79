//! The canonical answer: what a response commitment is a commitment to.
//!
//! The same answer reaches a client as one `chat.completion` object or as a stream of
//! `chat.completion.chunk` objects, and servers differ in what else they put in. The canonical
//! answer keeps only what the model said and what it is billed by:
//!
//! ```json
//! {"choices":[{"finish_reason":"stop","index":0,
//!              "message":{"content":"…","reasoning_content":"…","refusal":"…","role":"assistant",
//!                         "tool_calls":[{"function":{"arguments":"{}","name":"…"},
//!                                        "id":"…","type":"function"}]}}],
//!  "usage":{"completion_tokens":1,"prompt_tokens":1,"total_tokens":2}}
//! ```
//!
//! - choices are sorted by `index`, tool calls by theirs (by position in a unary answer), and that
//!   index of a tool call is dropped;
//! - `role` is `"assistant"`, a tool call's `type` `"function"`, when not given;
//! - `content`, `reasoning_content` and `refusal` that are null, absent or empty, and an empty list of
//!   tool calls, are left out;
//! - `reasoning`, as vLLM and Ollama name it, is read as `reasoning_content` where that is absent or
//!   empty;
//! - `finish_reason` is [one of OpenAI's](FinishReason), whatever the server's word for it is; a missing
//!   or empty one is null;
//! - a missing `usage` is left out; a missing `total_tokens` is the sum;
//! - the `text` of a choice, as completions without a chat have it, is read as `content`;
//! - an embeddings answer is one choice for each vector, whose `content` is the `embedding` as canonical
//!   JSON (an array of numbers, or a string where base64 was asked for);
//! - nothing else is kept: no ids, times, model, fingerprints, log-probabilities, annotations or the
//!   deprecated `function_call`.
//!
//! The bytes are [canonical JSON](crate::jcs). This module neither normalises what is sent to the
//! client nor counts tokens.

mod assembler;
mod finish;
mod frame;
mod wire;

pub use assembler::{AnswerAssembler, Pushed};
pub use finish::FinishReason;

use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::units::TokenCount;
use wire::{ChoiceWire, CompletionWire, EmbeddingWire};

/// Why JSON is not a chat completion.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// Not JSON, or a member of another type than OpenAI's.
    #[error("not a chat completion")]
    Shape(#[source] serde_json::Error),
    /// A unary answer without `choices`.
    #[error("a chat completion without choices")]
    NoChoices,
    /// A server's error in place of an answer.
    #[error("an error in place of an answer")]
    Error,
    /// A vector that canonical JSON cannot hold.
    #[error("an embedding is no canonical JSON")]
    Embedding,
    /// A choice beyond those that were asked for.
    #[error("a choice with index {index}, which nobody asked for")]
    UnaskedChoice {
        /// The index.
        index: u32,
    },
    /// Two choices of a unary answer, or of one chunk, have the same index.
    #[error("two choices with index {index}")]
    DuplicateChoice {
        /// The index.
        index: u32,
    },
}

/// An answer in canonical form. Made by [`Answer::from_completion`] or an [`AnswerAssembler`].
// The fields of this and the following types are declared in alphabetical order: that makes
// `serde_json`'s output canonical without sorting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    choices: Vec<Choice>,
    /// Tokens as the answer reports them, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One of the `n` alternatives a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Why generation ended; none when it was cut off.
    pub finish_reason: Option<FinishReason>,
    /// Which alternative this is, from 0.
    pub index: u32,
    /// What the model said.
    pub message: Message,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// The text it thought before.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning_content: String,
    /// The text of a refusal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refusal: String,
    /// `assistant`.
    pub role: String,
    /// The functions it wants called, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// A function the model wants called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    /// Name and arguments.
    pub function: FunctionCall,
    /// The server's name for this call; empty when it gave none.
    pub id: String,
    /// `function`.
    pub r#type: String,
}

/// Name and arguments of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FunctionCall {
    /// The arguments as the model wrote them: usually JSON, kept as text.
    pub arguments: String,
    /// The function.
    pub name: String,
}

/// Token counts as an answer reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Generated, over all choices.
    pub completion_tokens: TokenCount,
    /// Read.
    pub prompt_tokens: TokenCount,
    /// As reported; the sum when it was not.
    pub total_tokens: TokenCount,
}

impl Usage {
    /// Counts as a receipt has them; the total is their sum.
    #[must_use]
    pub const fn new(prompt_tokens: TokenCount, completion_tokens: TokenCount) -> Self {
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { completion_tokens, prompt_tokens, total_tokens }
    }
}

impl Answer {
    /// The canonical form of a unary `chat.completion` object.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn from_completion(completion: &Value) -> Result<Self, AnswerError> {
        let wire = CompletionWire::deserialize(completion).map_err(AnswerError::Shape)?;
        Self::from_wire(wire)
    }

    /// As [`Answer::from_completion`], straight from the bytes of the response body.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn from_completion_json(completion: &[u8]) -> Result<Self, AnswerError> {
        let wire = serde_json::from_slice(completion).map_err(AnswerError::Shape)?;
        Self::from_wire(wire)
    }

    /// The same for what a server sent: one that has an `error` that is neither null nor empty is none,
    /// whatever else it has.
    ///
    /// # Errors
    ///
    /// See [`AnswerError`].
    pub fn from_server(completion: &[u8]) -> Result<Self, AnswerError> {
        let wire: CompletionWire<'_> =
            serde_json::from_slice(completion).map_err(AnswerError::Shape)?;
        if wire.error.as_ref().is_some_and(|error| !error.is_empty()) {
            return Err(AnswerError::Error);
        }
        Self::from_wire(wire)
    }

    fn from_wire(wire: CompletionWire<'_>) -> Result<Self, AnswerError> {
        let mut assembler = AnswerAssembler::new();
        match (wire.choices, wire.data) {
            (Some(choices), _) => assembler.add(choices, wire.usage, ChoiceWire::whole)?,
            (None, Some(vectors)) => {
                let choices = vectors
                    .into_iter()
                    .map(EmbeddingWire::into_choice)
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| AnswerError::Embedding)?;
                assembler.add(choices, wire.usage, ChoiceWire::whole)?;
            }
            (None, None) => return Err(AnswerError::NoChoices),
        }
        Ok(assembler.finish())
    }

    /// The alternatives, by index.
    #[must_use]
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// The same answer with the usage of its receipt, for a client that did not ask for usage. An
    /// answer that reports usage keeps its own, so that a difference is not covered up.
    #[must_use]
    pub fn with_usage(mut self, prompt_tokens: TokenCount, completion_tokens: TokenCount) -> Self {
        self.usage.get_or_insert(Usage::new(prompt_tokens, completion_tokens));
        self
    }

    /// The bytes that [`response_commitment`](crate::commitment::response_commitment) hashes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "strings and integers written to memory cannot fail")]
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an answer is strings and integers")
    }

    /// Bytes of all generated text: contents, reasoning, refusals, names and arguments of tool calls.
    ///
    /// An ordinary token of a byte-level vocabulary is at least one byte of text, so a claim of more
    /// completion tokens than this is false, but for the tokens that leave no text: the end of each
    /// choice and the markers around reasoning and tool calls. The caller allows for those.
    #[must_use]
    pub fn output_bytes(&self) -> usize {
        self.choices
            .iter()
            .map(|choice| choice.message.output_bytes())
            .fold(0, usize::saturating_add)
    }
}

impl Message {
    fn output_bytes(&self) -> usize {
        let calls = self
            .tool_calls
            .iter()
            .flat_map(|call| [call.function.name.len(), call.function.arguments.len()]);
        [self.content.len(), self.reasoning_content.len(), self.refusal.len()]
            .into_iter()
            .chain(calls)
            .fold(0, usize::saturating_add)
    }
}
