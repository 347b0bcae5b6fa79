//! Test support: a scripted inference server and bounded waiting. A dev-dependency only.
//!
//! [`ScriptedServer`] speaks the protocol of llama.cpp's or vLLM's server over real sockets and does
//! on request what real ones do rarely: stop in the middle, hang, reset the connection, miscount. It
//! runs no model. [`enclave`] gives attestation evidence of hardware that is not there. The binary `scripted-upstream` is its fast relative for benchmarks, `load-generator` what
//! measures through it.

mod answer;
mod connection;
pub mod enclave;
mod record;
mod script;
mod server;
mod step;
mod wait;

pub use answer::{stream_events, unary_body};
pub use record::{Outcome, RecordedRequest};
pub use script::{Answer, Behaviour, Ending, Flavour, ReportedUsage};
pub use server::{ScriptedServer, ScriptedServerBuilder};
pub use wait::{PATIENCE, wait_until};
