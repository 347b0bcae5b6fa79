//! `GET /v1/models`: ours, and what inference servers answer to it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A list of models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelList {
    /// `list`.
    #[serde(default = "list")]
    pub object: String,
    /// The models.
    pub data: Vec<Model>,
}

/// One model. Fields that are not OpenAI's are kept in `extra`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// What clients name it.
    pub id: String,
    /// `model`.
    #[serde(default = "model")]
    pub object: String,
    /// Seconds since 1970; 0 where nobody knows.
    #[serde(default)]
    pub created: u64,
    /// Who runs it.
    #[serde(default)]
    pub owned_by: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ModelList {
    /// A list of `data`.
    #[must_use]
    pub fn new(data: Vec<Model>) -> Self {
        Self { object: list(), data }
    }

    /// Reads what an inference server answers.
    ///
    /// # Errors
    /// The parser's.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

impl Model {
    /// A model with OpenAI's fields only; `created` in seconds since 1970.
    #[must_use]
    pub fn new(id: impl Into<String>, owned_by: impl Into<String>, created: u64) -> Self {
        Self {
            id: id.into(),
            object: model(),
            created,
            owned_by: owned_by.into(),
            extra: Map::new(),
        }
    }

    /// The longest context the server says it takes: vLLM's and SGLang's `max_model_len`, llama.cpp's
    /// `meta.n_ctx`. (llama.cpp's `n_ctx_train` is what the model was trained for, not what it runs
    /// with; ask `/props` where `n_ctx` is missing.)
    #[must_use]
    pub fn context_length(&self) -> Option<u32> {
        let vllm = self.extra.get("max_model_len");
        let llama = || self.extra.get("meta")?.get("n_ctx");
        vllm.or_else(llama)?.as_u64().and_then(|tokens| u32::try_from(tokens).ok())
    }
}

fn list() -> String {
    "list".to_owned()
}

fn model() -> String {
    "model".to_owned()
}
