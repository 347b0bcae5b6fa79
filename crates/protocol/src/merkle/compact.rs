//! Trees reduced to their peaks: all that is needed to append and to know the root.
//!
//! This is what the program runs in `log_extend`. Which subtrees an extension consists of follows
//! from the two sizes alone and is never taken from the caller, so a caller can only supply hashes,
//! and one wrong hash gives another root.

use super::{MerkleError, empty_root, node_hash};
use crate::hash::Hash32;

/// The most peaks a tree can have: one for each bit of its size.
pub const MAX_PEAKS: usize = 64;

/// A complete subtree: the leaves `index·2^level .. (index + 1)·2^level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subtree {
    /// Height above the leaves, at most 63.
    pub level: u8,
    /// Position among the subtrees of this level, from 0.
    pub index: u64,
}

/// The complete subtrees that make up the leaves `old_size .. new_size`, left to right: at each
/// position `p` the largest level `k` with `2^k | p` and `p + 2^k ≤ new_size`. Empty when the sizes
/// are equal, at most 126 long.
///
/// # Errors
///
/// [`MerkleError::NotGrowing`] when `new_size < old_size`.
pub const fn subtree_decomposition(
    old_size: u64,
    new_size: u64,
) -> Result<SubtreeDecomposition, MerkleError> {
    if new_size < old_size {
        return Err(MerkleError::NotGrowing { old_size, new_size });
    }
    Ok(SubtreeDecomposition { position: old_size, end: new_size })
}

/// Iterator made by [`subtree_decomposition`].
#[derive(Clone, Debug)]
pub struct SubtreeDecomposition {
    position: u64,
    end: u64,
}

impl Iterator for SubtreeDecomposition {
    type Item = Subtree;

    fn next(&mut self) -> Option<Subtree> {
        let remaining = self.end.checked_sub(self.position)?;
        // Largest power of two that fits; nothing fits into nothing.
        let fits = remaining.checked_ilog2()?;
        // Position 0 is a multiple of everything: 64 trailing zeros, and `fits` is at most 63.
        let level = fits.min(self.position.trailing_zeros());
        let leaves = 1_u64.checked_shl(level)?;
        let subtree =
            Subtree { level: u8::try_from(level).ok()?, index: self.position.checked_shr(level)? };
        self.position = self.position.checked_add(leaves)?;
        Some(subtree)
    }
}

/// Appends complete subtrees to a tree given by its peaks; the new peaks.
///
/// `old_peaks` are the peaks of a tree of `old_size` leaves, largest first. `hashes` are the hashes
/// of the subtrees of [`subtree_decomposition`]`(old_size, new_size)`, in that order and exactly as
/// many. That they are hashes of complete subtrees is not checked here and cannot be; whoever reads
/// the log checks it.
///
/// # Errors
///
/// [`MerkleError::NotGrowing`], [`MerkleError::PeakCount`] or [`MerkleError::HashCount`].
pub fn extend_with_subtrees(
    old_size: u64,
    old_peaks: &[Hash32],
    new_size: u64,
    hashes: &[Hash32],
) -> Result<Vec<Hash32>, MerkleError> {
    if new_size <= old_size {
        return Err(MerkleError::NotGrowing { old_size, new_size });
    }
    check_peak_count(old_size, old_peaks)?;
    let wrong_count = MerkleError::HashCount { old_size, new_size, actual: hashes.len() };
    let mut peaks = Vec::with_capacity(MAX_PEAKS);
    peaks.extend_from_slice(old_peaks);
    let mut supplied = hashes.iter();
    for subtree in subtree_decomposition(old_size, new_size)? {
        let hash = supplied.next().ok_or(wrong_count)?;
        push_subtree(&mut peaks, subtree, *hash, |_, _| {});
    }
    if supplied.next().is_some() {
        return Err(wrong_count);
    }
    check_peak_count(new_size, &peaks)?;
    Ok(peaks)
}

/// Puts a complete subtree on the right and merges equal neighbours. `made` is told of every subtree
/// that this completes, the given one first.
fn push_subtree(
    peaks: &mut Vec<Hash32>,
    subtree: Subtree,
    hash: Hash32,
    mut made: impl FnMut(Subtree, &Hash32),
) {
    let Subtree { mut level, mut index } = subtree;
    let mut hash = hash;
    made(Subtree { level, index }, &hash);
    // An odd index is a set bit in the size so far: a left neighbour of the same level waits as the
    // last peak.
    while index & 1 == 1 {
        let Some(left) = peaks.pop() else { break };
        hash = node_hash(&left, &hash);
        level = level.saturating_add(1);
        index >>= 1;
        made(Subtree { level, index }, &hash);
    }
    peaks.push(hash);
}

/// The root of the tree with these peaks (largest first): folded right to left, each peak being the
/// left child. The empty tree's root when there are none.
#[must_use]
pub fn root_of_peaks(peaks: &[Hash32]) -> Hash32 {
    let mut from_right = peaks.iter().rev();
    let Some(last) = from_right.next() else {
        return empty_root();
    };
    from_right.fold(*last, |right, left| node_hash(left, &right))
}

fn check_peak_count(size: u64, peaks: &[Hash32]) -> Result<(), MerkleError> {
    if usize::try_from(size.count_ones()) == Ok(peaks.len()) {
        Ok(())
    } else {
        Err(MerkleError::PeakCount { size, actual: peaks.len() })
    }
}

/// A tree that can grow and tell its root, and nothing else: 32 bytes per set bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<Hash32>,
}

impl CompactRange {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// A tree stored before as its size and its peaks, largest first.
    ///
    /// # Errors
    ///
    /// [`MerkleError::PeakCount`].
    pub fn from_peaks(size: u64, peaks: Vec<Hash32>) -> Result<Self, MerkleError> {
        check_peak_count(size, &peaks)?;
        Ok(Self { size, peaks })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The complete subtrees the tree consists of, largest first; one per set bit of the size.
    #[must_use]
    pub fn peaks(&self) -> &[Hash32] {
        &self.peaks
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        root_of_peaks(&self.peaks)
    }

    /// Appends one leaf, given by its [`leaf_hash`](super::leaf_hash).
    ///
    /// # Errors
    ///
    /// [`MerkleError::Full`]; the tree is unchanged.
    pub fn push(&mut self, leaf_hash: Hash32) -> Result<(), MerkleError> {
        self.push_with(leaf_hash, |_, _| {})
    }

    /// Appends one leaf and hands every subtree it completes to `store`, the leaf itself first: what
    /// a log has to keep to be a [`NodeSource`](super::NodeSource).
    ///
    /// # Errors
    ///
    /// [`MerkleError::Full`]; the tree is unchanged and `store` was not called.
    pub fn push_with(
        &mut self,
        leaf_hash: Hash32,
        store: impl FnMut(Subtree, &Hash32),
    ) -> Result<(), MerkleError> {
        let size = self.size.checked_add(1).ok_or(MerkleError::Full)?;
        let leaf = Subtree { level: 0, index: self.size };
        push_subtree(&mut self.peaks, leaf, leaf_hash, store);
        self.size = size;
        Ok(())
    }

    /// Appends complete subtrees, as [`extend_with_subtrees`] does.
    ///
    /// # Errors
    ///
    /// As [`extend_with_subtrees`]; the tree is unchanged.
    pub fn extend(&mut self, new_size: u64, hashes: &[Hash32]) -> Result<(), MerkleError> {
        self.peaks = extend_with_subtrees(self.size, &self.peaks, new_size, hashes)?;
        self.size = new_size;
        Ok(())
    }
}
