//! Why a request is not answered, before the first byte of an answer.

use std::time::Duration;

use pinaivu_openai::ApiError;
use pinaivu_protocol::units::TokenCount;

use crate::accounts::HoldError;

/// Why there is no answer. Nothing was charged in any of these cases.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RequestError {
    /// The body is not a request the gateway understands.
    #[error(transparent)]
    Invalid(ApiError),
    /// The request asks for more generated tokens than this coordinator allows.
    #[error("{asked} generated tokens asked for, {limit} allowed")]
    OutputLimit {
        /// The field to lower.
        field: &'static str,
        /// Over all choices.
        asked: u64,
        /// Over all choices.
        limit: TokenCount,
    },
    /// More alternatives than this coordinator allows.
    #[error("{asked} choices asked for, {limit} allowed")]
    Choices {
        /// `n`.
        asked: u32,
        /// The most allowed.
        limit: u16,
    },
    /// Nobody offers the model.
    #[error("nobody offers the model {0:?}")]
    UnknownModel(String),
    /// The key may not ask for the model.
    #[error("the key may not ask for {0:?}")]
    ModelNotAllowed(String),
    /// Nobody who offers the model has the features the request needs.
    #[error("no node offers {model:?} with {feature}")]
    Feature {
        /// The model.
        model: String,
        /// In words.
        feature: &'static str,
    },
    /// Prompt and answer do not fit anywhere.
    #[error("a context of {needed} tokens is needed, {longest} is the longest offered")]
    Context {
        /// The model.
        model: String,
        /// Prompt (estimated) and answer.
        needed: TokenCount,
        /// The longest any node offers.
        longest: TokenCount,
    },
    /// Every offer that could serve it asks more than the client pays.
    #[error("every offer for {0:?} is above the client's limit")]
    AboveLimit(String),
    /// The model is known, but no offer for it stands right now.
    #[error("no node offers {model:?} right now")]
    NoOffer {
        /// The model.
        model: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// All nodes that could serve it are full, or the gateway is.
    #[error("no capacity for {model:?}")]
    NoCapacity {
        /// The model.
        model: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// Too many requests wait, of everybody or of this allowance.
    #[error("too many requests wait")]
    QueueFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The allowance does not cover it.
    #[error("{error}")]
    Hold {
        /// Why not.
        error: HoldError,
        /// The field that lowers what the request may cost.
        field: &'static str,
    },
    /// The node says the request is at fault.
    #[error("the node refused the request: {0}")]
    Refused(ApiError),
    /// Every node tried failed before its first byte.
    #[error("every node that was tried failed")]
    AllFailed,
    /// Every node tried was too slow.
    #[error("no node answered in time")]
    TimedOut,
    /// The coordinator is stopping, or cannot write receipts.
    #[error("not serving")]
    Unavailable,
}
