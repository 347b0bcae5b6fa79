//! Run-time support for programs linked with sbpf-linker.
//!
//! SBPF v3 has no 128-bit arithmetic and no signed division. LLVM calls library functions for the
//! former; for the latter the build replaces each instruction by a call. This crate supplies both.
//! The arithmetic itself is portable ([`wide`], [`signed`]) and tested natively against the
//! compiler's own; [`abi`] gives it the names and the calling convention that the linker needs.
//!
//! Nothing here may itself need what it supplies: [`wide`] computes with 64 bits and shifts 128 bits
//! only by constants, which LLVM expands in place. A slip shows as endless recursion on chain, which
//! the differential guard (`../guard`) catches.
#![cfg_attr(target_arch = "bpf", no_std, feature(abi_unadjusted), expect(internal_features))]

#[cfg(target_arch = "bpf")]
mod abi;
pub mod signed;
pub mod wide;
