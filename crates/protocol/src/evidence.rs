//! What is shown to the program about a log or a node, and when two signed statements contradict each
//! other.
//!
//! These records are not signed themselves: each carries what leads from signed or anchored bytes to a
//! fact. They are written to an evidence account first, since a receipt with its path does not fit one
//! transaction.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash32;
use crate::merkle::{MerkleError, verify_inclusion};
use crate::proof::{MAX_PROOFS_PER_ROOT, ProofOfInference, ProofRoot};
use crate::receipt::{ReceiptBody, ReceiptHead, leaf};

/// A receipt without its signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UnsignedReceipt {
    /// The head.
    pub head: ReceiptHead,
    /// The body, whose hash the head names.
    #[borsh(deserialize_with = "boxed_body")]
    pub body: Box<ReceiptBody>,
}

/// A frame of its own: on chain a frame has four kilobytes, and a body is large.
#[inline(never)]
fn boxed_body<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Box<ReceiptBody>> {
    Ok(Box::new(ReceiptBody::deserialize_reader(reader)?))
}

impl UnsignedReceipt {
    /// The log leaf; nothing when the body is not the head's.
    #[must_use]
    pub fn leaf(&self) -> Option<Hash32> {
        (self.body.hash() == self.head.body).then(|| leaf(&self.head, &self.body))
    }
}

/// A receipt and where it stands in its log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LoggedReceipt {
    /// The receipt; its head names epoch and index.
    pub receipt: UnsignedReceipt,
    /// To the peak that covers the index while the epoch is open, to the root once it is closed.
    pub path: Vec<Hash32>,
}

/// A receipt whose place in the log another leaf has.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DisplacedReceipt {
    /// The receipt; its head names epoch and index.
    pub receipt: UnsignedReceipt,
    /// The leaf that stands there.
    pub leaf: Hash32,
    /// Of that leaf, as in [`LoggedReceipt::path`].
    pub path: Vec<Hash32>,
}

/// A proof and where it stands under the root that its node signed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PlacedProof {
    /// What the node says it did.
    pub proof: ProofOfInference,
    /// Its place under the root, from 0.
    pub index: u32,
    /// RFC 9162 inclusion path.
    pub path: Vec<Hash32>,
}

impl PlacedProof {
    /// Whether the proof is under `root` and both are of the same parties.
    ///
    /// # Errors
    /// [`MerkleError::RootMismatch`] for other parties or a root over too many proofs, else what
    /// [`verify_inclusion`] finds.
    pub fn check(&self, root: &ProofRoot) -> Result<(), MerkleError> {
        let proof = &self.proof;
        let same = (root.deployment, root.coordinator, root.node)
            == (proof.deployment, proof.coordinator, proof.node);
        if !same || root.size > MAX_PROOFS_PER_ROOT {
            return Err(MerkleError::RootMismatch);
        }
        let (index, size) = (u64::from(self.index), u64::from(root.size));
        verify_inclusion(&proof.leaf(), index, size, &self.path, &root.root)
    }
}

/// Two proofs of one node.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProofPair {
    /// Under the first root given.
    pub first: PlacedProof,
    /// Under the last root given, which may be the same.
    pub second: PlacedProof,
}

/// Whether no honest coordinator signs both: other content for one place of one log, or for one
/// segment of one request in one epoch.
///
/// Epochs are kept apart because a restored backup opens a new one and may then make receipts again
/// whose first version it lost. A continued answer has another segment; a request dispatched again gets
/// only one receipt.
#[must_use]
pub fn heads_contradict(one: &ReceiptHead, other: &ReceiptHead) -> bool {
    let same_log = (one.deployment, one.coordinator, one.epoch)
        == (other.deployment, other.coordinator, other.epoch);
    let same_place = one.index == other.index;
    let same_part = (one.request, one.segment) == (other.request, other.segment);
    one != other && same_log && (same_place || same_part)
}

/// Whether no honest node says both: another answer, or other token counts, for one ticket. When it
/// finished and what it calls its model and backend do not count.
#[must_use]
pub fn proofs_contradict(one: &ProofOfInference, other: &ProofOfInference) -> bool {
    let same_ticket = (one.deployment, one.coordinator, one.node, one.ticket)
        == (other.deployment, other.coordinator, other.node, other.ticket);
    let output = |proof: &ProofOfInference| {
        (proof.response_commitment, proof.input_tokens, proof.output_tokens)
    };
    same_ticket && output(one) != output(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{CoordinatorId, DeploymentId, NodeId, RequestId, Segment};
    use crate::proof::Outcome;
    use crate::units::{FineAmount, TokenCount, UnixMillis};

    fn head() -> ReceiptHead {
        ReceiptHead {
            deployment: DeploymentId(Hash32([1; 32])),
            coordinator: CoordinatorId([2; 32]),
            epoch: 3,
            index: 4,
            request: RequestId([5; 16]),
            segment: Segment(6),
            node: NodeId([7; 32]),
            node_cumulative: FineAmount(8),
            body: Hash32([9; 32]),
        }
    }

    fn proof() -> ProofOfInference {
        ProofOfInference {
            deployment: DeploymentId(Hash32([1; 32])),
            coordinator: CoordinatorId([2; 32]),
            node: NodeId([3; 32]),
            request: RequestId([4; 16]),
            segment: Segment(0),
            ticket: Hash32([5; 32]),
            model: "m".to_owned(),
            backend: "b".to_owned(),
            response_commitment: Hash32([6; 32]),
            input_tokens: TokenCount(7),
            output_tokens: TokenCount(8),
            outcome: Outcome::Completed,
            finished: UnixMillis(9),
        }
    }

    #[test]
    fn head_of_the_same_place_or_part_with_other_content_contradicts() {
        let one = head();
        for other in [
            ReceiptHead { body: Hash32([0; 32]), ..one },
            ReceiptHead { body: Hash32([0; 32]), index: 0, ..one },
            ReceiptHead { body: Hash32([0; 32]), request: RequestId([0; 16]), ..one },
            ReceiptHead { index: 0, ..one },
            ReceiptHead { segment: Segment(0), ..one },
            ReceiptHead { node: NodeId([0; 32]), ..one },
            ReceiptHead { node_cumulative: FineAmount(0), ..one },
        ] {
            assert!(heads_contradict(&one, &other) && heads_contradict(&other, &one));
        }
    }

    #[test]
    fn head_that_honest_work_gives_does_not_contradict() {
        let one = head();
        for other in [
            // The same again: a receipt signed twice, as after a crash between signing and sending.
            one,
            // A backup was restored: a new epoch, the request accounted for again.
            ReceiptHead { epoch: 4, index: 0, body: Hash32([0; 32]), ..one },
            ReceiptHead { epoch: 4, body: Hash32([0; 32]), ..one },
            // Another node continued the answer.
            ReceiptHead { segment: Segment(7), index: 5, node: NodeId([0; 32]), ..one },
            // The next request.
            ReceiptHead { request: RequestId([0; 16]), index: 5, ..one },
            // Another coordinator or another cluster.
            ReceiptHead { coordinator: CoordinatorId([0; 32]), body: Hash32([0; 32]), ..one },
            ReceiptHead { deployment: DeploymentId(Hash32([0; 32])), index: 9, ..one },
        ] {
            assert!(!heads_contradict(&one, &other));
        }
    }

    #[test]
    fn proof_with_another_output_for_one_ticket_contradicts() {
        let one = proof();
        for other in [
            ProofOfInference { response_commitment: Hash32([0; 32]), ..one.clone() },
            ProofOfInference { input_tokens: TokenCount(0), ..one.clone() },
            ProofOfInference { output_tokens: TokenCount(0), ..one.clone() },
        ] {
            assert!(proofs_contradict(&one, &other) && proofs_contradict(&other, &one));
        }
    }

    #[test]
    fn proof_that_honest_work_gives_does_not_contradict() {
        let one = proof();
        let other_output = ProofOfInference { response_commitment: Hash32([0; 32]), ..one.clone() };
        for other in [
            // Presented again from the journal, the clock and the backend's name having moved.
            one.clone(),
            ProofOfInference { finished: UnixMillis(10), backend: "c".to_owned(), ..one.clone() },
            // The request came again with a new ticket.
            ProofOfInference { ticket: Hash32([0; 32]), ..other_output.clone() },
            ProofOfInference { node: NodeId([0; 32]), ..other_output.clone() },
            ProofOfInference { coordinator: CoordinatorId([0; 32]), ..other_output },
        ] {
            assert!(!proofs_contradict(&one, &other));
        }
    }

    #[test]
    fn proof_under_a_root_of_others_is_refused() {
        let placed = PlacedProof { proof: proof(), index: 0, path: Vec::new() };
        let root = ProofRoot {
            deployment: placed.proof.deployment,
            coordinator: placed.proof.coordinator,
            node: placed.proof.node,
            size: 1,
            root: placed.proof.leaf(),
        };
        assert_eq!(placed.check(&root), Ok(()));
        for other in [
            ProofRoot { deployment: DeploymentId(Hash32([0; 32])), ..root },
            ProofRoot { coordinator: CoordinatorId([0; 32]), ..root },
            ProofRoot { node: NodeId([0; 32]), ..root },
            ProofRoot { root: Hash32([0; 32]), ..root },
            ProofRoot { size: MAX_PROOFS_PER_ROOT + 1, ..root },
        ] {
            assert_eq!(placed.check(&other), Err(MerkleError::RootMismatch));
        }
    }
}
