//! Who may spend how much: allowances in memory, holds on them, and API keys.
//!
//! Invariant: receipted + held never exceeds what the chain lets this coordinator debit, so every
//! answer that is admitted can be paid. What the chain says comes from the settlement watcher, what was
//! receipted from the store and the receipts pipeline. This module does not decide prices or count
//! tokens.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod allowance;
mod hold;
mod key_service;
mod keys;
mod rate;
mod sessions;
mod sign_in;
mod signed_text;

#[cfg(test)]
mod tests;

pub use allowance::{Accounts, Balance, HoldError, Payer};
pub use hold::Hold;
pub use key_service::{CommandError, CommandResult, KeyService};
pub use keys::{ApiKeys, Caller, KEY_PREFIX, KeyError, Rates, Secret};
pub use rate::RateView;
pub use sessions::{SESSION_PREFIX, SESSION_TIME, Sessions, TooManySessions};
pub use sign_in::{Domains, SIGN_IN_SENTENCE, SIGN_IN_WORDS, SignIn, read_sign_in};
pub use signed_text::{KEY_TEXT, KeyRequest, Statement, TextError, read_key_command, verifies};
