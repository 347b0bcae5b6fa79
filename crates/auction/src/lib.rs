//! The auction: a standing order book, scoring and clearing.
//!
//! There is no bidding window. Nodes keep signed asks standing in an [`OrderBook`]; a request is
//! cleared against an immutable [`Snapshot`] of it in one scan. Everything here is a pure function of
//! its inputs: integers only, no clock, no I/O, no randomness, so anyone who holds the book's entries
//! re-runs a clearing and gets the same winner at the same price.
//!
//! - [`OrderBook`] and [`SharedBook`]: who offers what, chained so that its [`Snapshot::head`] commits
//!   to the whole book before a request is cleared.
//! - [`quality_factor`]: from measurements to the bounded factor that multiplies a node's cost.
//! - [`clear`]: the ranking and the prices. `docs/adr/0003-second-price.md` says why these prices.
//! - [`Occupancy`]: how many requests each node has, the one input that changes with every request.
//!
//! Whether a node is registered, staked and connected is for the caller to say, by
//! [`OrderBook::admit_node`] and [`OrderBook::remove_node`]; how tokens are counted and what is owed in
//! the end is not decided here.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod book;
mod clearing;
mod entry;
mod occupancy;
mod outcome;
mod passed_over;
mod price;
mod quality;
mod ranking;
mod service;
mod shared;
mod snapshot;
mod terms;
mod tie;

pub use book::OrderBook;
pub use clearing::{
    Candidate, Clearing, Exclusion, ExclusionCounts, MAX_RANKED, NoWinner, NoWinnerCause, Request,
    Verdict, WarmNode, clear, explain,
};
pub use entry::{
    BookEntry, Measured, NodeFacts, RECENT_SERVICE, Rating, Standing, Weights, next_head,
};
pub use occupancy::{Availability, BusyNodes, Everyone, Occupancy, Seat};
pub use outcome::{AskEffect, AskRefused, BookError, ReplayError, Update};
pub use passed_over::{Case, CaseError, Finding, MOMENT, examine};
pub use price::{CLEARING_CAP, clearing_price, critical_price};
pub use quality::{Measurements, QualityFactor, Reference, quality_factor};
pub use service::{FalseService, RECEIPT_DELAY, Service, ServiceReport};
pub use shared::{Journal, SharedBook};
pub use snapshot::{MAX_NODES, ModelBook, ModelSummary, NodeSlot, Offer, Snapshot};
pub use terms::{Order, Terms, Wish};
pub use tie::tie_break;
