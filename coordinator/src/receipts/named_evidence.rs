//! Which attestation evidence the receipts of this moment name.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use pinaivu_protocol::hash::Hash32;

/// The hash of the newest evidence; clones are the same one. Whoever sets it has made the evidence durable.
#[derive(Clone, Debug, Default)]
pub struct NamedEvidence(Arc<ArcSwapOption<Hash32>>);

impl NamedEvidence {
    /// The hash; nothing while there is no evidence that could prove anything.
    #[must_use]
    pub fn current(&self) -> Option<Hash32> {
        self.0.load().as_deref().copied()
    }

    /// From now on receipts name this one.
    pub fn set(&self, hash: Hash32) {
        self.0.store(Some(Arc::new(hash)));
    }
}
