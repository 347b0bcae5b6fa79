//! A node's standing offer for one model.
//!
//! Asks stand until they expire or a later one replaces them (a higher `sequence` for the same node and
//! model; a price of zero tokens' worth is allowed, a withdrawn ask has `expires` in the past). They
//! carry only what a node decides; speed and capacity are what the coordinator measures.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::{Hash32, tagged};
use crate::ids::{CoordinatorId, DeploymentId, NodeId};
use crate::signed::Signable;
use crate::units::{TokenPrice, UnixMillis};

/// Longest model name, in bytes.
pub const MAX_MODEL_LENGTH: usize = 128;

/// What a node can do for a model, as a bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Features(pub u32);

impl Features {
    /// `/v1/chat/completions`.
    pub const CHAT: Self = Self(1);
    /// Tools and tool choice.
    pub const TOOLS: Self = Self(1 << 1);
    /// Structured outputs (`response_format`).
    pub const STRUCTURED: Self = Self(1 << 2);
    /// Log-probabilities.
    pub const LOGPROBS: Self = Self(1 << 3);
    /// Image content parts.
    pub const IMAGES: Self = Self(1 << 4);
    /// `/v1/embeddings`.
    pub const EMBEDDINGS: Self = Self(1 << 5);
    /// `/v1/completions`: a prompt as it is, without a chat template.
    pub const COMPLETIONS: Self = Self(1 << 6);
    /// Goes on with an assistant message that is not finished (`continue_final_message`): may take over
    /// an answer that another node broke off.
    pub const CONTINUATION: Self = Self(1 << 7);

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every feature of `needed` is here.
    #[must_use]
    pub const fn contains(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }
}

/// A node's standing offer for one model to one coordinator.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct Ask {
    /// Cluster and program this offer counts on.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub deployment: DeploymentId,
    /// Who may match it.
    pub coordinator: CoordinatorId,
    /// Who offers.
    pub node: NodeId,
    /// The model as clients name it, at most [`MAX_MODEL_LENGTH`] bytes.
    pub model: String,
    /// Price of one million weighted tokens; the model's weights are the coordinator's catalogue.
    pub price: TokenPrice,
    /// Longest prompt and answer together, in tokens.
    pub context_length: u32,
    /// What it can do for this model.
    pub features: Features,
    /// Rises with every ask of this node for this model; a lower one is refused, and so is an equal one
    /// that says something else.
    pub sequence: u64,
    /// When the offer ends.
    pub expires: UnixMillis,
}

impl Ask {
    /// Names this ask in acknowledgements: a hash over every byte.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        tagged("pinaivu/ask-hash/v1", &[&self.signing_bytes()])
    }
}

impl Signable for Ask {
    const TAG: &'static [u8] = b"pinaivu/ask/v1\0";
}
