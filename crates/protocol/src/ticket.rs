//! A dispatch ticket: one request, for one node, within limits, at a price.
//!
//! On the tunnel a ticket is authenticated by a MAC keyed from the TLS session (the coordinator and the
//! node compute it with their own library; 0.3 µs instead of 50). `issuer_mac` is the coordinator's own
//! mark: after a crash it recognises tickets that a node presents again without having stored them.
//! Direct delivery signs the ticket instead ([`Signable`]).

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::{Hash32, tagged};
use crate::ids::{CoordinatorId, DeploymentId, NodeId, RequestId, Segment};
use crate::signed::Signable;
use crate::units::{Tariff, TokenCount, UnixMillis};

/// Query parameter that carries `base64url(borsh(Signed<Ticket>))`, without padding, of a client that was
/// redirected to the node.
pub const TICKET_PARAMETER: &str = "ticket";

/// Longest address of a node for redirected clients, in bytes.
pub const MAX_DOOR_LENGTH: usize = 256;

/// Label of the TLS exporter (RFC 8446 section 7.5) whose 32 bytes key the tunnel's MACs; no context.
pub const TUNNEL_EXPORTER_LABEL: &[u8] = b"EXPORTER-pinaivu-tunnel-mac-v1";

/// ALPN protocol of the tunnel.
pub const TUNNEL_ALPN: &[u8] = b"pinaivu/1";

/// One request dispatched to one node.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize))]
pub struct Ticket {
    /// Cluster and program this counts on.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub deployment: DeploymentId,
    /// Who dispatches.
    pub coordinator: CoordinatorId,
    /// Who may answer.
    pub node: NodeId,
    /// Which request.
    pub request: RequestId,
    /// Which part of it.
    pub segment: Segment,
    /// The model as the client named it.
    pub model: String,
    /// Most tokens the node may generate and be paid for.
    pub max_output: TokenCount,
    /// The clearing price.
    pub tariff: Tariff,
    /// When the coordinator issued it.
    pub issued: UnixMillis,
    /// After this the node refuses it.
    pub deadline: UnixMillis,
    /// Salt of the request and response commitments; the client gets it too.
    pub salt: [u8; 32],
    /// Commitment to the client's request body.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub request_commitment: Hash32,
    /// Head of the order book's hash chain before this request was cleared.
    #[cfg_attr(feature = "std", serde(serialize_with = "crate::signed::as_display"))]
    pub book_head: Hash32,
    /// Opaque to the node: what the coordinator needs to bill this request after a crash, masked so
    /// that two requests of one client look unrelated.
    #[cfg_attr(feature = "std", serde(skip))]
    pub billing: [u8; 16],
    /// The coordinator's MAC over every field above, under a key only it has.
    #[cfg_attr(feature = "std", serde(skip))]
    pub issuer_mac: [u8; 32],
}

impl Ticket {
    /// Names this ticket in proofs: a hash over every byte.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        tagged("pinaivu/ticket-hash/v1", &[&self.signing_bytes()])
    }

    /// What `issuer_mac` authenticates: the encoding of every other field.
    #[must_use]
    pub fn issuer_bytes(&self) -> Vec<u8> {
        let mut bytes = self.signing_bytes();
        bytes.truncate(bytes.len().saturating_sub(self.issuer_mac.len()));
        bytes
    }
}

impl Signable for Ticket {
    const TAG: &'static [u8] = b"pinaivu/ticket/v1\0";
}
