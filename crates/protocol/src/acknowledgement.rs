//! The coordinator's signed word that an ask is in its order book.
//!
//! It names a state of the book by number and head. A receipt commits to a head too; so when a book whose
//! entries lead to a receipt's head passes the acknowledged number with another head, or reaches the
//! acknowledged head without the ask, the coordinator has signed a contradiction, and the node that holds
//! the acknowledgement can show it to anyone. It promises neither that the ask wins nor that the node is
//! never full.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash32;
use crate::ids::{CoordinatorId, DeploymentId, NodeId};
use crate::signed::Signable;
use crate::units::UnixMillis;

/// "After `version` entries, with the head `head`, this is the node's newest ask for its model in my
/// book."
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct AskAcknowledgement {
    /// Cluster and program this counts on.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub deployment: DeploymentId,
    /// Who says so.
    pub coordinator: CoordinatorId,
    /// Whose ask.
    pub node: NodeId,
    /// [`crate::ask::Ask::hash`]; of a withdrawal too.
    pub ask: Hash32,
    /// Which book: the head after its first entry.
    pub book: Hash32,
    /// How many entries it has.
    pub version: u64,
    /// The head they lead to.
    pub head: Hash32,
    /// When the coordinator said so. The entries are durable by then.
    pub at: UnixMillis,
}

impl Signable for AskAcknowledgement {
    const TAG: &'static [u8] = b"pinaivu/ask-acknowledged/v1\0";
}
