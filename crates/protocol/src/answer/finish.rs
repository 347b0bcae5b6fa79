//! Why generation ended, in OpenAI's words, whatever the server's own were.

use serde::Serialize;

/// The finish reasons of OpenAI's schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended, or came to a stop sequence.
    Stop,
    /// It ended before the model did: tokens, time or the server ran out.
    Length,
    /// The model wants functions called.
    ToolCalls,
    /// Something was left out.
    ContentFilter,
    /// The deprecated form of [`Self::ToolCalls`].
    FunctionCall,
}

/// What servers say for them besides OpenAI's own words. Everything not in here is a stop, as the names
/// that models' end tokens and stop sequences get are without number.
const OTHERS: [(FinishReason, &[&str]); 5] = [
    (FinishReason::Stop, &[]),
    (
        FinishReason::Length,
        // An answer that was given up is not whole either.
        &[
            "max_tokens",
            "max_output_tokens",
            "model_length",
            "abort",
            "aborted",
            "canceled",
            "cancelled",
            "error",
            "timeout",
        ],
    ),
    (FinishReason::ToolCalls, &["tool_call", "tool_use"]),
    (FinishReason::ContentFilter, &["content_filtered", "safety"]),
    (FinishReason::FunctionCall, &[]),
];

impl FinishReason {
    /// What a server's word means; upper and lower case of ASCII letters are the same. An empty one
    /// means that generation goes on.
    #[must_use]
    pub fn read(said: &str) -> Option<Self> {
        if said.is_empty() {
            return None;
        }
        let means = |(reason, others): &&(Self, &[&str])| {
            reason.as_str().eq_ignore_ascii_case(said)
                || others.iter().any(|word| word.eq_ignore_ascii_case(said))
        };
        Some(OTHERS.iter().find(means).map_or(Self::Stop, |(reason, _)| *reason))
    }

    /// OpenAI's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::FunctionCall => "function_call",
        }
    }

    /// Whether a server's word is OpenAI's own, as it is written there.
    #[must_use]
    pub fn is_openai(said: &str) -> bool {
        Self::read(said).is_some_and(|reason| reason.as_str() == said)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn words_of_openai_stay_and_others_mean_one_of_them() {
        let words = ["stop", "length", "tool_calls", "content_filter", "function_call"];
        for ((reason, others), word) in OTHERS.into_iter().zip(words) {
            assert_eq!(reason.as_str(), word);
            assert_eq!(serde_json::to_value(reason).unwrap(), word);
            assert!(FinishReason::is_openai(word));
            for said in others.iter().copied().chain([&*word.to_ascii_uppercase()]) {
                assert_eq!(FinishReason::read(said), Some(reason), "{said}");
                assert!(!FinishReason::is_openai(said), "{said}");
            }
        }
        for said in ["eos_token", "stop_sequence", "end_turn", "</s>", " ", "STOPS"] {
            assert_eq!(FinishReason::read(said), Some(FinishReason::Stop), "{said}");
            assert!(!FinishReason::is_openai(said), "{said}");
        }
        assert_eq!(FinishReason::read(""), None);
        assert!(!FinishReason::is_openai(""));
    }
}
