//! The local chain from outside, and everything of `pinaivu-chain` that needs a chain to be shown.
//!
//! One test program, because each one links a whole virtual machine.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod binary;
mod cluster;
mod fixture;
mod ledger;
mod market;
mod transactions;
