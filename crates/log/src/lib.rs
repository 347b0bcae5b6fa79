//! The public receipt log as other people's tools read it, and the audit of what it says.
//!
//! A coordinator's receipts are the leaves of one RFC 9162 log for each epoch. This crate gives that log
//! the C2SP formats: [`tile`] and [`entry`] (`tlog-tiles`), [`note`] and [`checkpoint`] (`signed-note`,
//! `tlog-checkpoint`), [`proof`] (`tlog-proof`), [`cosignature`] and [`witness`] (`tlog-cosignature`,
//! `tlog-witness`). [`bundle`] is what people keep of a receipt. [`audit`] streams a whole log and compares it with what the chain says.
//!
//! Everything is pure or reads through [`source::LogSource`]: no clock, no key of its own, no network.
//! It is not part of what the program is built from, and nothing here decides what a receipt is: that is
//! `pinaivu_protocol`.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

pub mod audit;
pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod note;
pub mod proof;
pub mod source;
pub mod tile;
pub mod witness;

use pinaivu_protocol::ids::CoordinatorId;

/// The name of one epoch's log: the origin line of its checkpoints and the name of the key that signs
/// them. A coordinator's address contains program, mint and cluster, so no two logs share a name.
#[must_use]
pub fn origin(coordinator: CoordinatorId, epoch: u32) -> String {
    format!("pinaivu/log/{coordinator}/{epoch}")
}
