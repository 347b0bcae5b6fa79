//! The auction as its users see it: book, clearing, prices, quality.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod book;
mod clearing;
mod market;
mod occupancy;
mod passed_over;
mod properties;
mod quality;
mod shared;
mod vectors;
