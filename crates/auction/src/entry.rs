//! What the book's hash chain is made of.
//!
//! Every change of the book is one [`BookEntry`]; its borsh bytes extend the chain by [`next_head`].
//! Replaying the entries rebuilds the book, so an entry carries everything its effect depends on, the
//! time included. Signed asks stand in it whole: whoever replays verifies them too.

use borsh::{BorshDeserialize, BorshSerialize};
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::{Hash32, tagged};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::UnixMillis;

use crate::quality::{Measurements, QualityFactor, Reference, quality_factor};

/// How a model's tokens count, so that an ask is one number: the price of one million *weighted*
/// tokens, `input × input_weight + output × output_weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Weights {
    /// Weight of one prompt token.
    pub input: u16,
    /// Weight of one generated token.
    pub output: u16,
}

/// What the chain says about an admitted node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NodeFacts {
    /// The hot key that signs its asks.
    pub signer: PublicKey,
    /// The wallet its earnings go to. Two nodes of one payout owner never set each other's price.
    pub payout_owner: PublicKey,
}

/// What the coordinator measured of a node for one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Standing {
    /// Multiplies the node's cost in the ranking; see [`crate::quality_factor`].
    pub quality: QualityFactor,
    /// Whether it served this model lately. Only then may its ask set somebody else's price: an ask
    /// that never has to be honoured costs nothing to post.
    pub recent_service: bool,
}

impl Default for Standing {
    /// A newcomer: neutral quality, no service yet.
    fn default() -> Self {
        Self { quality: QualityFactor::NEUTRAL, recent_service: false }
    }
}

/// One node's standing for one model.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Rating {
    /// Whose.
    pub node: NodeId,
    /// For which model.
    pub model: String,
    /// The new standing.
    pub standing: Standing,
}

/// How long after a node last served a model its ask may set somebody else's price.
pub const RECENT_SERVICE: UnixMillis = UnixMillis(10 * 60 * 1000);

/// What was measured of one node for one model, from which its standing follows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Measured {
    /// Of which node.
    pub node: NodeId,
    /// For which model.
    pub model: String,
    /// Its own.
    pub measurements: Measurements,
    /// Those of all nodes of the model, which it is compared with.
    pub reference: Reference,
    /// When it last served the model; nothing when it has not since the book began. A receipt from about
    /// then shows it.
    pub last_served: Option<UnixMillis>,
}

impl Measured {
    /// The standing at a time, by [`quality_factor`] and [`RECENT_SERVICE`].
    #[must_use]
    pub fn standing(&self, at: UnixMillis) -> Standing {
        Standing {
            quality: quality_factor(&self.measurements, &self.reference),
            recent_service: self
                .last_served
                .is_some_and(|last| at.saturating_sub(last) < RECENT_SERVICE),
        }
    }
}

/// One change of the book.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum BookEntry {
    /// A book begins, empty. Always the first entry.
    Opened {
        /// Cluster and program whose asks count.
        deployment: DeploymentId,
        /// Whose book.
        coordinator: CoordinatorId,
        /// Head of the book before it, [`Hash32::ZERO`] when there was none.
        previous: Hash32,
        /// When.
        at: UnixMillis,
    } = 0,
    /// A model may be offered from now on, or its weights change.
    ModelListed {
        /// The model as clients name it.
        model: String,
        /// How its tokens count.
        weights: Weights,
    } = 1,
    /// A node may offer from now on, or what the chain says about it changed.
    NodeAdmitted {
        /// Which node.
        node: NodeId,
        /// What the chain says about it.
        facts: NodeFacts,
    } = 2,
    /// An ask arrived: it stands, replaces the node's last one, or, when it has expired, withdraws it.
    AskApplied {
        /// The ask, with the node's signature.
        ask: Signed<Ask>,
        /// When it arrived.
        at: UnixMillis,
    } = 3,
    /// A node may not offer any more; its asks are gone.
    NodeRemoved {
        /// Which node.
        node: NodeId,
    } = 4,
    /// Standings changed, without what they follow from. Coordinators write [`Self::Measured`]; this is read
    /// in books from before it.
    Rated {
        /// Only the changed ones.
        ratings: Vec<Rating>,
    } = 5,
    /// Asks that ended at or before `at` are gone.
    Expired {
        /// When.
        at: UnixMillis,
    } = 6,
    /// Nodes were measured, and their standings changed.
    Measured {
        /// When.
        at: UnixMillis,
        /// Only those whose standing changes by it.
        measured: Vec<Measured>,
    } = 7,
}

impl BookEntry {
    /// The bytes that are chained, stored and published: borsh.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a Vec fails only for values whose own Serialize fails; ours cannot.
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }

    /// Reads exactly one entry. Checks nothing else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        Self::try_from_slice(bytes).ok()
    }
}

/// The chain's step: `tagged("pinaivu/book/v1", head ‖ entry)`, from [`Hash32::ZERO`].
#[must_use]
pub fn next_head(head: &Hash32, entry: &[u8]) -> Hash32 {
    tagged("pinaivu/book/v1", &[head.as_bytes(), entry])
}
