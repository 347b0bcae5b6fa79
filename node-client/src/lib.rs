//! The node client: serves a local inference server to coordinators and gets paid for it.
//!
//! It dials out to each coordinator, offers signed asks, answers OpenAI requests that carry a valid
//! dispatch ticket from the local backend, and keeps what it needs to be paid: journaled proofs until
//! the coordinator's receipt is here, and the newest receipt as the coordinator's promise. Earnings are
//! claimed on chain by themselves. Programs start it with [`Node::start`]; the `pinaivu-node` binary and
//! `pinaivu node run` share [`command`].
//!
//! Direction of dependencies: [`node`] puts everything together; [`tunnel`] uses [`serving`], never the
//! other way round, so that another door can use the same router; only [`journal`] knows SQL, and [`acknowledged`] the other files; only
//! [`backend`] knows inference servers; only [`key`] reads key files.

pub mod acknowledged;
pub mod asks;
pub mod backend;
pub mod chain;
pub mod clock;
pub mod command;
pub mod config;
pub mod counterparty;
pub mod demands;
pub mod earnings;
pub mod evidence;
pub mod exposure;
pub mod housekeeping;
pub mod identity;
pub mod journal;
pub mod key;
pub mod node;
pub mod offer;
pub mod public;
mod report;
pub mod represent;
pub mod serving;
pub mod session;
mod tasks;
pub mod tunnel;

pub use config::Config;
pub use node::{Foundations, Node, ReadyReport, StartError};

#[cfg(test)]
mod fixtures;
