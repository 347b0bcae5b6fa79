//! Receipts from draft to disk, and what must never happen on the way.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::integer_division,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod evidence;
mod life;
mod pipeline;
mod public_log;
mod represent;
mod signer;
mod view;
mod world;
