//! The embedded local chain: surfpool in this process, with the program deployed, test USDC and a faucet.
//!
//! [`Localnet::start`] gives a Solana cluster on loopback that any wallet can be pointed at; the binary
//! `pinaivu-localnet` does the same for people and for other processes. It talks to nobody outside.
//!
//! **What it keeps.** With a ledger directory the state survives restarts and `kill -9`: accounts,
//! genesis hash, height, the newest 20,000 transactions. The chain is at most 0.2 s ahead of the ledger,
//! so a killed process may lose its last confirmed transactions, as a fork would, but never a finalized
//! one; a power failure may lose a little more, and never leaves a mixture. Subscriptions and
//! simulations do not survive.
//!
//! **What it is not.** Not a validator: no votes, no stake, no leader schedule. Blockhashes are the same
//! on every local chain at the same height, so a transaction signed for one may be replayed on another;
//! the genesis hash, which is random, is what tells them apart. RPC reads show the newest state whatever
//! commitment they ask for.

mod clock;
mod decimal;
pub mod error;
pub mod faucet;
mod genesis;
mod keeper;
pub mod keys;
mod ledger;
pub mod localnet;
pub mod ready;
mod recorder;
mod surfnet;

pub use error::LocalnetError;
pub use faucet::Faucet;
pub use genesis::USDC_DECIMALS;
pub use ledger::KEPT_TRANSACTIONS;
pub use localnet::{Localnet, LocalnetOptions, ProgramSource, default_market};
pub use ready::Ready;
