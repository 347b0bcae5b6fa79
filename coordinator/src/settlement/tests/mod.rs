//! Settlement against a chain that goes wrong, judged by rules written down a second time.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::integer_division,
    reason = "tests"
)]

mod chain;
mod faults;
mod rules;
mod world;
