//! The coordinator: OpenAI gateway, auction, tunnel to nodes, receipts and settlement.
//!
//! One request passes `http → engine → tunnel → node` and back as a stream; after its last byte a draft
//! goes `engine → receipts → store`, and `settlement` carries totals to the chain. The library holds
//! everything, so that tests start a whole coordinator in their own process; `main.rs` only reads the
//! command line.
//!
//! Dependencies point one way: nothing imports [`http`]; [`engine`] uses [`receipts`], [`store`],
//! [`accounts`] and [`tunnel`]; [`attestation`] shows evidence to [`http`] and [`tunnel`]; [`settlement`] uses [`store`], the chain and [`accounts`]. Only
//! [`store`] knows SQL, only `receipts::signer` holds the key.

pub mod accounts;
pub mod attestation;
pub mod clock;
pub mod config;
pub mod coordinator;
pub mod engine;
pub mod http;
pub mod receipts;
pub mod recount;
pub mod settlement;
pub mod store;
pub mod tasks;
pub mod tunnel;

pub use config::Config;
pub use coordinator::{Coordinator, ReadyReport, StartError};
