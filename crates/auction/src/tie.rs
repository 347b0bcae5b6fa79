//! How equal scores are ordered.

use pinaivu_protocol::ids::{NodeId, RequestId};
use siphasher::sip::SipHasher24;

/// SipHash-2-4 of the node's 32 bytes under the request's 16 bytes as key; the lower value wins.
///
/// Request ids are random, so equal offers share the traffic evenly, nobody can choose a node id that
/// wins more often, and anyone recomputes the order. SipHash because a book full of equal offers needs
/// one hash per offer, and SHA-256 would take most of the clearing's time. Source: Aumasson and
/// Bernstein, "SipHash: a fast short-input PRF", 2012.
#[must_use]
pub fn tie_break(request: &RequestId, node: &NodeId) -> u64 {
    SipHasher24::new_with_key(request.as_bytes()).hash(node.as_bytes())
}
