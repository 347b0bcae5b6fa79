//! Receipts: from what the engine saw to a signed, logged, durable record.
//!
//! The engine opens a [`Flight`] when it admits a request and submits one [`Draft`] for every segment
//! that has to be paid. A draft waits a moment for the node's signed evidence, then is committed in a
//! group: position in the log, cumulatives, commitments, signature and Merkle nodes in one transaction.
//! Only after that transaction is on disk does anything leave: the [`Observer`] hears of the receipt,
//! then the hold is let go.
//!
//! Invariants: at most one receipt per (request, segment); (epoch, index) is signed for one leaf only;
//! node and allowance cumulatives never fall and grow by exactly what receipts say; no signature is
//! shown before its record is durable. All of them hold across a kill at any instant, because every
//! number is read from the database inside the transaction that writes it.
//!
//! This module does not meter: tokens arrive counted. It does not admit: holds are the engine's.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod archive;
mod commit;
mod draft;
mod evidence;
#[cfg(test)]
pub(crate) mod fixtures;
mod flight;
mod log;
mod named_evidence;
mod pipeline;
mod public_log;
mod represent;
mod signer;
mod submission;
#[cfg(test)]
mod tests;
mod view;
mod witnessed;

pub use archive::{archive, archive_settled};
pub use draft::{Draft, InvalidDraft, Metered};
pub use flight::Flight;
pub use log::EpochTree;
pub use named_evidence::NamedEvidence;
pub use pinaivu_log::audit::{OWNER_ALLOWANCE_TAG, OWNER_CUMULATIVE_TAG, OWNER_ESCROW_TAG};
pub use pipeline::{Pipeline, Receipts};
pub use public_log::{CosignatureError, EntryChunks, LogError, PublicLog};
pub use signer::{Billing, KeyFileError, Signer};
pub use submission::{WitnessDesk, submit};
pub use view::{
    Anchor, BodyView, InclusionView, ReceiptView, ReceiptsView, RequestReceipts, SettlementView,
    StatementView, TransactionView,
};

use std::time::Duration;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, NodeId};
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::FineAmount;

use crate::recount::Tokenizers;
use crate::store::ApiKeyId;

/// How receipts are made.
#[derive(Clone, Debug)]
pub struct ReceiptsConfig {
    /// Requests that may be open or waiting for their receipt at once; further ones are refused.
    pub capacity: usize,
    /// How long a draft waits for the node's signed root before it is committed without.
    pub evidence_wait: Duration,
    /// The shortest time between two commits: receipts that come in between share one flush to disk.
    pub commit_interval: Duration,
    /// Most receipts in one commit.
    pub max_batch: usize,
    /// How long after its ticket was issued a proof may be presented again.
    pub represent_window: Duration,
    /// The attestation evidence that receipts name.
    pub attestation: NamedEvidence,
    /// For counting again what nodes count.
    pub tokenizers: Tokenizers,
    /// Most choices a request may ask for. Of a proof presented again nobody knows how many were; each
    /// may have a token that leaves no text.
    pub choices: u32,
}

impl Default for ReceiptsConfig {
    fn default() -> Self {
        Self {
            capacity: 8_192,
            evidence_wait: Duration::from_secs(2),
            commit_interval: Duration::from_millis(5),
            max_batch: 1_024,
            represent_window: Duration::from_secs(7 * 24 * 60 * 60),
            attestation: NamedEvidence::default(),
            tokenizers: Tokenizers::default(),
            choices: 16,
        }
    }
}

/// A receipt that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipted {
    /// Who paid.
    pub allowance: AllowanceId,
    /// Everything the allowance has been charged, this receipt included.
    pub allowance_cumulative: FineAmount,
    /// What this receipt charges.
    pub amount: FineAmount,
    /// The API key it was charged through, and everything charged through that, this receipt included.
    pub api_key: Option<(ApiKeyId, FineAmount)>,
    /// Prompt and generated tokens charged.
    pub tokens: u64,
    /// Who served.
    pub node: NodeId,
    /// Hash of the ticket answered.
    pub ticket: Hash32,
    /// The signed head: the coordinator's promise to pay.
    pub head: Signed<ReceiptHead>,
}

/// Hears of receipts as they become durable. The accounts raise what is charged; the tunnel tells the
/// node.
pub trait Observer: Send + Sync + 'static {
    /// Called once for every new receipt, in log order, before its draft's hold is let go. Must not
    /// block.
    fn receipted(&self, receipt: &Receipted);
}

/// No room for another request: receipts are not written as fast as requests come, or the disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for their receipts")]
pub struct Busy;

/// Why a root of proofs is not taken. The node's session is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootRefusal {
    /// For another deployment, coordinator or node than this session's.
    #[error("the root belongs to another deployment, coordinator or node")]
    Party,
    /// Not between 1 and `MAX_PROOFS_PER_ROOT` leaves, or not as many as the root says.
    #[error("the root covers {0} proofs")]
    Size(usize),
    /// The leaves have another root.
    #[error("the leaves do not lead to the root")]
    Leaves,
    /// The signature does not verify under the session's key.
    #[error("the root's signature does not verify")]
    Signature,
}

/// What becomes of a proof presented again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepresentOutcome {
    /// It had its receipt already, or has it now; tell the node.
    Receipted {
        /// Hash of the ticket.
        ticket: Hash32,
        /// The signed head.
        head: Box<Signed<ReceiptHead>>,
    },
    /// It will never have one; tell the node.
    Refused {
        /// Hash of the ticket.
        ticket: Hash32,
        /// Why.
        refusal: RepresentRefusal,
    },
    /// The request is still being served, or there is no room or no disk just now. Say nothing: the node
    /// presents it again.
    Later,
}

/// Why a proof will never be receipted. The code is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepresentRefusal {
    /// The ticket is not one this coordinator issued.
    #[error("this coordinator did not issue the ticket")]
    TicketNotOurs,
    /// The ticket is another node's.
    #[error("the ticket is for another node")]
    WrongNode,
    /// The ticket is older than proofs may be presented.
    #[error("the ticket is too old")]
    TooOld,
    /// The proof speaks of something else than the ticket.
    #[error("the proof differs from the ticket in {0}")]
    ProofMismatch(&'static str),
    /// The evidence does not cover the proof or is not signed with this session's key.
    #[error("the evidence does not cover the proof under this node's key")]
    Evidence,
    /// The answer's text is not the one committed to.
    #[error("the answer is not the one the proof commits to")]
    AnswerMismatch,
    /// The coordinator gave this ticket up before the node's first byte: the client never saw an answer
    /// from it, and another node may have been asked.
    #[error("the ticket was given up before the first byte")]
    Abandoned,
    /// Another ticket for the same segment has the receipt.
    #[error("another node has the receipt for this segment")]
    Superseded,
    /// The account that would pay is not known any more.
    #[error("the account that would pay is not known")]
    UnknownAccount,
}

impl RepresentRefusal {
    /// Stable code, as `ProofRefused` carries it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TicketNotOurs => "ticket_not_ours",
            Self::WrongNode => "wrong_node",
            Self::TooOld => "ticket_too_old",
            Self::ProofMismatch(_) => "proof_mismatch",
            Self::Evidence => "evidence_invalid",
            Self::AnswerMismatch => "answer_mismatch",
            Self::Abandoned => "ticket_abandoned",
            Self::Superseded => "superseded",
            Self::UnknownAccount => "unknown_account",
        }
    }
}
