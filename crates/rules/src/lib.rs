//! Pure integer money rules: fees, splits, reservations, guarantees, unbonding, slashing and
//! conservation.
//!
//! Everything here is arithmetic on values that the caller read and will write: no accounts, no clock,
//! no I/O. The program runs these rules on chain; services run the same ones to know beforehand what
//! the program will do. Each rule either gives the whole result or an error and leaves its input as it
//! was. Every division names its rounding direction.
//!
//! Not here: who may do what (the program's constraints), and prices of requests (the auction).

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod error;
mod guarantee;
mod reservation;
mod settlement;
mod slash;
mod stake;
mod time;
mod vault;

pub use error::RuleError;
pub use guarantee::{Backing, Debt};
pub use reservation::Reservation;
pub use settlement::{Totals, advance, fee_limit};
pub use slash::{REPORTER_SHARE, Slashed, slash};
pub use stake::Stake;
pub use time::{Delay, Moment, UnixSeconds, may_close, may_open};
pub use vault::{Liability, received_exactly, sent_exactly};
