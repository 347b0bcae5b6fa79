//! Which software a server is, and what it serves.
//!
//! `GET /v1/models` must answer with a list. `/props` is llama.cpp's, and holds the context length of a
//! slot; vLLM is its `owned_by` and `/version`, and its `max_model_len` stands with the model. `/health`
//! of both says whether the model behind the HTTP server is alive.

use ::http::{Method, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Backend, BackendInfo, BackendModel, TransportError};
use crate::config::BackendKind;

/// Why a server counts as down.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It does not answer.
    #[error("no answer to {path}")]
    Transport {
        /// What was asked for.
        path: &'static str,
        /// Why.
        source: TransportError,
    },
    /// It says that it cannot serve; llama.cpp does so while it loads a model.
    #[error("{path} answers {status}")]
    Status {
        /// What was asked for.
        path: &'static str,
        /// What came.
        status: StatusCode,
    },
    /// Its answer is not what every such server gives.
    #[error("the answer to {path} is not what an OpenAI-compatible server gives")]
    Shape {
        /// What was asked for.
        path: &'static str,
        /// Why.
        source: serde_json::Error,
    },
}

impl ProbeError {
    pub(super) const fn is_timeout(&self) -> bool {
        matches!(self, Self::Transport { source: TransportError::Timeout, .. })
    }
}

#[derive(Deserialize)]
struct ModelList {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
    #[serde(default)]
    owned_by: Option<String>,
    /// vLLM.
    #[serde(default)]
    max_model_len: Option<u32>,
}

#[derive(Deserialize)]
struct Properties {
    build_info: String,
    default_generation_settings: GenerationSettings,
}

#[derive(Deserialize)]
struct GenerationSettings {
    n_ctx: u32,
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

impl Backend {
    /// Asks the server what it is.
    pub(super) async fn probe(&self) -> Result<BackendInfo, ProbeError> {
        let list: ModelList = self.read("/v1/models").await?;
        match self.recognise(&list).await? {
            Recognised::LlamaCpp(properties) => {
                self.check_health().await?;
                let build = properties.build_info.split('-').next().unwrap_or_default();
                let context_length = Some(properties.default_generation_settings.n_ctx);
                Ok(BackendInfo {
                    kind: BackendKind::LlamaCpp,
                    label: format!("llama.cpp {build}"),
                    models: list
                        .data
                        .into_iter()
                        .map(|model| BackendModel { name: model.id, context_length })
                        .collect(),
                })
            }
            Recognised::Vllm(version) => {
                self.check_health().await?;
                let label = format!("vLLM {}", version.version);
                Ok(BackendInfo { kind: BackendKind::Vllm, label, models: models(list) })
            }
            Recognised::Openai => Ok(BackendInfo {
                kind: BackendKind::Openai,
                label: "OpenAI-compatible server".to_owned(),
                models: models(list),
            }),
        }
    }

    async fn recognise(&self, list: &ModelList) -> Result<Recognised, ProbeError> {
        let owner = list.data.first().and_then(|model| model.owned_by.as_deref());
        match (self.kind, owner) {
            (BackendKind::LlamaCpp, _) => Ok(Recognised::LlamaCpp(self.read("/props").await?)),
            (BackendKind::Vllm, _) => Ok(Recognised::Vllm(self.read("/version").await?)),
            (BackendKind::Openai, _) => Ok(Recognised::Openai),
            // The owner's name is a hint: a proxy passes it on and lacks the rest. Without the hint,
            // others have a `/version` too, but only llama.cpp has such `/props`.
            (BackendKind::Auto, Some("vllm")) => {
                let version = self.read_if_there("/version").await?;
                Ok(version.map_or(Recognised::Openai, Recognised::Vllm))
            }
            (BackendKind::Auto, _) => {
                let properties = self.read_if_there("/props").await?;
                Ok(properties.map_or(Recognised::Openai, Recognised::LlamaCpp))
            }
        }
    }

    async fn check_health(&self) -> Result<(), ProbeError> {
        self.get("/health").await.map(|_| ())
    }

    async fn get(&self, path: &'static str) -> Result<Bytes, ProbeError> {
        let answer = self.http.exchange(Method::GET, path, Bytes::new()).await;
        let (status, body) = answer.map_err(|source| ProbeError::Transport { path, source })?;
        if !status.is_success() {
            return Err(ProbeError::Status { path, status });
        }
        Ok(body)
    }

    async fn read<T: DeserializeOwned>(&self, path: &'static str) -> Result<T, ProbeError> {
        let body = self.get(path).await?;
        serde_json::from_slice(&body).map_err(|source| ProbeError::Shape { path, source })
    }

    /// Nothing when the server has no such path, or has something else there.
    async fn read_if_there<T: DeserializeOwned>(
        &self,
        path: &'static str,
    ) -> Result<Option<T>, ProbeError> {
        match self.read(path).await {
            Ok(value) => Ok(Some(value)),
            Err(ProbeError::Status { .. } | ProbeError::Shape { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

enum Recognised {
    LlamaCpp(Properties),
    Vllm(Version),
    Openai,
}

fn models(list: ModelList) -> Vec<BackendModel> {
    list.data
        .into_iter()
        .map(|model| BackendModel { name: model.id, context_length: model.max_model_len })
        .collect()
}
