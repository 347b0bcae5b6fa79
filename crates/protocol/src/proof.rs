//! A node's proof of inference, and the signed root that covers many of them.
//!
//! Each answer gives one [`ProofOfInference`], sent at once under the tunnel's authentication. Evidence
//! comes a few tens of milliseconds later: the node signs the RFC 9162 root over its recent proofs, so
//! one signature serves up to [`MAX_PROOFS_PER_ROOT`] answers and stays off the critical path.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash32;
use crate::ids::{CoordinatorId, DeploymentId, NodeId, RequestId, Segment};
use crate::merkle::{MerkleError, leaf_hash, verify_inclusion};
use crate::signed::{Signable, Signature, Signed};
use crate::units::{TokenCount, UnixMillis};

/// Most proofs under one root.
pub const MAX_PROOFS_PER_ROOT: u32 = 64;

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[cfg_attr(
    feature = "std",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Outcome {
    /// The model finished, or reached the token limit.
    Completed = 0,
    /// The client went away; tokens count what was delivered until then.
    Cancelled = 1,
    /// The node or its backend failed mid-answer; tokens count what was delivered until then.
    Failed = 2,
}

/// What a node says it did for one ticket.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct ProofOfInference {
    /// Cluster and program this counts on.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub deployment: DeploymentId,
    /// Who dispatched.
    pub coordinator: CoordinatorId,
    /// Who answered.
    pub node: NodeId,
    /// Which request.
    pub request: RequestId,
    /// Which part of it.
    pub segment: Segment,
    /// [`crate::ticket::Ticket::hash`] of the ticket answered.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub ticket: Hash32,
    /// The model that ran, as the backend names it.
    pub model: String,
    /// The software that ran it, for example `llama.cpp b10434`.
    pub backend: String,
    /// Commitment to the answer, under the ticket's salt.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub response_commitment: Hash32,
    /// Prompt tokens, as the backend counted them.
    pub input_tokens: TokenCount,
    /// Generated tokens, as the backend counted them.
    pub output_tokens: TokenCount,
    /// How it ended.
    pub outcome: Outcome,
    /// When the node finished.
    pub finished: UnixMillis,
}

impl ProofOfInference {
    /// The leaf under the node's signed root.
    #[must_use]
    pub fn leaf(&self) -> Hash32 {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(b"pinaivu/proof/v1\0");
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        leaf_hash(&bytes)
    }
}

/// The root over a batch of proofs, which the node signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct ProofRoot {
    /// Cluster and program this counts on.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub deployment: DeploymentId,
    /// For whom.
    pub coordinator: CoordinatorId,
    /// Whose proofs.
    pub node: NodeId,
    /// How many proofs the root covers, at most [`MAX_PROOFS_PER_ROOT`].
    pub size: u32,
    /// RFC 9162 root over the proofs' leaves.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub root: Hash32,
}

impl Signable for ProofRoot {
    const TAG: &'static [u8] = b"pinaivu/proof-root/v1\0";
}

/// A node's signed evidence for one proof: the root it signed and the path from the proof to it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NodeEvidence {
    /// The hot key that signed, as the chain's `Node` account named it then.
    pub signer: crate::ids::PublicKey,
    /// The signed root.
    pub root: Signed<ProofRoot>,
    /// Where the proof stands under the root, from 0.
    pub index: u32,
    /// RFC 9162 inclusion path.
    pub path: Vec<Hash32>,
}

/// Why evidence does not cover a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
pub enum EvidenceError {
    /// The root is for another deployment, coordinator or node than the proof.
    #[cfg_attr(
        feature = "std",
        error("the signed root belongs to another deployment, coordinator or node")
    )]
    Party,
    /// The proof is not under the root.
    #[cfg_attr(feature = "std", error("the proof is not under the signed root"))]
    Inclusion(MerkleError),
    /// The node's signature does not verify.
    #[cfg_attr(feature = "std", error("the node's signature over the root does not verify"))]
    Signature,
}

impl NodeEvidence {
    /// Checks that the evidence is for `proof`'s parties and that the proof is under the root. The
    /// signature is [`Self::verify`]'s.
    ///
    /// # Errors
    /// [`EvidenceError::Party`] or [`EvidenceError::Inclusion`].
    pub fn check_inclusion(&self, proof: &ProofOfInference) -> Result<(), EvidenceError> {
        let root = &self.root.record;
        if (root.deployment, root.coordinator, root.node)
            != (proof.deployment, proof.coordinator, proof.node)
            || root.size > MAX_PROOFS_PER_ROOT
        {
            return Err(EvidenceError::Party);
        }
        verify_inclusion(
            &proof.leaf(),
            u64::from(self.index),
            u64::from(root.size),
            &self.path,
            &root.root,
        )
        .map_err(EvidenceError::Inclusion)
    }

    /// Checks everything: parties, inclusion and the node's signature.
    ///
    /// # Errors
    /// The first [`EvidenceError`] found.
    #[cfg(feature = "std")]
    pub fn verify(&self, proof: &ProofOfInference) -> Result<(), EvidenceError> {
        self.check_inclusion(proof)?;
        self.root.verify(&self.signer).map_err(|_| EvidenceError::Signature)?;
        Ok(())
    }

    /// The signature alone, for batch verification.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.root.signature
    }
}
