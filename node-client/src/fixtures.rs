//! Records that several unit tests start from.
#![expect(clippy::unwrap_used, reason = "tests")]

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{
    ClusterId, CoordinatorId, DeploymentId, NodeId, ProgramId, RequestId, Segment,
};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::Represented;
use pinaivu_protocol::units::{Tariff, TokenCount, TokenPrice, UnixMillis};

pub(crate) const NODE: NodeId = NodeId([0x11; 32]);
pub(crate) const COORDINATOR: CoordinatorId = CoordinatorId([0x22; 32]);

pub(crate) fn deployment() -> DeploymentId {
    DeploymentId::new(&ClusterId([0x33; 32]), &ProgramId([0x44; 32]))
}

/// A ticket that is told from others by `number`.
pub(crate) fn ticket(number: u8) -> Ticket {
    Ticket {
        deployment: deployment(),
        coordinator: COORDINATOR,
        node: NODE,
        request: RequestId([number; 16]),
        segment: Segment(0),
        model: "tiny".to_owned(),
        max_output: TokenCount(64),
        tariff: Tariff { price: TokenPrice(250_000), input_weight: 1, output_weight: 3 },
        issued: UnixMillis(1_000_000),
        deadline: UnixMillis(1_060_000),
        salt: [number; 32],
        request_commitment: Hash32([number; 32]),
        book_head: Hash32::ZERO,
        billing: [0; 16],
        issuer_mac: [0; 32],
    }
}

pub(crate) fn proof(ticket: &Ticket) -> ProofOfInference {
    ProofOfInference {
        deployment: ticket.deployment,
        coordinator: ticket.coordinator,
        node: ticket.node,
        request: ticket.request,
        segment: ticket.segment,
        ticket: ticket.hash(),
        model: "tiny".to_owned(),
        backend: "llama.cpp b1".to_owned(),
        response_commitment: Hash32([0x77; 32]),
        input_tokens: TokenCount(3),
        output_tokens: TokenCount(5),
        outcome: Outcome::Completed,
        finished: UnixMillis(1_000_500),
    }
}

/// What is presented for ticket `number`, under a root of its own.
pub(crate) fn answered_ticket(number: u8) -> Represented {
    let ticket = ticket(number);
    let proof = proof(&ticket);
    let key = SigningKey::from_seed(&[7; 32]).unwrap();
    let root = key.sign(ProofRoot {
        deployment: ticket.deployment,
        coordinator: ticket.coordinator,
        node: ticket.node,
        size: 1,
        root: proof.leaf(),
    });
    Represented {
        evidence: NodeEvidence { signer: key.public(), root, index: 0, path: Vec::new() },
        answer_json: br#"{"choices":[]}"#.to_vec(),
        ticket,
        proof,
    }
}
