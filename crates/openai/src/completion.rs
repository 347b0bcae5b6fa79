//! What forwarding and accounting need to know of an answer, unary or one chunk of a stream.

use serde::{Deserialize, Serialize};

/// Tokens as the server counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Prompt tokens.
    pub prompt_tokens: u32,
    /// Generated tokens, over all choices. vLLM and llama.cpp count the end token.
    #[serde(default)]
    pub completion_tokens: u32,
    /// Their sum; 0 where the server leaves it out.
    #[serde(default)]
    pub total_tokens: u32,
}

/// The facts of a `chat.completion` or `chat.completion.chunk` object.
///
/// ```
/// # use pinaivu_openai::AnswerFacts;
/// let chunk = br#"{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}"#;
/// let facts = AnswerFacts::parse(chunk).unwrap();
/// assert!(facts.has_output && !facts.has_finished && facts.usage.is_none());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerFacts {
    /// Tokens, where the object says: unary answers, the last chunk when the client or gateway asked
    /// for it, every chunk with vLLM's `continuous_usage_stats`.
    pub usage: Option<Usage>,
    /// Whether it holds anything the model generated: text, reasoning, a refusal, a tool call.
    pub has_output: bool,
    /// Whether some choice has a finish reason.
    pub has_finished: bool,
    /// Whether there is no choice in it: llama.cpp and OpenAI send the usage in such a chunk, which a
    /// client that did not ask for usage must not see.
    pub is_bare: bool,
    /// Whether it is an error (`{"error":…}`) in place of an answer.
    pub is_error: bool,
}

impl AnswerFacts {
    /// Reads an object; nothing when it is not JSON of this shape.
    #[must_use]
    pub fn parse(object: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(object).ok()?;
        let choices = wire.choices.unwrap_or_default();
        Some(Self {
            usage: wire.usage,
            has_output: choices.iter().any(Choice::has_output),
            has_finished: choices.iter().any(|choice| choice.finish_reason.is_present()),
            is_bare: choices.is_empty(),
            is_error: wire.error.is_present(),
        })
    }
}

#[derive(Deserialize)]
struct Wire {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    #[serde(default)]
    error: Filled,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(alias = "message")]
    delta: Option<Delta>,
    /// Legacy completions.
    #[serde(default)]
    text: Filled,
    #[serde(default)]
    finish_reason: Filled,
}

impl Choice {
    fn has_output(&self) -> bool {
        self.text.is_present() || self.delta.as_ref().is_some_and(Delta::has_output)
    }
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    content: Filled,
    #[serde(default)]
    reasoning_content: Filled,
    #[serde(default)]
    reasoning: Filled,
    #[serde(default)]
    refusal: Filled,
    #[serde(default)]
    tool_calls: Filled,
    #[serde(default)]
    function_call: Filled,
}

impl Delta {
    fn has_output(&self) -> bool {
        [
            &self.content,
            &self.reasoning_content,
            &self.reasoning,
            &self.refusal,
            &self.tool_calls,
            &self.function_call,
        ]
        .into_iter()
        .any(Filled::is_present)
    }
}

/// Whether a value is there and is neither null nor empty; its content is not kept.
#[derive(Default)]
struct Filled(bool);

impl Filled {
    const fn is_present(&self) -> bool {
        self.0
    }
}

impl<'de> Deserialize<'de> for Filled {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Look;

        impl<'de> serde::de::Visitor<'de> for Look {
            type Value = Filled;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Filled, E> {
                Ok(Filled(false))
            }

            fn visit_bool<E>(self, _value: bool) -> Result<Filled, E> {
                Ok(Filled(true))
            }

            fn visit_i64<E>(self, _value: i64) -> Result<Filled, E> {
                Ok(Filled(true))
            }

            fn visit_u64<E>(self, _value: u64) -> Result<Filled, E> {
                Ok(Filled(true))
            }

            fn visit_f64<E>(self, _value: f64) -> Result<Filled, E> {
                Ok(Filled(true))
            }

            fn visit_str<E>(self, text: &str) -> Result<Filled, E> {
                Ok(Filled(!text.is_empty()))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut seq: A,
            ) -> Result<Filled, A::Error> {
                let mut filled = false;
                while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    filled = true;
                }
                Ok(Filled(filled))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Filled, A::Error> {
                while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
                Ok(Filled(true))
            }
        }

        from.deserialize_any(Look)
    }
}
