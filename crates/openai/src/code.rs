//! Our error codes: the stable part of every error, with the HTTP status and whether to try again.
//!
//! Official SDKs try again by themselves on 408, 409, 429 and 5xx, twice by default, unless
//! `x-should-retry` says otherwise. The statuses are chosen with that in mind and the header is always
//! sent, so that nobody repeats a request that cannot succeed, and everybody repeats one that may.

use std::fmt;

/// Whether a client gains by sending the same request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// The same request fails again until something else changes.
    Never,
    /// The same request may succeed, at once or a little later.
    Yes,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $kind:literal, $retry:ident;)*) => {
        /// What went wrong, stable across versions: the `code` of an error body.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// As it stands in the error body.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status it is sent with.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* }
            }

            /// The `type` of the error body, in OpenAI's vocabulary.
            #[must_use]
            pub const fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }

            /// Whether to send the same request again.
            #[must_use]
            pub const fn retry(self) -> RetryAdvice {
                match self { $(Self::$variant => RetryAdvice::$retry,)* }
            }

            /// Where the code is explained, in the repository.
            #[must_use]
            pub const fn docs_path(self) -> &'static str {
                match self { $(Self::$variant => concat!("docs/errors/", $text, ".md"),)* }
            }

            /// The code with this text.
            #[must_use]
            pub fn from_text(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

codes! {
    /// The body is not JSON, not an object, or names a field twice.
    InvalidJson = "invalid_json", 400, "invalid_request_error", Never;
    /// A field has the wrong type.
    InvalidType = "invalid_type", 400, "invalid_request_error", Never;
    /// A field has the right type and a value that is not allowed.
    InvalidValue = "invalid_value", 400, "invalid_request_error", Never;
    /// A required field is not there.
    MissingRequiredParameter = "missing_required_parameter", 400, "invalid_request_error", Never;
    /// The request asks for something this gateway does not do.
    UnsupportedParameter = "unsupported_parameter", 400, "invalid_request_error", Never;
    /// The model is offered, but by no node with a feature the request needs.
    FeatureUnavailable = "feature_unavailable", 400, "invalid_request_error", Never;
    /// Prompt and answer do not fit in the context of any node that offers the model.
    ContextLengthExceeded = "context_length_exceeded", 400, "invalid_request_error", Never;
    /// Every node asks more than the limit the client set.
    PriceLimitTooLow = "price_limit_too_low", 400, "invalid_request_error", Never;
    /// The request may cost more than what is left of the allowance; fewer tokens would fit.
    HoldExceeded = "hold_exceeded", 400, "insufficient_quota", Never;
    /// There is no API key.
    MissingApiKey = "missing_api_key", 401, "authentication_error", Never;
    /// The API key is not one of ours.
    InvalidApiKey = "invalid_api_key", 401, "authentication_error", Never;
    /// The API key was revoked.
    RevokedApiKey = "revoked_api_key", 401, "authentication_error", Never;
    /// The API key's time is over.
    ExpiredApiKey = "expired_api_key", 401, "authentication_error", Never;
    /// The session is unknown or has ended.
    InvalidSession = "invalid_session", 401, "authentication_error", Never;
    /// The request for a blob is not signed by the key of its namespace.
    BlobUnauthorized = "blob_unauthorized", 401, "authentication_error", Never;
    /// The key's escrow has no allowance for this coordinator.
    AllowanceMissing = "allowance_missing", 403, "permission_error", Never;
    /// The allowance has expired.
    AllowanceExpired = "allowance_expired", 403, "permission_error", Never;
    /// The owner released the allowance.
    AllowanceReleased = "allowance_released", 403, "permission_error", Never;
    /// The key may not ask for this model.
    ModelNotAllowed = "model_not_allowed", 403, "permission_error", Never;
    /// The ticket is missing or is not a ticket.
    TicketMalformed = "ticket_malformed", 403, "permission_error", Never;
    /// The ticket's MAC or signature does not verify.
    TicketForged = "ticket_forged", 403, "permission_error", Never;
    /// The ticket is for another node, coordinator or deployment.
    TicketWrongParty = "ticket_wrong_party", 403, "permission_error", Never;
    /// The ticket's deadline has passed.
    TicketExpired = "ticket_expired", 403, "permission_error", Never;
    /// The ticket was used before.
    TicketReplayed = "ticket_replayed", 403, "permission_error", Never;
    /// The body is not the one the ticket commits to.
    TicketWrongBody = "ticket_wrong_body", 403, "permission_error", Never;
    /// There is nothing at this path.
    NotFound = "not_found", 404, "invalid_request_error", Never;
    /// Nobody offers the model.
    ModelNotFound = "model_not_found", 404, "invalid_request_error", Never;
    /// There is no receipt for this request.
    ReceiptNotFound = "receipt_not_found", 404, "invalid_request_error", Never;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, "invalid_request_error", Never;
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", 408, "invalid_request_error", Yes;
    /// Something else is stored than the change expects.
    VersionConflict = "version_conflict", 412, "invalid_request_error", Never;
    /// The body is longer than the gateway takes.
    BodyTooLarge = "body_too_large", 413, "invalid_request_error", Never;
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, "invalid_request_error", Never;
    /// Nothing is left of the allowance.
    InsufficientQuota = "insufficient_quota", 429, "insufficient_quota", Never;
    /// The request may cost more than what is left of the key's budget.
    KeyBudgetExceeded = "key_budget_exceeded", 429, "insufficient_quota", Never;
    /// Too many requests with this key or from this address.
    RateLimited = "rate_limited", 429, "rate_limit_error", Yes;
    /// Too many requests of this allowance wait for a node.
    QueueFull = "queue_full", 429, "rate_limit_error", Yes;
    /// Our own fault.
    Internal = "internal_error", 500, "server_error", Yes;
    /// Every node that was tried failed before its first byte.
    UpstreamFailed = "upstream_failed", 502, "server_error", Yes;
    /// The node failed in the middle of the answer.
    AnswerInterrupted = "answer_interrupted", 502, "server_error", Yes;
    /// Nodes offer the model, but none has room.
    NoCapacity = "no_capacity", 503, "server_error", Yes;
    /// The gateway or node is starting or stopping.
    Unavailable = "unavailable", 503, "server_error", Yes;
    /// No node answered in time.
    UpstreamTimeout = "upstream_timeout", 504, "server_error", Yes;
    /// The namespace holds as many bytes of blobs as it may.
    StorageFull = "storage_full", 507, "invalid_request_error", Never;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
