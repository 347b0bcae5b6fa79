//! Tokens of answers that ended before the server said how many: cancelled or broken off.
//!
//! Counted with the model's own tokenizer where the server offers it. Best effort: without an answer
//! the caller has what it saw itself.

use ::http::Method;
use bytes::Bytes;
use pinaivu_protocol::units::TokenCount;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Backend;
use crate::config::BackendKind;

#[derive(Deserialize)]
struct Tokens {
    /// vLLM.
    count: Option<u32>,
    /// Both; llama.cpp has only this.
    #[serde(default)]
    tokens: Vec<serde::de::IgnoredAny>,
}

impl Tokens {
    fn number(&self) -> TokenCount {
        let length = u32::try_from(self.tokens.len()).unwrap_or(u32::MAX);
        TokenCount(self.count.unwrap_or(length))
    }
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
}

impl Backend {
    /// Tokens of a chat request's prompt, its template applied.
    pub async fn count_prompt(&self, request: &[u8]) -> Option<TokenCount> {
        let kind = self.info()?.kind;
        let request: Value = serde_json::from_slice(request).ok()?;
        let fields = |names: &[&str]| -> Value {
            let present = names.iter().filter_map(|name| {
                request.get(*name).map(|value| ((*name).to_owned(), value.clone()))
            });
            Value::Object(present.collect())
        };
        match kind {
            BackendKind::LlamaCpp => {
                let template =
                    fields(&["messages", "tools", "tool_choice", "chat_template_kwargs"]);
                let Prompt { prompt } = self.ask("/apply-template", &template).await?;
                let text = json!({"content": prompt, "add_special": true, "parse_special": true});
                Some(self.ask::<Tokens>("/tokenize", &text).await?.number())
            }
            BackendKind::Vllm => {
                let chat = fields(&["model", "messages", "tools", "chat_template_kwargs"]);
                Some(self.ask::<Tokens>("/tokenize", &chat).await?.number())
            }
            BackendKind::Openai | BackendKind::Auto => None,
        }
    }

    /// Tokens of generated text.
    pub async fn count_text(&self, model: &str, text: &str) -> Option<TokenCount> {
        if text.is_empty() {
            return Some(TokenCount::ZERO);
        }
        let request = match self.info()?.kind {
            BackendKind::LlamaCpp => json!({"content": text, "add_special": false}),
            BackendKind::Vllm => {
                json!({"model": model, "prompt": text, "add_special_tokens": false})
            }
            BackendKind::Openai | BackendKind::Auto => return None,
        };
        Some(self.ask::<Tokens>("/tokenize", &request).await?.number())
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, request: &Value) -> Option<T> {
        let body = Bytes::from(request.to_string());
        let (status, answer) = self.http.exchange(Method::POST, path, body).await.ok()?;
        if !status.is_success() {
            return None;
        }
        serde_json::from_slice(&answer).ok()
    }
}
