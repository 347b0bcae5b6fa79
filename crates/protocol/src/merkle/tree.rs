//! Where proofs get their nodes from.

use super::{CompactRange, MerkleError, Subtree};
use crate::hash::Hash32;

/// A store of the complete subtrees of a log. Right edges that are not complete yet are computed,
/// never stored, so every stored hash is final.
pub trait NodeSource {
    /// Why a node could not be read.
    type Error;

    /// The hash of the complete subtree over the leaves `index·2^level .. (index + 1)·2^level`.
    ///
    /// # Errors
    ///
    /// When the store cannot be read or lacks the node.
    fn node(&self, level: u8, index: u64) -> Result<Hash32, Self::Error>;
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    type Error = S::Error;

    fn node(&self, level: u8, index: u64) -> Result<Hash32, Self::Error> {
        (**self).node(level, index)
    }
}

/// The tree has no complete subtree there (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
#[cfg_attr(feature = "std", error("there is no complete subtree {index} at level {level}"))]
pub struct MissingNode {
    /// Height above the leaves.
    pub level: u8,
    /// Position among the subtrees of that level.
    pub index: u64,
}

/// A whole tree in memory: about 64 bytes a leaf. For batches that are proved and forgotten, such as
/// a node's recent proofs of inference, and for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    range: CompactRange,
    levels: Vec<Vec<Hash32>>,
}

impl MemoryTree {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { range: CompactRange::new(), levels: Vec::new() }
    }

    /// Appends one leaf, given by its [`leaf_hash`](super::leaf_hash).
    ///
    /// # Errors
    ///
    /// [`MerkleError::Full`].
    pub fn push(&mut self, leaf_hash: Hash32) -> Result<(), MerkleError> {
        let levels = &mut self.levels;
        self.range.push_with(leaf_hash, |Subtree { level, .. }, hash| {
            // Subtrees arrive lowest level first and left to right, so each belongs at the end of
            // its level, and a new level follows the highest one.
            match levels.get_mut(usize::from(level)) {
                Some(nodes) => nodes.push(*hash),
                None => levels.push(vec![*hash]),
            }
        })
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.range.size()
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        self.range.root()
    }

    /// The peaks of the tree.
    #[must_use]
    pub const fn range(&self) -> &CompactRange {
        &self.range
    }
}

impl NodeSource for MemoryTree {
    type Error = MissingNode;

    fn node(&self, level: u8, index: u64) -> Result<Hash32, MissingNode> {
        self.levels
            .get(usize::from(level))
            .zip(usize::try_from(index).ok())
            .and_then(|(nodes, index)| nodes.get(index))
            .copied()
            .ok_or(MissingNode { level, index })
    }
}
