//! `POST /v1/responses`, over chat completions.
//!
//! The request is translated into a chat completion request, which is what goes to the node, what is
//! committed to and what is charged; the answer is translated back, whole or as events. The client gets
//! both in their canonical form (`pinaivu.chat_request`, `pinaivu.chat_answer`), so that it can check
//! them against the receipt and against what it sent and got. Nothing is kept: whatever would need the
//! gateway to remember or to run something is refused by name.

mod answer;
mod input;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub(super) use request::{Translated, translate};
pub(super) use stream::ResponsesStream;

use http::Response;
use pinaivu_openai::ApiError;
use pinaivu_protocol::answer::{Answer as Canonical, FinishReason};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::units::UnixMillis;
use serde_json::{Value, json, value::RawValue};

use super::ask::respond;
use super::body::ResponseBody;
use crate::engine::{Answer, Reply};

/// Path of responses.
pub(super) const RESPONSES_PATH: &str = "/v1/responses";

/// What every form of one response says.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    request: RequestId,
    salt: Salt,
    created: u64,
    /// What the client asked for, as responses repeat it.
    echo: Value,
    chat_request: String,
}

/// How a response stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed,
}

impl Status {
    const fn text(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed => "failed",
        }
    }

    const fn of_finish_reason(reason: Option<FinishReason>) -> Self {
        match reason {
            Some(FinishReason::Length) => Self::Incomplete("max_output_tokens"),
            Some(FinishReason::ContentFilter) => Self::Incomplete("content_filter"),
            _ => Self::Completed,
        }
    }
}

impl Frame {
    fn id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", hex::encode(self.request.0))
    }

    /// The response object.
    fn object(
        &self,
        status: Status,
        output: &[Value],
        usage: Value,
        error: Value,
        answer: Option<&Canonical>,
    ) -> Value {
        let mut object = self.echo.clone();
        let reason = match status {
            Status::Incomplete(reason) => json!({ "reason": reason }),
            _ => Value::Null,
        };
        if let Some(members) = object.as_object_mut() {
            for (name, value) in [
                ("id", self.id("resp").into()),
                ("object", "response".into()),
                ("created_at", self.created.into()),
                ("status", status.text().into()),
                ("error", error),
                ("incomplete_details", reason),
                ("output", output.into()),
                ("usage", usage),
                ("request_id", self.request.to_string().into()),
            ] {
                members.insert(name.into(), value);
            }
            if let Some(answer) = answer {
                members.insert("pinaivu".into(), self.opening(answer));
            }
        }
        object
    }

    /// What opens the receipt's commitments.
    fn opening(&self, answer: &Canonical) -> Value {
        let canonical = String::from_utf8_lossy(&answer.canonical_bytes()).into_owned();
        json!({
            "salt": self.salt.to_string(),
            "chat_request": self.chat_request,
            "chat_answer": canonical,
        })
    }
}

/// Translates a reply.
pub(super) fn success(
    reply: Reply,
    translated: Translated,
    now: UnixMillis,
) -> Result<Response<ResponseBody>, ApiError> {
    let Reply { request, salt, answer } = reply;
    let frame = Frame {
        request,
        salt,
        created: now.0.checked_div(1_000).unwrap_or(0),
        echo: translated.echo,
        chat_request: String::from_utf8_lossy(&translated.chat).into_owned(),
    };
    let (body, content_type) = match answer {
        Answer::Whole(json) => {
            let object = answer::whole(&frame, &json).ok_or_else(ApiError::internal)?;
            (ResponseBody::full(object.to_string()), "application/json")
        }
        Answer::Stream(stream) => {
            let events = ResponsesStream::new(stream, frame);
            (ResponseBody::Responses(Box::new(events)), "text/event-stream")
        }
        // Not asked for: see `Asked::redirectable`.
        Answer::Elsewhere(_) => return Err(ApiError::internal()),
    };
    Ok(respond(request, &salt, body, content_type))
}

/// Token counts as responses have them.
fn usage(chat: Option<&Value>) -> Value {
    let Some(chat) = chat.filter(|usage| usage.is_object()) else { return Value::Null };
    let count = |path: &str| chat.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let (input, output) = (count("/prompt_tokens"), count("/completion_tokens"));
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": count("/prompt_tokens_details/cached_tokens"),
            "cache_write_tokens": count("/prompt_tokens_details/cache_write_tokens"),
        },
        "output_tokens": output,
        "output_tokens_details": {
            "reasoning_tokens": count("/completion_tokens_details/reasoning_tokens"),
        },
        "total_tokens": input.saturating_add(output),
    })
}

/// Raw JSON as a value; null for what cannot be.
fn value_of(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or(Value::Null)
}
