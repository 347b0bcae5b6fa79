//! What an audit says in the end.

use pinaivu_protocol::ids::{CoordinatorId, DeploymentId};
use pinaivu_protocol::units::Amount;
use serde::Serialize;

use super::finding::Finding;

/// One epoch's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EpochReport {
    /// Which.
    pub epoch: u32,
    /// Entries that were read.
    pub size: u64,
    /// The root they lead to.
    pub root: String,
}

/// Sums over receipts, in fine units as decimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// How many.
    pub receipts: u64,
    /// What users owe.
    pub charged: String,
    /// The coordinator's part.
    pub fees: String,
    /// The nodes' part.
    pub earned: String,
}

/// The chain's counters, in millionths of a USDC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChainTotals {
    /// Entries the chain covers.
    pub log_size: u64,
    /// Taken from allowances.
    pub debited: Amount,
    /// Promised to nodes.
    pub credited: Amount,
    /// Kept by the coordinator.
    pub fees: Amount,
}

/// The result of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whose log.
    pub coordinator: CoordinatorId,
    /// On which cluster and program.
    #[serde(serialize_with = "pinaivu_protocol::signed::as_display")]
    pub deployment: DeploymentId,
    /// Epoch by epoch.
    pub epochs: Vec<EpochReport>,
    /// Over everything that was read.
    pub totals: Totals,
    /// Over what the chain covers.
    pub anchored: Totals,
    /// The chain's counters.
    pub chain: ChainTotals,
    /// Nodes that served.
    pub nodes: usize,
    /// The first contradictions, in the order they were found.
    pub contradictions: Vec<Finding>,
    /// How many more there were.
    pub further_contradictions: u64,
    /// What was not looked at, and why.
    pub not_checked: Vec<String>,
}

impl Report {
    /// Whether everything fits together.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.contradictions.is_empty()
    }
}
