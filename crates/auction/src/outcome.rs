//! What a change of the book gives, and why one is refused.

use pinaivu_protocol::ask::MAX_MODEL_LENGTH;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId};
use pinaivu_protocol::signed::SignatureError;

use crate::snapshot::MAX_NODES;

/// Most models a book lists.
pub(crate) const MAX_MODELS: usize = 1_024;

/// Most models one node ever offers, so that no node can fill the book with names.
pub(crate) const MAX_MODELS_PER_NODE: usize = 128;

/// What an entry did to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// How many entries the book has now.
    pub version: u64,
    /// The head that covers them.
    pub head: Hash32,
    /// The entry, borsh of [`BookEntry`], to store and publish.
    pub entry: Vec<u8>,
}

/// What an accepted ask did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskEffect {
    /// It stands now, as the node's first or in place of its last one.
    Standing(Update),
    /// It had expired when it arrived: the node's last ask for the model is withdrawn.
    Withdrawn(Update),
    /// The very same ask stands already; nothing was chained. Its head covers it.
    Unchanged {
        /// Head of the book as it is.
        head: Hash32,
    },
}

impl AskEffect {
    /// A head that covers the ask.
    #[must_use]
    pub const fn head(&self) -> Hash32 {
        match self {
            Self::Standing(update) | Self::Withdrawn(update) => update.head,
            Self::Unchanged { head } => *head,
        }
    }
}

/// Why an ask is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskRefused {
    /// It is for another cluster or program.
    #[error("the ask is for deployment {0}, this book serves another")]
    Deployment(DeploymentId),
    /// It is for another coordinator.
    #[error("the ask is for coordinator {0}")]
    Coordinator(CoordinatorId),
    /// The node is not admitted.
    #[error("node {0} is not admitted")]
    UnknownNode(NodeId),
    /// The signature is not the node's.
    #[error("signature: {0}")]
    Signature(SignatureError),
    /// The model's name is empty, too long, or has control characters.
    #[error("the model name must have 1 to {MAX_MODEL_LENGTH} bytes and no control characters")]
    ModelName,
    /// The node has offered as many models as it may.
    #[error("a node offers at most {MAX_MODELS_PER_NODE} models")]
    TooManyModels,
    /// The coordinator does not list the model.
    #[error("the coordinator does not list this model")]
    UnknownModel,
    /// A later ask of the node for this model came before, or another one with this sequence.
    #[error("sequence {given} is not above {last}")]
    StaleSequence {
        /// The ask's.
        given: u64,
        /// The highest so far.
        last: u64,
    },
}

impl AskRefused {
    /// Stable code, for the tunnel's refusal message.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Deployment(_) => "wrong_deployment",
            Self::Coordinator(_) => "wrong_coordinator",
            Self::UnknownNode(_) => "node_not_admitted",
            Self::Signature(_) => "bad_signature",
            Self::ModelName => "bad_model_name",
            Self::TooManyModels => "too_many_models",
            Self::UnknownModel => "unknown_model",
            Self::StaleSequence { .. } => "stale_sequence",
        }
    }
}

/// Why another change is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The book has given out all its slots.
    #[error("a book admits at most {MAX_NODES} nodes")]
    TooManyNodes,
    /// The book lists as many models as it can.
    #[error("a book lists at most {MAX_MODELS} models")]
    TooManyModels,
    /// The model's name is empty, too long, or has control characters.
    #[error("the model name must have 1 to {MAX_MODEL_LENGTH} bytes and no control characters")]
    ModelName,
    /// A model whose prompt and generated tokens both weigh nothing has no price.
    #[error("one of a model's weights must be above zero")]
    Weightless,
}

/// Why entries do not make a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The first entry does not open a book, or a later one does.
    #[error("entry {0} stands where only another kind may")]
    Order(u64),
    /// An ask that the book would have refused.
    #[error("entry {0}: {1}")]
    Ask(u64, AskRefused),
    /// Another change that the book would have refused.
    #[error("entry {0}: {1}")]
    Book(u64, BookError),
    /// An entry that changes nothing, which a book never writes.
    #[error("entry {0} changes nothing")]
    Idle(u64),
}
