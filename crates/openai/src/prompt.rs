//! Prompts of completions and inputs of embeddings: text or tokens, one or many.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ApiError;

/// Most prompts in one request, as OpenAI has it for embeddings.
const MAX_PROMPTS: usize = 2_048;

/// The facts of all prompts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prompts {
    pub(crate) count: u32,
    /// Bytes of text; a token given as a number counts as four, which is what one stands for.
    pub(crate) text_bytes: usize,
}

impl Prompts {
    pub(crate) fn parse(raw: &RawValue, param: &'static str) -> Result<Self, ApiError> {
        let expected = "a string, an array of strings, or an array of tokens or of such arrays";
        let invalid = || ApiError::invalid_value(param, expected);
        let value: Value = serde_json::from_str(raw.get()).map_err(|_| invalid())?;
        let all: Vec<usize> = match &value {
            Value::String(text) => vec![text.len()],
            Value::Array(items) if items.is_empty() => return Err(invalid()),
            Value::Array(items) if items.iter().all(Value::is_u64) => vec![tokens(items)],
            Value::Array(items) => items
                .iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text.len()),
                    Value::Array(inner) if inner.iter().all(Value::is_u64) => Ok(tokens(inner)),
                    _ => Err(invalid()),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(invalid()),
        };
        if all.len() > MAX_PROMPTS {
            return Err(ApiError::invalid_value(param, "at most 2048 prompts"));
        }
        Ok(Self {
            count: u32::try_from(all.len()).unwrap_or(u32::MAX),
            text_bytes: all.into_iter().fold(0, usize::saturating_add),
        })
    }
}

const fn tokens(items: &[Value]) -> usize {
    items.len().saturating_mul(4)
}
