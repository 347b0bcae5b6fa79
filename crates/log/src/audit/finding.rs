//! What does not fit together, by name.

use serde::Serialize;

/// One kind of contradiction. Names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradiction {
    /// Entries or a checkpoint that must be served are not.
    Unavailable,
    /// The checkpoint is of another log, not signed by the key on chain, or malformed.
    Checkpoint,
    /// The log is smaller than a head that was shown, anchored or brought along.
    Shrunk,
    /// The entries lead to another root than the checkpoint's, the chain's or one that was brought along.
    Root,
    /// An entry is not a receipt, or is not where its head says.
    Place,
    /// A receipt of another deployment or coordinator.
    Party,
    /// The body is not the one the head names.
    Body,
    /// Amount or fee do not follow from tokens, tariff and rate.
    Arithmetic,
    /// The fee rate is not the one on chain.
    FeeRate,
    /// The price is outside what the winner's ask allows.
    Price,
    /// More tokens are charged than the node itself counted.
    Tokens,
    /// The node's statement is about something else, or not under its signature.
    Statement,
    /// The receipt's node is not on chain.
    UnknownNode,
    /// The node's statement is signed with a key that is not the node's.
    NodeKey,
    /// A node's cumulative does not continue its last one.
    Cumulative,
    /// Two receipts for one segment of a request.
    Duplicate,
    /// A segment without the ones before it.
    Segment,
    /// A receipt somebody holds under the coordinator's signature is not in the log at its place.
    Equivocation,
    /// More was debited on chain than receipts add up to.
    Debits,
    /// A node was credited more than its receipts add up to.
    Credits,
    /// More fees were kept than receipts allow.
    Fees,
    /// A node has less than its receipts add up to, although the money was there.
    Unpaid,
    /// An owner's record does not open the receipt's commitments.
    OwnerCommitment,
    /// An owner's cumulative rises by something else than its receipts.
    OwnerCumulative,
    /// An allowance was debited more than its owner's receipts add up to.
    OwnerDebit,
}

impl Contradiction {
    /// Every kind.
    pub const ALL: [Self; 25] = [
        Self::Unavailable,
        Self::Checkpoint,
        Self::Shrunk,
        Self::Root,
        Self::Place,
        Self::Party,
        Self::Body,
        Self::Arithmetic,
        Self::FeeRate,
        Self::Price,
        Self::Tokens,
        Self::Statement,
        Self::UnknownNode,
        Self::NodeKey,
        Self::Cumulative,
        Self::Duplicate,
        Self::Segment,
        Self::Equivocation,
        Self::Debits,
        Self::Credits,
        Self::Fees,
        Self::Unpaid,
        Self::OwnerCommitment,
        Self::OwnerCumulative,
        Self::OwnerDebit,
    ];
}

/// One contradiction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind.
    pub kind: Contradiction,
    /// In which epoch's log.
    pub epoch: u32,
    /// At which entry, when it is about one.
    pub index: Option<u64>,
    /// In words, with both sides.
    pub detail: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "epoch {}", self.epoch)?;
        if let Some(index) = self.index {
            write!(f, ", entry {index}")?;
        }
        write!(f, ": {}", self.detail)
    }
}
