//! Whether a leaf is in a coordinator's log, as far as the chain holds that log.

use anchor_lang::prelude::*;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{MerkleError, verify_inclusion, verify_inclusion_in_peaks};

use crate::error::PinaivuError;
use crate::state::{Coordinator, EpochHead};

/// Refuses a leaf that `path` does not place at `index` of the log of `epoch`: under the peak that
/// covers it while the epoch is open, under the kept root once it is closed.
pub(crate) fn require_included(
    coordinator: &Account<'_, Coordinator>,
    closed: Option<&EpochHead>,
    epoch: u32,
    index: u64,
    leaf: &Hash32,
    path: &[Hash32],
) -> Result<()> {
    let log = &coordinator.log;
    let found = if epoch == log.epoch {
        verify_inclusion_in_peaks(leaf, index, log.size, &log.peak_hashes(), path)
    } else {
        let head = closed.ok_or(PinaivuError::EpochMismatch)?;
        require_keys_eq!(head.coordinator, coordinator.key(), PinaivuError::WrongCoordinator);
        require!(head.epoch == epoch, PinaivuError::EpochMismatch);
        verify_inclusion(leaf, index, head.size, path, &Hash32(head.root))
    };
    match found {
        Ok(()) => Ok(()),
        Err(MerkleError::PeakCount { .. }) => err!(PinaivuError::InvariantBroken),
        Err(_) => err!(PinaivuError::NotIncluded),
    }
}
