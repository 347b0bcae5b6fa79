//! Tokens counted again.
//!
//! What a node says it counted decides what a client pays. Bounds that need no tokenizer always hold: at
//! most a token for each byte. For a model whose tokenizer is configured prompt and answer are counted here
//! too, and a node's figure is believed up to that count and a [tolerance](at_most). What is above is not
//! charged, and such an answer counts against the node as a failed one; what is below is taken as it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinaivu_openai::{ChatRequest, Endpoint};
use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::units::TokenCount;
use pinaivu_tokenizer::{LoadError, Tokenizer};
use serde_json::Value;

use crate::config::Models;

/// Tokens that a server may count more than we do, whatever the length: marks it puts around what it
/// generates, spaces that a template keeps or not.
const TOLERANCE_TOKENS: u32 = 16;

/// The part of a count that it may be off besides: one in so many. A model may cut the same text into more
/// tokens than its tokenizer would.
const TOLERANCE_PART: u32 = 8;

/// Fields that change what the prompt becomes in ways only the server knows.
const OF_THE_SERVER: [&str; 7] = [
    "chat_template",
    "chat_template_kwargs",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
    "reasoning_effort",
    "suffix",
];

/// The most that a node is believed for what we count as `counted`. Rounded down.
#[must_use]
pub const fn at_most(counted: TokenCount) -> TokenCount {
    let part = counted.get() / TOLERANCE_PART;
    counted.saturating_add(TokenCount(part)).saturating_add(TokenCount(TOLERANCE_TOKENS))
}

/// The most generated tokens that this much text can be: every token of a byte-level vocabulary leaves
/// at least one byte, but for the one that ends each choice. Choices beyond `most_choices`, which is how
/// many were asked for, count for nothing: whoever answers could make as many as it likes.
#[must_use]
pub fn output_bound(answer: &Answer, most_choices: u32) -> TokenCount {
    bound(answer.output_bytes(), ends(answer, most_choices))
}

fn bound(output_bytes: usize, ends: u32) -> TokenCount {
    let bytes = u32::try_from(output_bytes).unwrap_or(u32::MAX);
    TokenCount(bytes.saturating_add(ends.max(1)))
}

/// Tokens that end a choice.
fn ends(answer: &Answer, most_choices: u32) -> u32 {
    u32::try_from(answer.choices().len()).unwrap_or(u32::MAX).min(most_choices)
}

/// The tokenizers of the models that have one here. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tokenizers(Arc<BTreeMap<String, Tokenizer>>);

impl Tokenizers {
    /// Reads all that are configured.
    ///
    /// # Errors
    /// The first that cannot be read.
    pub fn load(models: &Models) -> Result<Self, LoadError> {
        let named = models.tokenizers.iter();
        let loaded = named.map(|(model, path)| Ok((model.clone(), Tokenizer::load(path)?)));
        Ok(Self(Arc::new(loaded.collect::<Result<_, _>>()?)))
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether prompts and answers of `model` are counted.
    #[must_use]
    pub fn knows(&self, model: &str) -> bool {
        self.0.contains_key(model)
    }

    /// Tokens of a request's prompt. Nothing where the model has no tokenizer here or the server lays the
    /// prompt out in a way of its own: tools, formats, images.
    #[must_use]
    pub fn prompt(&self, request: &ChatRequest, body: &[u8]) -> Option<TokenCount> {
        let tokenizer = self.0.get(&request.model)?;
        if request.tools || request.structured || request.images {
            return None;
        }
        let body: Value = serde_json::from_slice(body).ok()?;
        if OF_THE_SERVER.iter().any(|name| body.get(*name).is_some_and(|value| !value.is_null())) {
            return None;
        }
        let tokens = match request.endpoint {
            Endpoint::Chat => tokenizer.count_chat(body.get("messages")?)?,
            Endpoint::Completions => plain(tokenizer, body.get("prompt")?)?,
            Endpoint::Embeddings => plain(tokenizer, body.get("input")?)?,
        };
        Some(TokenCount(tokens))
    }

    /// Generated tokens of an answer, with one for the end of each of at most `most_choices`. Nothing
    /// where the model has no tokenizer here or the answer is not all the model wrote.
    #[must_use]
    pub fn output(&self, model: &str, answer: &Answer, most_choices: u32) -> Option<TokenCount> {
        let texts = counted(self.0.get(model)?, answer)?;
        Some(texts.saturating_add(TokenCount(ends(answer, most_choices))))
    }

    /// The most generated tokens that an answer of `model`, of which `most_choices` were asked for, is
    /// believed to have taken.
    #[must_use]
    pub fn most_output(&self, model: &str, answer: &Answer, most_choices: u32) -> TokenCount {
        let bound = output_bound(answer, most_choices);
        self.output(model, answer, most_choices)
            .map_or(bound, |counted| at_most(counted).min(bound))
    }
}

/// Texts, or tokens that are counted already.
fn plain(tokenizer: &Tokenizer, prompt: &Value) -> Option<u32> {
    match prompt {
        Value::String(text) => Some(tokenizer.count_prompt(text)),
        Value::Array(tokens) if tokens.iter().all(Value::is_u64) => {
            u32::try_from(tokens.len()).ok()
        }
        Value::Array(prompts) => prompts
            .iter()
            .try_fold(0_u32, |sum, prompt| Some(sum.saturating_add(plain(tokenizer, prompt)?))),
        _ => None,
    }
}

/// Tokens of an answer's texts. Nothing where a server cuts calls out of what the model wrote: their frame
/// is not in the answer.
fn counted(tokenizer: &Tokenizer, answer: &Answer) -> Option<TokenCount> {
    answer.choices().iter().try_fold(TokenCount::ZERO, |sum, choice| {
        let message = &choice.message;
        if !message.tool_calls.is_empty() {
            return None;
        }
        let texts = [&message.content, &message.reasoning_content, &message.refusal];
        let tokens = texts.into_iter().map(|text| TokenCount(tokenizer.count(text)));
        Some(tokens.fold(sum, TokenCount::saturating_add))
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn output_bound_is_a_token_a_byte_and_one_for_each_end() {
        assert_eq!(bound(0, 0), TokenCount(1));
        assert_eq!(bound(5, 1), TokenCount(6));
        assert_eq!(bound(5, 3), TokenCount(8));
        assert_eq!(bound(usize::MAX, 3), TokenCount(u32::MAX));
    }

    #[test]
    fn output_bound_takes_no_more_ends_than_choices_were_asked_for() {
        let choices: Vec<Value> =
            (0..4_000).map(|at| json!({ "index": at, "message": {} })).collect();
        let answer = Answer::from_completion(&json!({ "choices": choices })).unwrap();
        assert_eq!(output_bound(&answer, 1), TokenCount(1));
        assert_eq!(output_bound(&answer, 16), TokenCount(16));
        let none = Tokenizers::default();
        assert_eq!(none.most_output("m", &answer, 2), TokenCount(2));
        assert_eq!(none.output("m", &answer, 2), None);
    }

    #[test]
    fn tolerance_is_an_eighth_and_sixteen_tokens() {
        for (counted, most) in [(0, 16), (7, 23), (8, 25), (800, 916), (u32::MAX, u32::MAX)] {
            assert_eq!(at_most(TokenCount(counted)), TokenCount(most));
        }
    }
}
