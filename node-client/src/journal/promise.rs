//! Which of two receipt heads is the newer promise, and when two heads contradict each other.

use std::cmp::Ordering;

use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::units::FineAmount;

/// Where a head stands relative to the one that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseOrder {
    /// It replaces the kept one.
    Newer,
    /// It is the kept one.
    Same,
    /// It came late; the kept one promises at least as much.
    Older,
}

/// Two heads of one coordinator that cannot both be honest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromiseBreach {
    /// A later receipt promises less in total than an earlier one: a coordinator that was set back to
    /// an older state, or that cheats.
    #[error("a later receipt promises {later} in total where an earlier one promised {earlier}")]
    Fell {
        /// What the earlier one says.
        earlier: FineAmount,
        /// What the later one says.
        later: FineAmount,
    },
    /// Two different receipts have one place in the log; the two together cost the coordinator its
    /// penalty bond.
    #[error("two different receipts at index {index} of log epoch {epoch}")]
    Equivocation {
        /// Epoch of the log.
        epoch: u32,
        /// Index in it.
        index: u64,
    },
}

/// Compares a new head with the kept one. The order of one coordinator's receipts is (epoch, index),
/// and along it a node's cumulative never falls, also not into a new epoch.
///
/// # Errors
/// [`PromiseBreach`] when the two contradict each other.
pub fn compare_promises(
    kept: Option<&ReceiptHead>,
    new: &ReceiptHead,
) -> Result<PromiseOrder, PromiseBreach> {
    let Some(kept) = kept else { return Ok(PromiseOrder::Newer) };
    let fell = |earlier: &ReceiptHead, later: &ReceiptHead| {
        (later.node_cumulative < earlier.node_cumulative).then_some(PromiseBreach::Fell {
            earlier: earlier.node_cumulative,
            later: later.node_cumulative,
        })
    };
    match (new.epoch, new.index).cmp(&(kept.epoch, kept.index)) {
        Ordering::Equal if new == kept => Ok(PromiseOrder::Same),
        Ordering::Equal => Err(PromiseBreach::Equivocation { epoch: new.epoch, index: new.index }),
        Ordering::Greater => fell(kept, new).map_or(Ok(PromiseOrder::Newer), Err),
        Ordering::Less => fell(new, kept).map_or(Ok(PromiseOrder::Older), Err),
    }
}
