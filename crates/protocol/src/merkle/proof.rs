//! Inclusion and consistency proofs: made from a [`NodeSource`], verified from nothing but hashes.
//!
//! Making follows RFC 9162 sections 2.1.3.1 and 2.1.4.1 with the recursion unrolled, verifying
//! follows the algorithms of 2.1.3.2 and 2.1.4.2 step by step.

use super::{MerkleError, NodeSource, node_hash, root_of_peaks, subtree_decomposition};
use crate::hash::Hash32;

/// Why a proof could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
pub enum ProofError<E> {
    /// What was asked for does not exist.
    #[cfg_attr(feature = "std", error(transparent))]
    Tree(MerkleError),
    /// The store failed.
    #[cfg_attr(feature = "std", error("a node of the log could not be read"))]
    Source(#[cfg_attr(feature = "std", source)] E),
}

impl<E> From<MerkleError> for ProofError<E> {
    fn from(error: MerkleError) -> Self {
        Self::Tree(error)
    }
}

/// The hashes that take a tree from `old_size` to `new_size` leaves: what
/// [`extend_with_subtrees`](super::extend_with_subtrees) and the program's `log_extend` are given.
///
/// # Errors
///
/// [`MerkleError::NotGrowing`] when `new_size < old_size`, or the store's error.
pub fn subtree_hashes<S: NodeSource>(
    source: &S,
    old_size: u64,
    new_size: u64,
) -> Result<Vec<Hash32>, ProofError<S::Error>> {
    subtree_decomposition(old_size, new_size)?
        .map(|subtree| source.node(subtree.level, subtree.index).map_err(ProofError::Source))
        .collect()
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
///
/// The store's error.
pub fn tree_root<S: NodeSource>(source: &S, size: u64) -> Result<Hash32, ProofError<S::Error>> {
    range_root(source, 0, size)
}

/// The root over the leaves `start .. end`, which must be a node of some tree: `start` a multiple of
/// a power of two that is not below `end − start`. Its peaks are then its decomposition.
fn range_root<S: NodeSource>(
    source: &S,
    start: u64,
    end: u64,
) -> Result<Hash32, ProofError<S::Error>> {
    Ok(root_of_peaks(&subtree_hashes(source, start, end)?))
}

/// Where RFC 9162 splits the leaves `start .. end`: after the largest power of two smaller than
/// their number. Nothing when there is only one leaf.
fn split(start: u64, end: u64) -> Option<u64> {
    let last = end.checked_sub(start)?.checked_sub(1)?;
    start.checked_add(1_u64.checked_shl(last.checked_ilog2()?)?)
}

/// The audit path of leaf `index` in the tree of the first `size` leaves, leaf side first.
///
/// # Errors
///
/// [`MerkleError::NoSuchLeaf`], or the store's error.
pub fn inclusion_proof<S: NodeSource>(
    source: &S,
    index: u64,
    size: u64,
) -> Result<Vec<Hash32>, ProofError<S::Error>> {
    if index >= size {
        return Err(MerkleError::NoSuchLeaf { index, size }.into());
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while let Some(middle) = split(start, end) {
        if index < middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `second` leaves extends the tree of the first `first`. Empty
/// when both are the same tree.
///
/// # Errors
///
/// [`MerkleError::NoSuchConsistency`] unless `0 < first ≤ second`, or the store's error.
pub fn consistency_proof<S: NodeSource>(
    source: &S,
    first: u64,
    second: u64,
) -> Result<Vec<Hash32>, ProofError<S::Error>> {
    if first == 0 || first > second {
        return Err(MerkleError::NoSuchConsistency { first, second }.into());
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, second);
    while end != first {
        // `start < first < end` here, so there are at least two leaves and a split exists.
        let Some(middle) = split(start, end) else {
            break;
        };
        if first <= middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    // Left of the start there is nothing only when the whole first tree is a node of the second; the
    // verifier has that node already.
    if start != 0 {
        path.push(range_root(source, start, end)?);
    }
    path.reverse();
    Ok(path)
}

/// The root that an audit path leads to (RFC 9162 section 2.1.3.2, before the last comparison). Only
/// for a caller that has the root of the same tree from a source it trusts; else
/// [`verify_inclusion`].
///
/// # Errors
///
/// [`MerkleError::NoSuchLeaf`] or [`MerkleError::PathLength`].
pub fn root_from_inclusion_path(
    leaf_hash: &Hash32,
    index: u64,
    size: u64,
    path: &[Hash32],
) -> Result<Hash32, MerkleError> {
    let last = match size.checked_sub(1) {
        Some(last) if index <= last => last,
        _ => return Err(MerkleError::NoSuchLeaf { index, size }),
    };
    let wrong_length = MerkleError::PathLength { actual: path.len() };
    // fn, sn and r of the RFC.
    let (mut node, mut last_node, mut hash) = (index, last, *leaf_hash);
    for sibling in path {
        if last_node == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last_node {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last_node >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last_node >>= 1;
    }
    if last_node == 0 { Ok(hash) } else { Err(wrong_length) }
}

/// Checks that a leaf with this hash is leaf `index` of the tree of `size` leaves with this root
/// (RFC 9162 section 2.1.3.2).
///
/// # Errors
///
/// [`MerkleError::NoSuchLeaf`], [`MerkleError::PathLength`] or [`MerkleError::RootMismatch`].
pub fn verify_inclusion(
    leaf_hash: &Hash32,
    index: u64,
    size: u64,
    path: &[Hash32],
    root: &Hash32,
) -> Result<(), MerkleError> {
    if root_from_inclusion_path(leaf_hash, index, size, path)? == *root {
        Ok(())
    } else {
        Err(MerkleError::RootMismatch)
    }
}

/// Checks that a leaf with this hash is leaf `index` of the tree of `size` leaves with these peaks,
/// largest first. The path leads only to the peak that covers the leaf: it is the first hashes of the
/// leaf's audit path in that tree, as many as the peak is high.
///
/// # Errors
///
/// [`MerkleError::PeakCount`], [`MerkleError::NoSuchLeaf`], [`MerkleError::PathLength`] or
/// [`MerkleError::RootMismatch`].
pub fn verify_inclusion_in_peaks(
    leaf_hash: &Hash32,
    index: u64,
    size: u64,
    peaks: &[Hash32],
    path: &[Hash32],
) -> Result<(), MerkleError> {
    if usize::try_from(size.count_ones()) != Ok(peaks.len()) {
        return Err(MerkleError::PeakCount { size, actual: peaks.len() });
    }
    let no_such_leaf = MerkleError::NoSuchLeaf { index, size };
    // Peaks are the complete subtrees that make up the leaves `0 .. size`, in this order.
    let covers = |level: u8, place: u64| index.checked_shr(u32::from(level)) == Some(place);
    let (subtree, peak) = subtree_decomposition(0, size)?
        .zip(peaks)
        .find(|(subtree, _)| covers(subtree.level, subtree.index))
        .ok_or(no_such_leaf)?;
    if path.len() != usize::from(subtree.level) {
        return Err(MerkleError::PathLength { actual: path.len() });
    }
    let (mut node, mut hash) = (index, *leaf_hash);
    for sibling in path {
        hash = if node & 1 == 1 { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
        node >>= 1;
    }
    if hash == *peak { Ok(()) } else { Err(MerkleError::RootMismatch) }
}

/// Checks that the tree of `second` leaves with root `second_root` extends the tree of `first`
/// leaves with root `first_root` (RFC 9162 section 2.1.4.2; for equal sizes: same root, empty path).
///
/// # Errors
///
/// [`MerkleError::NoSuchConsistency`] unless `0 < first ≤ second`, [`MerkleError::PathLength`] or
/// [`MerkleError::RootMismatch`].
pub fn verify_consistency(
    first: u64,
    first_root: &Hash32,
    second: u64,
    second_root: &Hash32,
    path: &[Hash32],
) -> Result<(), MerkleError> {
    let wrong_length = MerkleError::PathLength { actual: path.len() };
    if first == 0 || first > second {
        return Err(MerkleError::NoSuchConsistency { first, second });
    }
    if first == second {
        return match (path.is_empty(), first_root == second_root) {
            (false, _) => Err(wrong_length),
            (true, false) => Err(MerkleError::RootMismatch),
            (true, true) => Ok(()),
        };
    }
    if path.is_empty() {
        return Err(wrong_length);
    }
    // A first tree that is one complete subtree is itself the node the path starts from.
    let (start, rest) = if first.is_power_of_two() {
        (first_root, path)
    } else {
        path.split_first().ok_or(wrong_length)?
    };
    // fn and sn of the RFC; both sizes are at least 1.
    let mut node = first.saturating_sub(1);
    let mut last_node = second.saturating_sub(1);
    while node & 1 == 1 {
        node >>= 1;
        last_node >>= 1;
    }
    let (mut first_hash, mut second_hash) = (*start, *start);
    for sibling in rest {
        if last_node == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last_node {
            first_hash = node_hash(sibling, &first_hash);
            second_hash = node_hash(sibling, &second_hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last_node >>= 1;
            }
        } else {
            second_hash = node_hash(&second_hash, sibling);
        }
        node >>= 1;
        last_node >>= 1;
    }
    if last_node != 0 {
        return Err(wrong_length);
    }
    if first_hash == *first_root && second_hash == *second_root {
        Ok(())
    } else {
        Err(MerkleError::RootMismatch)
    }
}
