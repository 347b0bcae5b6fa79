//! What the engine hands over when a segment has ended.

use std::fmt;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, EscrowId};
use pinaivu_protocol::proof::{Outcome, ProofOfInference};
use pinaivu_protocol::receipt::AuctionDigest;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::TokenCount;

use super::Flight;
use crate::store::ApiKeyId;

/// What the engine counted, within the ticket's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// How the answer ended.
    pub outcome: Outcome,
    /// Commitment to the answer that was forwarded, under the ticket's salt.
    pub response_commitment: Hash32,
    /// Prompt tokens charged.
    pub input_tokens: TokenCount,
    /// Generated tokens charged; at most the ticket's `max_output`.
    pub output_tokens: TokenCount,
}

/// One segment that has to be paid for.
pub struct Draft {
    /// The ticket that was answered.
    pub ticket: Ticket,
    /// Which allowance pays.
    pub allowance: AllowanceId,
    /// The escrow it is part of.
    pub escrow: EscrowId,
    /// The API key it is charged through.
    pub api_key: Option<ApiKeyId>,
    /// What was delivered.
    pub metered: Metered,
    /// What the auction decided.
    pub auction: AuctionDigest,
    /// The node's proof from the trailer, when one came.
    pub proof: Option<ProofOfInference>,
    /// The request this is part of.
    pub flight: Flight,
    /// Dropped once the receipt is durable and the [`Observer`](super::Observer) has heard of it: the
    /// guard of the money set aside.
    pub hold: Option<Box<dyn Send>>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("request", &self.ticket.request)
            .field("segment", &self.ticket.segment)
            .field("node", &self.ticket.node)
            .field("metered", &self.metered)
            .finish_non_exhaustive()
    }
}

/// Why a draft cannot become a receipt. The engine's fault; the draft's hold is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDraft {
    /// The ticket is for another deployment or coordinator.
    #[error("the ticket belongs to another deployment or coordinator")]
    Party,
    /// The flight is another request's.
    #[error("the flight belongs to another request")]
    Flight,
    /// More tokens than the ticket allows.
    #[error("{metered} generated tokens, the ticket allows {allowed}")]
    Tokens {
        /// Charged.
        metered: TokenCount,
        /// Allowed.
        allowed: TokenCount,
    },
    /// The pipeline has ended.
    #[error("receipts are no longer made")]
    Closed,
}
