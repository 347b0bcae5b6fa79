//! A real node between a scripted backend and the other end of its tunnels.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod asks;
mod attestation;
mod cancellation;
mod demands;
mod earnings;
mod hello;
mod recovery;
mod refusals;
mod serving;
mod slow_reader;
mod support;
