//! The log as an RFC 9162 tree over the store: proofs, and what takes the chain's copy further.
//!
//! Complete subtrees are stored when they complete, so that no proof ever scans receipts.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{self, NodeSource, ProofError};

use crate::store::{Read, StoreError};

/// The tree of one epoch in one consistent state of the store.
#[derive(Clone, Copy)]
pub struct EpochTree<'a> {
    state: &'a dyn Read,
    epoch: u32,
}

impl std::fmt::Debug for EpochTree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EpochTree").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl NodeSource for EpochTree<'_> {
    type Error = StoreError;

    fn node(&self, level: u8, index: u64) -> Result<Hash32, StoreError> {
        self.state.epoch_node(self.epoch, level, index)
    }
}

impl<'a> EpochTree<'a> {
    /// The tree of `epoch`.
    #[must_use]
    pub const fn new(state: &'a dyn Read, epoch: u32) -> Self {
        Self { state, epoch }
    }

    /// The root over the first `size` leaves.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Missing`] when the tree is smaller.
    pub fn root(&self, size: u64) -> Result<Hash32, StoreError> {
        merkle::tree_root(self, size).map_err(flatten)
    }

    /// The path from leaf `index` to the root over the first `size` leaves.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Missing`] when there is no such leaf.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash32>, StoreError> {
        merkle::inclusion_proof(self, index, size).map_err(flatten)
    }

    /// The proof that the first `second` leaves extend the first `first`.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Missing`] when there is no such proof.
    pub fn consistency(&self, first: u64, second: u64) -> Result<Vec<Hash32>, StoreError> {
        merkle::consistency_proof(self, first, second).map_err(flatten)
    }

    /// The subtree hashes that take a tree from `old_size` to `new_size` leaves: what `log_extend` is
    /// given.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Missing`] when the tree is smaller.
    pub fn extension(&self, old_size: u64, new_size: u64) -> Result<Vec<Hash32>, StoreError> {
        merkle::subtree_hashes(self, old_size, new_size).map_err(flatten)
    }
}

fn flatten(error: ProofError<StoreError>) -> StoreError {
    match error {
        ProofError::Tree(_) => StoreError::Missing("proof of the log"),
        ProofError::Source(error) => error,
    }
}
