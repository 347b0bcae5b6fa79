//! A whole coordinator in this process, with scripted nodes on its tunnel and a chain in memory: what
//! clients and nodes see, and that the money is right afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking"
)]

mod attestation;
mod bad_input;
mod blobs;
mod book;
mod conformance;
mod endpoints;
mod failures;
mod keys;
mod log;
mod nodes;
mod preferences;
mod queue;
mod serving;
mod slow_reader;
mod support;
mod views;
mod web;
