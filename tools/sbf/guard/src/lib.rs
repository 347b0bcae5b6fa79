//! Computations that must give the same result natively and on SBF.
//!
//! [`compute`] exercises one [`Kind`] of code from a seed and folds everything it saw into 64 bits.
//! Compiled for SBF the same function is a program that returns those bits, and a test compares the
//! two over many seeds: a wrong instruction, a clobbered register or stack slot, a broken library
//! call changes the result. It is aimed at what the registry toolchain does differently from
//! Solana's: its own 128-bit arithmetic and signed division, arguments on the stack, a patched
//! standard library.
//!
//! Nothing here may depend on pointer width, addresses, hash seeds or time.

mod bytes;
mod calls;
mod collections;
mod enums;
mod floats;
mod integers;
#[cfg(target_os = "solana")]
mod program;
mod text;
mod trace;
mod wide;

use trace::Trace;

/// What kind of code a computation exercises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Integers of 8 to 64 bits: arithmetic, checked and wrapping, shifts, signed division.
    Integers,
    /// Integers of 128 bits.
    Wide,
    /// Maps, sets, queues and heaps.
    Collections,
    /// Formatting, parsing and searching text.
    Text,
    /// Enums with data, sorting, boxes, recursion.
    Enums,
    /// Trait objects, many arguments, large arguments and results.
    Calls,
    /// Floating point, which SBF computes in software.
    Floats,
    /// Unaligned reads, copies and comparisons of every small size.
    Bytes,
}

impl Kind {
    /// Every kind; its position is its number in an instruction.
    pub const ALL: [Self; 8] = [
        Self::Integers,
        Self::Wide,
        Self::Collections,
        Self::Text,
        Self::Enums,
        Self::Calls,
        Self::Floats,
        Self::Bytes,
    ];

    /// The kind's number in an instruction.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Runs one computation. The result depends on every intermediate value.
pub fn compute(kind: Kind, seed: u64) -> u64 {
    let mut trace = Trace::new(seed);
    match kind {
        Kind::Integers => integers::run(&mut trace),
        Kind::Wide => wide::run(&mut trace),
        Kind::Collections => collections::run(&mut trace),
        Kind::Text => text::run(&mut trace),
        Kind::Enums => enums::run(&mut trace),
        Kind::Calls => calls::run(&mut trace),
        Kind::Floats => floats::run(&mut trace),
        Kind::Bytes => bytes::run(&mut trace),
    }
    trace.result()
}

/// The instruction data that asks the program for one computation.
pub fn instruction_data(kind: Kind, seed: u64) -> Vec<u8> {
    let mut data = vec![kind.number()];
    data.extend(seed.to_le_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_depends_on_its_seed() {
        for kind in Kind::ALL {
            assert_ne!(compute(kind, 1), compute(kind, 3), "{kind:?}");
        }
    }

    #[test]
    fn numbers_are_positions() {
        for (position, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.number()), position);
        }
    }
}
