//! The append-only Merkle tree of RFC 9162, section 2.1, over SHA-256.
//!
//! A leaf hashes to `SHA-256(0x00 ‖ leaf)`, an inner node to `SHA-256(0x01 ‖ left ‖ right)` and the
//! empty tree to `SHA-256("")`. The same code runs in the program (which keeps only the peaks of its
//! tree), in the log (which keeps every complete subtree) and in whoever verifies a proof.
//!
//! A tree of `n` leaves is the list of its *peaks*: one complete subtree per set bit of `n`, largest
//! first. A complete subtree is named by its level and its index: `(level, index)` covers the leaves
//! `index·2^level .. (index + 1)·2^level`, so `(0, i)` is leaf `i`.
//!
//! Nothing here panics: sizes and indices up to [`u64::MAX`] give a result or a [`MerkleError`].
//! Nothing here stores or transports a tree, and no head is signed here.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod compact;
mod proof;
mod tree;

pub use compact::{
    CompactRange, MAX_PEAKS, Subtree, SubtreeDecomposition, extend_with_subtrees, root_of_peaks,
    subtree_decomposition,
};
pub use proof::{
    ProofError, consistency_proof, inclusion_proof, root_from_inclusion_path, subtree_hashes,
    tree_root, verify_consistency, verify_inclusion, verify_inclusion_in_peaks,
};
pub use tree::{MemoryTree, MissingNode, NodeSource};

use crate::hash::{Hash32, sha256};

/// Why a tree cannot grow as asked, or a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
pub enum MerkleError {
    /// The new size is not larger than the old one.
    #[cfg_attr(feature = "std", error("a tree of {old_size} leaves does not grow to {new_size}"))]
    NotGrowing {
        /// Leaves before.
        old_size: u64,
        /// Leaves asked for.
        new_size: u64,
    },
    /// The number of peaks is not the number of set bits of the size.
    #[cfg_attr(feature = "std", error("{actual} peaks for a tree of {size} leaves"))]
    PeakCount {
        /// Leaves in the tree.
        size: u64,
        /// Peaks given.
        actual: usize,
    },
    /// Fewer or more subtree hashes than the two sizes ask for.
    #[cfg_attr(
        feature = "std",
        error("{actual} subtree hashes do not take a tree from {old_size} to {new_size} leaves")
    )]
    HashCount {
        /// Leaves before.
        old_size: u64,
        /// Leaves after.
        new_size: u64,
        /// Hashes given.
        actual: usize,
    },
    /// The tree holds [`u64::MAX`] leaves already.
    #[cfg_attr(feature = "std", error("the tree is full"))]
    Full,
    /// The leaf index is not below the tree size.
    #[cfg_attr(feature = "std", error("there is no leaf {index} in a tree of {size} leaves"))]
    NoSuchLeaf {
        /// Leaf asked for, counted from 0.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The first tree of a consistency proof is empty, or larger than the second. RFC 9162 defines
    /// the proof for `0 < first ≤ second` only; every tree extends the empty one.
    #[cfg_attr(
        feature = "std",
        error("no consistency proof exists between {first} and {second} leaves")
    )]
    NoSuchConsistency {
        /// Leaves in the older tree.
        first: u64,
        /// Leaves in the newer tree.
        second: u64,
    },
    /// The path is longer or shorter than the sizes ask for.
    #[cfg_attr(feature = "std", error("a path of {actual} hashes does not fit the tree sizes"))]
    PathLength {
        /// Hashes in the path.
        actual: usize,
    },
    /// The path is well formed but leads to another root.
    #[cfg_attr(feature = "std", error("the path leads to another root"))]
    RootMismatch,
}

/// The hash of a leaf: `SHA-256(0x00 ‖ leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash32 {
    sha256(&[&[0x00], leaf])
}

/// [`leaf_hash`] of what `parts` are together.
#[must_use]
pub fn leaf_hash_of(parts: &[&[u8]; 2]) -> Hash32 {
    let [first, second] = *parts;
    sha256(&[&[0x00], first, second])
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash32, right: &Hash32) -> Hash32 {
    sha256(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without leaves: `SHA-256("")`.
#[must_use]
pub fn empty_root() -> Hash32 {
    sha256(&[])
}
