//! An error as a client sees it: `{"error":{"message","type","param","code"}}`.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::code::{ErrorCode, RetryAdvice};
use crate::event::encode_event;

/// One error, before it is a response. Make it by the constructor of its case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// What went wrong.
    pub code: ErrorCode,
    /// For people: what happened and what to do. Never holds prompts, keys or internals.
    pub message: String,
    /// The field of the request that is at fault.
    pub param: Option<Cow<'static, str>>,
    /// How long to wait before trying again, where that is known.
    pub retry_after: Option<Duration>,
}

/// The body of an error response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// The one field.
    pub error: ErrorDetail<'a>,
}

/// What [`ErrorBody`] holds, in OpenAI's four fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ErrorDetail<'a> {
    /// For people.
    pub message: &'a str,
    /// OpenAI's class of the error.
    pub r#type: &'static str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// Our code.
    pub code: &'static str,
}

impl ApiError {
    /// An error with a message of its own. The constructors below have the usual wording.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), param: None, retry_after: None }
    }

    /// The same, about one field of the request.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, with how long to wait.
    #[must_use]
    pub const fn with_retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code.status()
    }

    /// The response body.
    #[must_use]
    pub fn body(&self) -> ErrorBody<'_> {
        ErrorBody {
            error: ErrorDetail {
                message: &self.message,
                r#type: self.code.kind(),
                param: self.param.as_deref(),
                code: self.code.as_str(),
            },
        }
    }

    /// The response body as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let json = serde_json::to_vec(&self.body());
        // Strings serialise always.
        debug_assert!(json.is_ok());
        json.unwrap_or_default()
    }

    /// The error as an event, for a stream that has begun. SDKs raise it; `[DONE]` must not follow.
    #[must_use]
    pub fn to_event(&self) -> Bytes {
        encode_event(&self.to_json())
    }

    /// Headers to send along beside the content type: `x-should-retry`, which official SDKs obey
    /// before anything else, and `retry-after` (whole seconds, rounded up) where there is one.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, Cow<'static, str>)> {
        let retry = match self.code.retry() {
            RetryAdvice::Yes => "true",
            RetryAdvice::Never => "false",
        };
        let after = self.retry_after.map(|delay| {
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
            ("retry-after", Cow::Owned(seconds.to_string()))
        });
        std::iter::once(("x-should-retry", Cow::Borrowed(retry))).chain(after)
    }

    /// [`ErrorCode::InvalidJson`]; `why` comes from the parser and must not quote the body.
    #[must_use]
    pub fn invalid_json(why: &str) -> Self {
        Self::new(
            ErrorCode::InvalidJson,
            format!("We could not parse the JSON body of your request: {why}"),
        )
    }

    /// [`ErrorCode::InvalidType`].
    #[must_use]
    pub fn invalid_type(param: impl Into<Cow<'static, str>>, expected: &str, got: &str) -> Self {
        let param = param.into();
        Self::new(
            ErrorCode::InvalidType,
            format!("Invalid type for '{param}': expected {expected}, but got {got} instead."),
        )
        .with_param(param)
    }

    /// [`ErrorCode::InvalidValue`].
    #[must_use]
    pub fn invalid_value(param: impl Into<Cow<'static, str>>, expected: &str) -> Self {
        let param = param.into();
        Self::new(
            ErrorCode::InvalidValue,
            format!("Invalid value for '{param}': expected {expected}."),
        )
        .with_param(param)
    }

    /// [`ErrorCode::MissingRequiredParameter`].
    #[must_use]
    pub fn missing_parameter(param: &'static str) -> Self {
        Self::new(
            ErrorCode::MissingRequiredParameter,
            format!("Missing required parameter: '{param}'."),
        )
        .with_param(param)
    }

    /// [`ErrorCode::FeatureUnavailable`].
    #[must_use]
    pub fn feature_unavailable(model: &str, feature: &'static str) -> Self {
        Self::new(
            ErrorCode::FeatureUnavailable,
            format!("No node that offers the model '{model}' supports {feature}."),
        )
    }

    /// [`ErrorCode::ContextLengthExceeded`].
    #[must_use]
    pub fn context_length_exceeded(model: &str, needed: u32, longest: u32) -> Self {
        Self::new(
            ErrorCode::ContextLengthExceeded,
            format!(
                "This request needs a context of about {needed} tokens, prompt and answer together; \
                 the longest offered for the model '{model}' is {longest} tokens. Shorten the \
                 messages or lower max_completion_tokens."
            ),
        )
        .with_param("messages")
    }

    /// [`ErrorCode::PriceLimitTooLow`].
    #[must_use]
    pub fn price_limit_too_low(model: &str) -> Self {
        Self::new(
            ErrorCode::PriceLimitTooLow,
            format!("Every node that could serve the model '{model}' asks more than your limit."),
        )
    }

    /// [`ErrorCode::HoldExceeded`]; amounts as the person reads them, for example `1.250000 USDC`.
    #[must_use]
    pub fn hold_exceeded(param: &'static str, needed: &str, free: &str) -> Self {
        Self::new(
            ErrorCode::HoldExceeded,
            format!(
                "This request may cost up to {needed}, but only {free} of your allowance is free. \
                 Lower {param}, wait for running requests to finish, or raise the allowance."
            ),
        )
        .with_param(param)
    }

    /// [`ErrorCode::MissingApiKey`].
    #[must_use]
    pub fn missing_api_key() -> Self {
        Self::new(
            ErrorCode::MissingApiKey,
            "You did not provide an API key. Send it in the Authorization header: \
             'Authorization: Bearer YOUR_KEY'.",
        )
    }

    /// [`ErrorCode::InvalidApiKey`].
    #[must_use]
    pub fn invalid_api_key() -> Self {
        Self::new(ErrorCode::InvalidApiKey, "Incorrect API key provided.")
    }

    /// [`ErrorCode::RevokedApiKey`].
    #[must_use]
    pub fn revoked_api_key() -> Self {
        Self::new(ErrorCode::RevokedApiKey, "This API key has been revoked. Create a new one.")
    }

    /// [`ErrorCode::AllowanceMissing`].
    #[must_use]
    pub fn allowance_missing() -> Self {
        Self::new(
            ErrorCode::AllowanceMissing,
            "The escrow behind this API key reserves nothing for this coordinator. Reserve an \
             allowance first.",
        )
    }

    /// [`ErrorCode::AllowanceExpired`].
    #[must_use]
    pub fn allowance_expired() -> Self {
        Self::new(
            ErrorCode::AllowanceExpired,
            "The allowance behind this API key has expired. Extend it or reserve a new one.",
        )
    }

    /// [`ErrorCode::AllowanceReleased`].
    #[must_use]
    pub fn allowance_released() -> Self {
        Self::new(
            ErrorCode::AllowanceReleased,
            "The allowance behind this API key is being released to its owner. Reserve a new one.",
        )
    }

    /// [`ErrorCode::InsufficientQuota`].
    #[must_use]
    pub fn insufficient_quota() -> Self {
        Self::new(
            ErrorCode::InsufficientQuota,
            "Nothing is left of the allowance behind this API key. Deposit and raise the allowance \
             to go on.",
        )
    }

    /// [`ErrorCode::NotFound`].
    #[must_use]
    pub fn not_found(method: &str, path: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("Unknown request URL: {method} {path}."))
    }

    /// [`ErrorCode::ModelNotFound`].
    #[must_use]
    pub fn model_not_found(model: &str) -> Self {
        Self::new(
            ErrorCode::ModelNotFound,
            format!("The model '{model}' does not exist or nobody offers it now. See /v1/models."),
        )
        .with_param("model")
    }

    /// [`ErrorCode::ReceiptNotFound`].
    #[must_use]
    pub fn receipt_not_found(request: &str) -> Self {
        Self::new(ErrorCode::ReceiptNotFound, format!("There is no receipt for '{request}' yet."))
    }

    /// [`ErrorCode::MethodNotAllowed`].
    #[must_use]
    pub fn method_not_allowed(method: &str, path: &str) -> Self {
        Self::new(ErrorCode::MethodNotAllowed, format!("{path} does not take {method}."))
    }

    /// [`ErrorCode::RequestTimeout`].
    #[must_use]
    pub fn request_timeout() -> Self {
        Self::new(ErrorCode::RequestTimeout, "The request body did not arrive in time.")
    }

    /// [`ErrorCode::BodyTooLarge`].
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(
            ErrorCode::BodyTooLarge,
            format!("The request body is longer than {limit} bytes."),
        )
    }

    /// [`ErrorCode::UnsupportedMediaType`].
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(
            ErrorCode::UnsupportedMediaType,
            "Send the body as JSON, with 'Content-Type: application/json'.",
        )
    }

    /// [`ErrorCode::RateLimited`].
    #[must_use]
    pub fn rate_limited(delay: Duration) -> Self {
        Self::new(ErrorCode::RateLimited, "Too many requests. Wait a moment and try again.")
            .with_retry_after(delay)
    }

    /// [`ErrorCode::NoCapacity`].
    #[must_use]
    pub fn no_capacity(model: &str, delay: Duration) -> Self {
        Self::new(
            ErrorCode::NoCapacity,
            format!("Every node that offers the model '{model}' is busy. Try again in a moment."),
        )
        .with_retry_after(delay)
    }

    /// [`ErrorCode::UpstreamFailed`].
    #[must_use]
    pub fn upstream_failed() -> Self {
        Self::new(
            ErrorCode::UpstreamFailed,
            "Every node that was tried failed before it answered. You were not charged.",
        )
    }

    /// [`ErrorCode::AnswerInterrupted`].
    #[must_use]
    pub fn answer_interrupted() -> Self {
        Self::new(
            ErrorCode::AnswerInterrupted,
            "The node stopped in the middle of the answer. You are charged only for what arrived.",
        )
    }

    /// [`ErrorCode::AnswerInterrupted`], by ourselves.
    #[must_use]
    pub fn answer_cut() -> Self {
        Self::new(
            ErrorCode::AnswerInterrupted,
            "The coordinator is being stopped in the middle of the answer. You are charged only for \
             what arrived.",
        )
    }

    /// [`ErrorCode::UpstreamTimeout`].
    #[must_use]
    pub fn upstream_timeout() -> Self {
        Self::new(
            ErrorCode::UpstreamTimeout,
            "No node began to answer in time. You were not charged.",
        )
    }

    /// [`ErrorCode::Unavailable`].
    #[must_use]
    pub fn unavailable() -> Self {
        Self::new(ErrorCode::Unavailable, "The service is starting or stopping. Try again.")
            .with_retry_after(Duration::from_secs(1))
    }

    /// [`ErrorCode::Unavailable`]: as many requests as fit are being served.
    #[must_use]
    pub fn overloaded(delay: Duration) -> Self {
        let message = "The service holds as many requests as it can. Try again in a moment.";
        Self::new(ErrorCode::Unavailable, message).with_retry_after(delay)
    }

    /// [`ErrorCode::Internal`]: says nothing about the inside.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "Something went wrong on our side. Try again.")
    }

    /// [`ErrorCode::UnsupportedParameter`]; `why` says what cannot be done.
    #[must_use]
    pub fn unsupported_parameter(param: impl Into<Cow<'static, str>>, why: &str) -> Self {
        let param = param.into();
        Self::new(
            ErrorCode::UnsupportedParameter,
            format!("Unsupported parameter: '{param}'. {why}"),
        )
        .with_param(param)
    }

    /// [`ErrorCode::ExpiredApiKey`].
    #[must_use]
    pub fn expired_api_key() -> Self {
        Self::new(ErrorCode::ExpiredApiKey, "This API key has expired. Create a new one.")
    }

    /// [`ErrorCode::InvalidSession`].
    #[must_use]
    pub fn invalid_session() -> Self {
        Self::new(ErrorCode::InvalidSession, "This session has ended. Sign in again.")
    }

    /// [`ErrorCode::BlobUnauthorized`]; `why` says what is wrong with the signature.
    #[must_use]
    pub fn blob_unauthorized(why: &str) -> Self {
        Self::new(ErrorCode::BlobUnauthorized, format!("The request is not authorised: {why}."))
    }

    /// [`ErrorCode::ModelNotAllowed`].
    #[must_use]
    pub fn model_not_allowed(model: &str) -> Self {
        Self::new(
            ErrorCode::ModelNotAllowed,
            format!("This API key may not ask for the model '{model}'."),
        )
        .with_param("model")
    }

    /// [`ErrorCode::VersionConflict`].
    #[must_use]
    pub fn version_conflict() -> Self {
        Self::new(
            ErrorCode::VersionConflict,
            "Another version is stored than the request expects. Read it and try again.",
        )
    }

    /// [`ErrorCode::KeyBudgetExceeded`]; amounts as the person reads them.
    #[must_use]
    pub fn key_budget_exceeded(param: &'static str, needed: &str, free: &str) -> Self {
        Self::new(
            ErrorCode::KeyBudgetExceeded,
            format!(
                "This request may cost up to {needed}, but only {free} of this key's budget is \
                 free. Lower {param}, wait for running requests to finish, or raise the budget."
            ),
        )
        .with_param(param)
    }

    /// [`ErrorCode::QueueFull`].
    #[must_use]
    pub fn queue_full(delay: Duration) -> Self {
        Self::new(
            ErrorCode::QueueFull,
            "Too many requests of yours wait for a node. Try again in a moment.",
        )
        .with_retry_after(delay)
    }

    /// [`ErrorCode::StorageFull`].
    #[must_use]
    pub fn storage_full(limit: u64) -> Self {
        Self::new(ErrorCode::StorageFull, format!("A namespace holds at most {limit} bytes."))
    }
}
