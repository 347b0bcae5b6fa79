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
mod continuation;
mod direct;
mod endpoints;
mod failures;
mod hedging;
mod hostile;
mod keys;
mod listener;
mod log;
mod nodes;
mod openapi;
mod preferences;
mod queue;
mod recount;
mod serving;
mod slow_reader;
mod support;
mod views;
mod web;
