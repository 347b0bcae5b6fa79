//! `kill -9` while receipts are made: whatever was shown to anyone is in the database afterwards, and no
//! position of the log is ever signed for two receipts.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod any_moment;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod every_write;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod traced;
mod world;
