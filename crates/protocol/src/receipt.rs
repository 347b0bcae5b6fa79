//! Receipts: what was served, by whom, at which price, and what it cost.
//!
//! A receipt has two parts. The [`ReceiptHead`] is what the coordinator signs: at most
//! [`MAX_HEAD_BYTES`], so that two of them fit in one Solana transaction, with everything the chain
//! acts on. The [`ReceiptBody`] holds every other fact and is bound by its hash in the head. The log's
//! leaf is head ‖ body. A continued answer has one receipt per [`Segment`]. JSON is a view of this.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::{Hash32, tagged};
use crate::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey, RequestId, Segment};
use crate::merkle::leaf_hash_of;
use crate::proof::{EvidenceError, NodeEvidence, Outcome, ProofOfInference};
use crate::signed::{Signable, SignatureError, Signed};
use crate::units::{Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis};

/// Longest signed head, tag included.
pub const MAX_HEAD_BYTES: usize = 200;

/// The signed part of a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct ReceiptHead {
    /// Cluster and program this counts on.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub deployment: DeploymentId,
    /// Who signs.
    pub coordinator: CoordinatorId,
    /// Epoch of the coordinator's log; a new one is opened when a backup is restored.
    pub epoch: u32,
    /// Position in that epoch's log, from 0.
    pub index: u64,
    /// Which request.
    pub request: RequestId,
    /// Which part of it.
    pub segment: Segment,
    /// Who served it.
    pub node: NodeId,
    /// Everything this coordinator owes or has paid this node, this receipt included. The newest one
    /// is the node's claim on the coordinator.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub node_cumulative: FineAmount,
    /// [`ReceiptBody::hash`].
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub body: Hash32,
}

impl Signable for ReceiptHead {
    const TAG: &'static [u8] = b"pinaivu/receipt/v1\0";
}

/// What the auction decided and from which book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct AuctionDigest {
    /// Head of the order book's hash chain before the request was cleared.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub book_head: Hash32,
    /// How many asks competed.
    pub candidates: u16,
    /// What the winner asked; it is paid the clearing price in [`ReceiptBody::tariff`].
    pub winner_ask: TokenPrice,
    /// The lowest ask among those that lost, if there were any.
    pub best_losing_ask: Option<TokenPrice>,
}

/// Who paid, visible only to those who know the salts: `value_commitment(tag, salt, bytes)` with one
/// salt for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct OwnerCommitments {
    /// Over the escrow's 32 bytes, tag `pinaivu/owner-escrow/v1`.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub escrow: Hash32,
    /// Over the allowance's 32 bytes, tag `pinaivu/owner-allowance/v1`.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub allowance: Hash32,
    /// Over the allowance's cumulative [`FineAmount`] as 16 little-endian bytes, tag
    /// `pinaivu/owner-cumulative/v1`.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub cumulative: Hash32,
}

/// The node's own statement, when it came.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NodeStatement {
    /// What the node says it did.
    pub proof: ProofOfInference,
    /// Its signature, through a root over recent proofs.
    pub evidence: NodeEvidence,
}

/// Everything a receipt says beyond its head.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReceiptBody {
    /// The model as the client named it.
    pub model: String,
    /// [`crate::ticket::Ticket::hash`] of the ticket that was answered.
    pub ticket: Hash32,
    /// Commitment to the client's request body.
    pub request_commitment: Hash32,
    /// Commitment to the assembled answer the coordinator forwarded.
    pub response_commitment: Hash32,
    /// Prompt tokens charged.
    pub input_tokens: TokenCount,
    /// Generated tokens charged.
    pub output_tokens: TokenCount,
    /// The clearing price.
    pub tariff: Tariff,
    /// What the user owes for this receipt; `tariff.amount(input, output)`.
    pub amount: FineAmount,
    /// The coordinator's part of `amount`, rounded **down** in the fine unit; the node earns the rest.
    pub fee: FineAmount,
    /// The rate `fee` was computed with.
    pub fee_rate: Bps,
    /// How the answer ended.
    pub outcome: Outcome,
    /// What the auction decided.
    pub auction: AuctionDigest,
    /// Who paid.
    pub owner: OwnerCommitments,
    /// The node's statement; absent when the node failed before it could make one.
    pub statement: Option<NodeStatement>,
    /// Hash of the coordinator's attestation evidence; absent when it is **unattested**.
    pub attestation: Option<Hash32>,
    /// When the coordinator made the receipt.
    pub created: UnixMillis,
}

impl ReceiptBody {
    /// `tagged("pinaivu/receipt-body/v1", borsh(self))`.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        EncodedBody::of(self).hash()
    }
}

/// A body as bytes: for whoever makes a receipt, of which hash, leaf and stored bytes all begin with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedBody(Vec<u8>);

impl EncodedBody {
    /// `borsh(body)`.
    #[must_use]
    pub fn of(body: &ReceiptBody) -> Self {
        Self(encode(body))
    }

    /// [`ReceiptBody::hash`].
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        tagged("pinaivu/receipt-body/v1", &[&self.0])
    }

    /// [`leaf`] of the body under a head.
    #[must_use]
    pub fn leaf(&self, head: &ReceiptHead) -> Hash32 {
        leaf_hash_of(&[&head.signing_bytes(), &self.0])
    }

    /// [`Receipt::encode`] of the body under a head.
    #[must_use]
    pub fn under(&self, head: &Signed<ReceiptHead>) -> Vec<u8> {
        let mut bytes = encode(head);
        bytes.extend_from_slice(&self.0);
        bytes
    }
}

/// A whole receipt.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    /// What the coordinator signed.
    pub head: Signed<ReceiptHead>,
    /// What the head's `body` is the hash of.
    pub body: ReceiptBody,
}

/// Why a receipt does not hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
pub enum ReceiptError {
    /// The bytes are not exactly one receipt.
    #[cfg_attr(feature = "std", error("the bytes are not one receipt"))]
    Encoding,
    /// The body is not the one the head names.
    #[cfg_attr(feature = "std", error("the body's hash is not the one in the signed head"))]
    Body,
    /// The coordinator's signature does not verify.
    #[cfg_attr(feature = "std", error("coordinator signature: {0}"))]
    Signature(SignatureError),
    /// The amount is not the tariff times the tokens, or the fee is not its rate of the amount.
    #[cfg_attr(feature = "std", error("amount or fee does not follow from tokens and tariff"))]
    Arithmetic,
    /// The node's statement speaks of another request, node, ticket or answer.
    #[cfg_attr(feature = "std", error("the node's statement differs from the receipt in {0}"))]
    Statement(&'static str),
    /// The node's signed evidence does not cover its statement.
    #[cfg_attr(feature = "std", error("node evidence: {0}"))]
    Evidence(EvidenceError),
}

impl Receipt {
    /// The bytes that are stored and served: `borsh(head ‖ signature ‖ body)`. What the log hashes is
    /// [`Self::leaf`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads exactly one receipt; trailing bytes are an error. Verifies nothing.
    ///
    /// # Errors
    /// [`ReceiptError::Encoding`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ReceiptError> {
        Self::try_from_slice(bytes).map_err(|_| ReceiptError::Encoding)
    }

    /// The log's leaf: RFC 9162 leaf hash of the head's signed bytes followed by the body. The
    /// signature stays outside, so that the leaf is fixed before the signature exists.
    #[must_use]
    pub fn leaf(&self) -> Hash32 {
        leaf(&self.head.record, &self.body)
    }

    /// Everything that can be checked without any key: body hash, arithmetic, and that the node's
    /// statement, when there is one, is about this very answer and is under its signed root.
    ///
    /// # Errors
    /// The first [`ReceiptError`] found.
    pub fn check_consistency(&self) -> Result<(), ReceiptError> {
        let (head, body) = (&self.head.record, &self.body);
        if body.hash() != head.body {
            return Err(ReceiptError::Body);
        }
        let amount = body.tariff.amount(body.input_tokens, body.output_tokens);
        if amount != body.amount || fee_floor(amount, body.fee_rate) != Some(body.fee) {
            return Err(ReceiptError::Arithmetic);
        }
        let Some(statement) = &body.statement else { return Ok(()) };
        let proof = &statement.proof;
        for (same, field) in [
            (proof.deployment == head.deployment, "deployment"),
            (proof.coordinator == head.coordinator, "coordinator"),
            (proof.node == head.node, "node"),
            (proof.request == head.request, "request"),
            (proof.segment == head.segment, "segment"),
            (proof.ticket == body.ticket, "ticket"),
            (proof.response_commitment == body.response_commitment, "response commitment"),
        ] {
            if !same {
                return Err(ReceiptError::Statement(field));
            }
        }
        statement.evidence.check_inclusion(proof).map_err(ReceiptError::Evidence)
    }

    /// Every offline check: [`Self::check_consistency`], the coordinator's signature under
    /// `coordinator_signer`, and the node's under the key its evidence names. That those keys belong to
    /// the accounts is for the chain to say.
    ///
    /// # Errors
    /// The first [`ReceiptError`] found.
    #[cfg(feature = "std")]
    pub fn verify(&self, coordinator_signer: &PublicKey) -> Result<(), ReceiptError> {
        self.head.verify(coordinator_signer).map_err(ReceiptError::Signature)?;
        self.check_consistency()?;
        if let Some(statement) = &self.body.statement {
            statement.evidence.verify(&statement.proof).map_err(ReceiptError::Evidence)?;
        }
        Ok(())
    }

    /// The hot key the node's evidence names, when there is evidence.
    #[must_use]
    pub fn node_signer(&self) -> Option<PublicKey> {
        self.body.statement.as_ref().map(|statement| statement.evidence.signer)
    }
}

/// The log leaf of a head and body, before the head is signed.
#[must_use]
pub fn leaf(head: &ReceiptHead, body: &ReceiptBody) -> Hash32 {
    EncodedBody::of(body).leaf(head)
}

/// The fee on `amount` at `rate`, rounded **down** in the fine unit, so that the node's share is never
/// short. Nothing when the rate is above one whole.
#[must_use]
pub fn fee_floor(amount: FineAmount, rate: Bps) -> Option<FineAmount> {
    let whole = u128::from(crate::units::BPS_DENOMINATOR);
    if u128::from(rate.0) > whole {
        return None;
    }
    // Split so that the product stays in range for every amount: ⌊a·r/w⌋ = ⌊a/w⌋·r + ⌊(a mod w)·r/w⌋.
    let quotient = amount.0.checked_div(whole)?.checked_mul(u128::from(rate.0))?;
    let remainder =
        amount.0.checked_rem(whole)?.checked_mul(u128::from(rate.0))?.checked_div(whole)?;
    quotient.checked_add(remainder).map(FineAmount)
}

/// Room for most receipts, so that writing one does not grow its buffer step by step.
const USUAL_BYTES: usize = 2 * 1024;

fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    // Writing to a Vec fails only for values whose own Serialize fails; ours cannot.
    let written = value.serialize(&mut bytes);
    debug_assert!(written.is_ok());
    bytes
}
