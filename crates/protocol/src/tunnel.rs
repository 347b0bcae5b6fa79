//! What coordinator and node say to each other on the tunnel, beside OpenAI requests.
//!
//! The node dials out over TLS 1.3 (ALPN [`TUNNEL_ALPN`](crate::ticket::TUNNEL_ALPN), its hot key as
//! Ed25519 client certificate) and then answers on that connection what the coordinator asks, many
//! requests at once (the crate `pinaivu-tunnel`). Order of events:
//!
//! 1. The coordinator asks [`HELLO_PATH`] with [`Signed`]<[`Hello`]>. The signature is over the TLS
//!    exporter, so it proves that the TLS peer holds the coordinator's on-chain signer key, whatever the
//!    certificate says; a relay in the middle has another exporter. The node answers [`HelloReply`], and
//!    until a valid hello it answers everything else with 403.
//! 2. The coordinator checks the node's account on chain: its signer is the TLS key, its stake is
//!    enough, it is active. Otherwise it asks [`GOODBYE_PATH`] with [`Goodbye`], and closes.
//! 3. The coordinator asks [`EVENTS_PATH`]: an answer that never ends, of [`NodeMessage`] frames.
//! 4. The coordinator asks [`CONTROL_PATH`] with [`CoordinatorMessage`] frames, when there are any.
//! 5. The coordinator asks `/v1/…` with a sealed ticket, as often as it likes.
//!
//! A frame of messages is a `u32` little-endian length, at most [`MAX_FRAME_BYTES`], and that many bytes of borsh.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::acknowledgement::AskAcknowledgement;
use crate::ask::Ask;
use crate::hash::{Hash32, tagged};
use crate::ids::{CoordinatorId, DeploymentId, NodeId};
use crate::proof::{NodeEvidence, ProofOfInference, ProofRoot};
use crate::receipt::ReceiptHead;
use crate::signed::{Signable, Signed};
use crate::ticket::Ticket;
use crate::units::UnixMillis;

/// Path of the coordinator's first request.
pub const HELLO_PATH: &str = "/pinaivu/v1/hello";
/// Path of the node's endless stream of messages.
pub const EVENTS_PATH: &str = "/pinaivu/v1/events";
/// Path that takes the coordinator's messages.
pub const CONTROL_PATH: &str = "/pinaivu/v1/control";
/// Path that tells the node why it is refused.
pub const GOODBYE_PATH: &str = "/pinaivu/v1/goodbye";
/// Header of a node's answer to a redirected client that refuses a ticket: a [`TicketRefusal`] code. On the
/// tunnel the code is the answer's note. Status is 403.
pub const REFUSAL_HEADER: &str = "x-pinaivu-refusal";

/// Longest frame: an answer presented again with its text.
pub const MAX_FRAME_BYTES: u32 = 8 * 1024 * 1024;
/// Longest body of one request for [`CONTROL_PATH`]: twice the longest message.
pub const MAX_CONTROL_BYTES: usize = 16 * 1024 * 1024;

/// The coordinator proves that it holds its signer key on this very TLS session.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hello {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// Who speaks.
    pub coordinator: CoordinatorId,
    /// `tagged("pinaivu/tunnel-binding/v1", exporter)` of this TLS session, see [`binding`].
    pub binding: Hash32,
    /// The coordinator's clock, so that a node can tell the operator of a large skew.
    pub now: UnixMillis,
}

impl Signable for Hello {
    const TAG: &'static [u8] = b"pinaivu/hello/v1\0";
}

/// The node says which account it is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HelloReply {
    /// Its account; the coordinator checks that this account names the TLS key as signer.
    pub node: NodeId,
    /// Its software, for people.
    pub software: String,
}

/// Why a coordinator ends a tunnel.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Goodbye {
    /// Stable code, for example `node_unregistered`, `stake_too_low`, `signer_mismatch`.
    pub code: String,
    /// For the operator: what is wrong and what to do.
    pub message: String,
}

/// From node to coordinator.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum NodeMessage {
    /// A standing offer, new or renewed.
    Ask(Signed<Ask>),
    /// A signed root over recent proofs, with the proofs' leaves in order.
    Root {
        /// The signed root.
        root: Signed<ProofRoot>,
        /// The leaves it covers; the coordinator derives each proof's path.
        leaves: Vec<Hash32>,
    },
    /// A journaled proof that was never acknowledged, presented again.
    Represent(Box<Represented>),
    /// Nothing to say; the connection lives.
    Heartbeat,
    /// Where clients that were redirected reach the node: `https://` and what comes before `/v1/…`
    /// (`http://` only for a node on the same machine). Replaces what was said before; empty: nowhere.
    Door(String),
}

/// A proof whose receipt the node never saw: after a crash on either side, or after a cancelled
/// request. Idempotent by ticket.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Represented {
    /// The ticket as it was issued; the coordinator recognises its own `issuer_mac`.
    pub ticket: Ticket,
    /// What the node says it did.
    pub proof: ProofOfInference,
    /// Its signature.
    pub evidence: NodeEvidence,
    /// The canonical answer, from which the coordinator recomputes the commitment and recounts.
    pub answer_json: Vec<u8>,
}

/// From coordinator to node.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum CoordinatorMessage {
    /// The ask stands in the book.
    AskAccepted {
        /// Its model.
        model: String,
        /// Its sequence.
        sequence: u64,
        /// The coordinator's word for it, to be kept.
        acknowledgement: Signed<AskAcknowledgement>,
        /// Weight of one prompt token for this model.
        input_weight: u16,
        /// Weight of one generated token for this model.
        output_weight: u16,
    },
    /// The ask is not taken.
    AskRefused {
        /// Its model.
        model: String,
        /// Its sequence.
        sequence: u64,
        /// Stable code.
        code: String,
        /// For the operator.
        message: String,
    },
    /// The receipt for a ticket is durable: the node may drop its journal entry and keeps the head as
    /// the coordinator's promise to pay.
    Receipted {
        /// [`Ticket::hash`].
        ticket: Hash32,
        /// The signed head.
        head: Signed<ReceiptHead>,
    },
    /// A proof will never be receipted; the node may drop it.
    ProofRefused {
        /// [`Ticket::hash`].
        ticket: Hash32,
        /// Stable code.
        code: String,
        /// For the operator.
        message: String,
    },
}

/// Why a node refuses a ticket, as the text of an answer's note or of [`REFUSAL_HEADER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketRefusal {
    /// No ticket, or not one.
    Malformed,
    /// The MAC does not verify.
    Forged,
    /// For another node, coordinator or deployment.
    WrongParty,
    /// Its deadline has passed.
    Expired,
    /// Seen before.
    Replayed,
    /// The body is not the one the ticket commits to.
    WrongBody,
    /// The node does not serve this model.
    UnknownModel,
    /// The price is below what the node asks.
    Underpriced,
    /// The node is stopping or has too much unpaid work.
    Unavailable,
}

impl TicketRefusal {
    /// Every refusal.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Forged,
        Self::WrongParty,
        Self::Expired,
        Self::Replayed,
        Self::WrongBody,
        Self::UnknownModel,
        Self::Underpriced,
        Self::Unavailable,
    ];

    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "ticket_malformed",
            Self::Forged => "ticket_forged",
            Self::WrongParty => "ticket_wrong_party",
            Self::Expired => "ticket_expired",
            Self::Replayed => "ticket_replayed",
            Self::WrongBody => "ticket_wrong_body",
            Self::UnknownModel => "unknown_model",
            Self::Underpriced => "underpriced",
            Self::Unavailable => "unavailable",
        }
    }

    /// The refusal of a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }
}

/// What [`Hello::binding`] must be for the 32 exported bytes of this TLS session.
#[must_use]
pub fn binding(exporter: &[u8; 32]) -> Hash32 {
    tagged("pinaivu/tunnel-binding/v1", &[exporter])
}

/// The bytes are not a frame of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME_BYTES`].
    #[error("frame of {0} bytes is longer than {MAX_FRAME_BYTES}")]
    TooLong(u32),
    /// Not borsh of the expected message.
    #[error("frame is not a message")]
    Encoding,
}

/// One message as a frame.
#[must_use]
pub fn encode_frame<T: BorshSerialize>(message: &T) -> Vec<u8> {
    let mut frame = vec![0; 4];
    let written = message.serialize(&mut frame);
    debug_assert!(written.is_ok());
    let length = u32::try_from(frame.len().saturating_sub(4)).unwrap_or(u32::MAX);
    if let Some(prefix) = frame.get_mut(..4) {
        prefix.copy_from_slice(&length.to_le_bytes());
    }
    frame
}

/// Cuts frames out of bytes as they arrive, in pieces of any size.
#[derive(Debug, Default)]
pub struct FrameReader {
    pending: Vec<u8>,
    /// How much of it has been read.
    read: usize,
}

impl FrameReader {
    /// Adds what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        // Only here is what was read let go: doing so for each message would move the rest each time.
        self.pending.drain(..self.read);
        self.read = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next whole message, when there is one.
    ///
    /// # Errors
    /// [`FrameError`]; the stream is then useless.
    pub fn next_message<T: BorshDeserialize>(&mut self) -> Result<Option<T>, FrameError> {
        let unread = self.pending.get(self.read..).unwrap_or_default();
        let Some(prefix) = unread.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*prefix);
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        let end = (length as usize).saturating_add(4);
        let Some(payload) = unread.get(4..end) else { return Ok(None) };
        let message = T::try_from_slice(payload).map_err(|_| FrameError::Encoding)?;
        self.read = self.read.saturating_add(end);
        Ok(Some(message))
    }
}

/// MACs of the tunnel, keyed from the TLS exporter: HMAC-SHA-256 over `tag ‖ bytes`.
#[derive(Clone)]
pub struct TunnelMac(aws_lc_rs::hmac::Key);

impl core::fmt::Debug for TunnelMac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("TunnelMac(..)")
    }
}

/// The bytes are not an authentic ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a ticket and its mark.
    #[error("not a ticket")]
    Malformed,
    /// The mark does not verify.
    #[error("the ticket's mark does not verify")]
    Forged,
}

impl TunnelMac {
    /// A MAC under the 32 exported bytes of a TLS session.
    #[must_use]
    pub fn new(exporter: &[u8; 32]) -> Self {
        Self(aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, exporter))
    }

    /// A ticket as it goes with a request: ticket ‖ MAC.
    #[must_use]
    pub fn seal(&self, ticket: &Ticket) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        let written = ticket.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        let tag = self.tag(&bytes);
        bytes.extend_from_slice(tag.as_ref());
        bytes
    }

    /// Reads and authenticates a sealed ticket.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open(&self, sealed: &[u8]) -> Result<Ticket, SealError> {
        let (ticket, mac) = sealed.split_last_chunk::<32>().ok_or(SealError::Malformed)?;
        let tag = self.tag(ticket);
        aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), mac)
            .map_err(|_| SealError::Forged)?;
        Ticket::try_from_slice(ticket).map_err(|_| SealError::Malformed)
    }

    fn tag(&self, bytes: &[u8]) -> aws_lc_rs::hmac::Tag {
        let mut context = aws_lc_rs::hmac::Context::with_key(&self.0);
        context.update(TICKET_MAC_TAG);
        context.update(bytes);
        context.sign()
    }
}

const TICKET_MAC_TAG: &[u8] = b"pinaivu/ticket-mac/v1\0";
