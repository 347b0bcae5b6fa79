//! Drives a whole network as a person would: `pinaivu up` as a process, its API over HTTP, the command
//! line for everything else, and the chain read directly.
//!
//! A [`Network`] lives as long as its value: the process is started with a guarded standard input and
//! ends with the test, also when the test panics or is killed.

mod liar;
mod network;
mod oracle;
mod wallet;

pub use liar::Liar;
pub use network::{Network, Reply, binaries, eventually, python};
pub use oracle::{Totals, check_conservation};
pub use wallet::{Wallet, instructions};
