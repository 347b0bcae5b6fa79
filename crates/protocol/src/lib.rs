//! The Pinaivu protocol: what is signed, hashed and counted, in bytes.
//!
//! Everything that leaves a process under a signature is defined here, so that the coordinator, the
//! node, the program, the command line and other people's verifiers agree on every byte. The layouts
//! are written down in `docs/protocol.md` and pinned by `tests/vectors`. Nothing here does I/O, reads
//! a clock or holds a key. Without the `std` feature only what the program needs remains, and that
//! builds for Solana.

pub mod hash;
pub mod ids;
pub mod merkle;
pub mod seeds;
pub mod units;

pub mod acknowledgement;
pub mod ask;
pub mod evidence;
pub mod key_command;
pub mod proof;
pub mod receipt;
pub mod signed;
pub mod ticket;
pub mod voucher;

#[cfg(feature = "std")]
pub mod answer;
#[cfg(feature = "std")]
pub mod commitment;
#[cfg(feature = "std")]
pub mod jcs;
#[cfg(feature = "std")]
pub mod tunnel;
