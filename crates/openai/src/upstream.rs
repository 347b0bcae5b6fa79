//! Errors of inference servers, read into what we tell the client.
//!
//! Servers disagree: vLLM and SGLang put the HTTP status into `code`, llama.cpp has types of its own
//! and answers malformed JSON with 500, older ones have no `error` object at all.

use serde::Deserialize;
use serde_json::Value;

use crate::code::ErrorCode;
use crate::error::ApiError;

/// What an inference server's error means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// The request is at fault; the client gets this and no other node is tried.
    Request(ApiError),
    /// The server is at fault, or too busy; another node may do better.
    Server {
        /// What it said, for the node's log. Not for clients.
        message: String,
    },
}

impl UpstreamError {
    /// Reads a response with a status other than 2xx.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let detail = Detail::parse(body);
        let message = detail.message.unwrap_or_default();
        let kind = detail.kind.unwrap_or_default();
        let about_context = kind == "exceed_context_size_error"
            || detail.code.as_ref().and_then(Value::as_str) == Some("context_length_exceeded")
            || (status == 400 && message.contains("maximum context length"));
        let code = match status {
            400 | 422 if about_context => ErrorCode::ContextLengthExceeded,
            400 | 422 => ErrorCode::InvalidValue,
            404 if kind.contains("NotFound") || kind == "not_found_error" => {
                ErrorCode::ModelNotFound
            }
            413 => ErrorCode::BodyTooLarge,
            _ => return Self::Server { message },
        };
        let message = if message.is_empty() {
            "The model's server refused the request.".to_owned()
        } else {
            message
        };
        let mut error = ApiError::new(code, message);
        if let Some(param) = detail.param {
            error = error.with_param(param);
        }
        Self::Request(error)
    }
}

#[derive(Debug, Default, Deserialize)]
struct Detail {
    message: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    param: Option<String>,
    code: Option<Value>,
}

impl Detail {
    fn parse(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Wrapped {
            error: Detail,
        }
        #[derive(Deserialize)]
        struct Plain {
            error: String,
        }
        if let Ok(wrapped) = serde_json::from_slice::<Wrapped>(body) {
            return wrapped.error;
        }
        if let Ok(plain) = serde_json::from_slice::<Plain>(body) {
            return Self { message: Some(plain.error), ..Self::default() };
        }
        serde_json::from_slice(body).unwrap_or_default()
    }
}
