//! OpenAI's HTTP API as it is on the wire.
//!
//! Bodies travel as the bytes they came in: a request is parsed only for what routing and billing
//! need ([`ChatRequest`]), fields are added to JSON objects without rewriting the rest
//! ([`set_fields`], [`ObjectField`]), and streams are cut into events without being collected
//! ([`EventSplitter`]). So every field that a client or a server knows and we do not survives.
//!
//! What we say ourselves is here too: the errors ([`ApiError`], one page each in `docs/errors/`) and
//! the model list. Nothing here does I/O, and nothing knows about money; the canonical form that
//! commitments are made of is `pinaivu_protocol::answer`'s.

mod code;
mod completion;
mod endpoint;
mod error;
mod event;
mod field;
mod message;
mod model;
mod normalise;
mod preferences;
mod prompt;
mod request;
mod upstream;

pub use code::{ErrorCode, RetryAdvice};
pub use completion::{AnswerFacts, Usage};
pub use endpoint::Endpoint;
pub use error::{ApiError, ErrorBody, ErrorDetail};
pub use event::{
    DONE, DONE_EVENT, Event, EventSplitter, EventTooLong, MAX_EVENT_BYTES, encode_event,
};
pub use field::{NotAnObject, ObjectField, get_field, put_fields, set_fields};
pub use model::{Model, ModelList};
pub use normalise::{
    Defaults, has_foreign_reason, lacks_members, normalise_chunk, normalise_whole,
};
pub use preferences::{Preferences, Sort};
pub use request::{ChatRequest, MAX_CHOICES, OutputLimit};
pub use upstream::UpstreamError;
