//! The auction as its users see it: book, clearing, prices, quality.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod book;
mod clearing;
#[path = "../../examples/lies/lies.rs"]
mod lies;
mod market;
mod occupancy;
mod passed_over;
mod properties;
mod quality;
mod service;
mod shared;
mod vectors;
mod word;
