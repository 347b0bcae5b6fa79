//! Every record: its fields, its bytes, what is signed, and the signature.

use borsh::BorshSerialize;
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::key_command::{KeyAction, KeyCommand};
use pinaivu_protocol::proof::{NodeEvidence, Outcome, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::{Receipt, ReceiptBody, ReceiptHead};
use pinaivu_protocol::signed::{Signable, Signature};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{Hello, TunnelMac};
use pinaivu_protocol::units::Tariff;
use serde_json::{Value, json};

use super::fixtures::{
    CLUSTER, COORDINATOR_SEED, EXPORTER, NODE_SEED, PROGRAM, WALLET_SEED, acknowledgement, ask,
    batch, deployment, evidence, hello, key, key_commands, proof, proof_root, receipt, ticket,
};

pub(super) fn vectors() -> Value {
    let complete = receipt(true);
    let mut signed_records = vec![
        signed("ask", &NODE_SEED, ask(), ask_fields(&ask())),
        signed("ticket", &COORDINATOR_SEED, ticket(), ticket_fields(&ticket())),
        signed("proof_root", &NODE_SEED, proof_root(), root_fields(&proof_root())),
        signed(
            "receipt_head",
            &COORDINATOR_SEED,
            complete.head.record,
            head_fields(&complete.head.record),
        ),
        signed(
            "ask_acknowledgement",
            &COORDINATOR_SEED,
            acknowledgement(),
            acknowledgement_fields(&acknowledgement()),
        ),
        signed("hello", &COORDINATOR_SEED, hello(), hello_fields(&hello())),
    ];
    for command in key_commands() {
        let fields = command_fields(&command);
        signed_records.push(signed("key_command", &WALLET_SEED, command, fields));
    }
    json!({
        "about": "Signing bytes are tag ‖ borsh(fields in this order); signatures are Ed25519 (RFC 8032) under the key of the 32-byte seed. A tag ends with a zero byte.",
        "deployment": {
            "cluster": CLUSTER.to_string(),
            "program": PROGRAM.to_string(),
            "deployment": deployment().to_string(),
        },
        "signed": signed_records,
        "ask": { "hash": ask().hash().to_string() },
        "ticket": {
            "hash": ticket().hash().to_string(),
            "issuer_bytes": hex::encode(ticket().issuer_bytes()),
            "exporter": hex::encode(EXPORTER),
            "sealed": hex::encode(TunnelMac::new(&EXPORTER).seal(&ticket())),
        },
        "proof_of_inference": {
            "fields": proof_fields(&proof()),
            "borsh": encoded(&proof()),
            "leaf": proof().leaf().to_string(),
        },
        "node_evidence": {
            "leaf": proof().leaf().to_string(),
            "size": batch().size().to_string(),
            "fields": evidence_fields(&evidence()),
            "borsh": encoded(&evidence()),
        },
        "receipts": [receipt_vector(&complete), receipt_vector(&receipt(false))],
    })
}

pub(super) fn encoded<T: BorshSerialize>(value: &T) -> String {
    hex::encode(borsh::to_vec(value).unwrap())
}

fn signed<T: Signable>(kind: &str, seed: &[u8; 32], record: T, fields: Value) -> Value {
    let pair = key(seed);
    let signed = pair.sign(record);
    json!({
        "type": kind,
        "fields": fields,
        "borsh": encoded(&signed.record),
        "tag": hex::encode(T::TAG),
        "signing_bytes": hex::encode(signed.record.signing_bytes()),
        "seed": hex::encode(seed),
        "public_key": pair.public().to_string(),
        "signature": signature(&signed.signature),
    })
}

fn signature(signature: &Signature) -> String {
    hex::encode(signature.0)
}

fn receipt_vector(receipt: &Receipt) -> Value {
    json!({
        "head": head_fields(&receipt.head.record),
        "signature": signature(&receipt.head.signature),
        "signer": key(&COORDINATOR_SEED).public().to_string(),
        "body": body_fields(&receipt.body),
        "body_hash": receipt.body.hash().to_string(),
        "leaf": receipt.leaf().to_string(),
        "borsh": hex::encode(receipt.encode()),
    })
}

fn ask_fields(ask: &Ask) -> Value {
    json!({
        "deployment": ask.deployment.to_string(),
        "coordinator": ask.coordinator.to_string(),
        "node": ask.node.to_string(),
        "model": ask.model,
        "price": ask.price.to_string(),
        "context_length": ask.context_length,
        "features": ask.features.0,
        "sequence": ask.sequence.to_string(),
        "expires": ask.expires.to_string(),
    })
}

fn acknowledgement_fields(acknowledgement: &AskAcknowledgement) -> Value {
    json!({
        "deployment": acknowledgement.deployment.to_string(),
        "coordinator": acknowledgement.coordinator.to_string(),
        "node": acknowledgement.node.to_string(),
        "ask": acknowledgement.ask.to_string(),
        "book": acknowledgement.book.to_string(),
        "version": acknowledgement.version.to_string(),
        "head": acknowledgement.head.to_string(),
        "at": acknowledgement.at.to_string(),
    })
}

fn tariff_fields(tariff: &Tariff) -> Value {
    json!({
        "price": tariff.price.to_string(),
        "input_weight": tariff.input_weight,
        "output_weight": tariff.output_weight,
    })
}

fn ticket_fields(ticket: &Ticket) -> Value {
    json!({
        "deployment": ticket.deployment.to_string(),
        "coordinator": ticket.coordinator.to_string(),
        "node": ticket.node.to_string(),
        "request": ticket.request.to_string(),
        "segment": ticket.segment.0,
        "model": ticket.model,
        "max_output": ticket.max_output.0,
        "tariff": tariff_fields(&ticket.tariff),
        "issued": ticket.issued.to_string(),
        "deadline": ticket.deadline.to_string(),
        "salt": hex::encode(ticket.salt),
        "request_commitment": ticket.request_commitment.to_string(),
        "book_head": ticket.book_head.to_string(),
        "billing": hex::encode(ticket.billing),
        "issuer_mac": hex::encode(ticket.issuer_mac),
    })
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::Cancelled => "cancelled",
        Outcome::Failed => "failed",
    }
}

pub(super) fn proof_fields(proof: &ProofOfInference) -> Value {
    json!({
        "deployment": proof.deployment.to_string(),
        "coordinator": proof.coordinator.to_string(),
        "node": proof.node.to_string(),
        "request": proof.request.to_string(),
        "segment": proof.segment.0,
        "ticket": proof.ticket.to_string(),
        "model": proof.model,
        "backend": proof.backend,
        "response_commitment": proof.response_commitment.to_string(),
        "input_tokens": proof.input_tokens.0,
        "output_tokens": proof.output_tokens.0,
        "outcome": outcome(proof.outcome),
        "finished": proof.finished.to_string(),
    })
}

pub(super) fn root_fields(root: &ProofRoot) -> Value {
    json!({
        "deployment": root.deployment.to_string(),
        "coordinator": root.coordinator.to_string(),
        "node": root.node.to_string(),
        "size": root.size,
        "root": root.root.to_string(),
    })
}

fn evidence_fields(evidence: &NodeEvidence) -> Value {
    json!({
        "signer": evidence.signer.to_string(),
        "root": root_fields(&evidence.root.record),
        "signature": signature(&evidence.root.signature),
        "index": evidence.index,
        "path": evidence.path.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

pub(super) fn head_fields(head: &ReceiptHead) -> Value {
    json!({
        "deployment": head.deployment.to_string(),
        "coordinator": head.coordinator.to_string(),
        "epoch": head.epoch,
        "index": head.index.to_string(),
        "request": head.request.to_string(),
        "segment": head.segment.0,
        "node": head.node.to_string(),
        "node_cumulative": head.node_cumulative.to_string(),
        "body": head.body.to_string(),
    })
}

pub(super) fn body_fields(body: &ReceiptBody) -> Value {
    json!({
        "model": body.model,
        "ticket": body.ticket.to_string(),
        "request_commitment": body.request_commitment.to_string(),
        "response_commitment": body.response_commitment.to_string(),
        "input_tokens": body.input_tokens.0,
        "output_tokens": body.output_tokens.0,
        "tariff": tariff_fields(&body.tariff),
        "amount": body.amount.to_string(),
        "fee": body.fee.to_string(),
        "fee_rate": body.fee_rate.0,
        "outcome": outcome(body.outcome),
        "auction": {
            "book_head": body.auction.book_head.to_string(),
            "candidates": body.auction.candidates,
            "winner_ask": body.auction.winner_ask.to_string(),
            "best_losing_ask": body.auction.best_losing_ask.map(|price| price.to_string()),
        },
        "owner": {
            "escrow": body.owner.escrow.to_string(),
            "allowance": body.owner.allowance.to_string(),
            "cumulative": body.owner.cumulative.to_string(),
        },
        "statement": body.statement.as_ref().map(|statement| json!({
            "proof": proof_fields(&statement.proof),
            "evidence": evidence_fields(&statement.evidence),
        })),
        "attestation": body.attestation.map(|hash| hash.to_string()),
        "created": body.created.to_string(),
    })
}

fn hello_fields(hello: &Hello) -> Value {
    json!({
        "deployment": hello.deployment.to_string(),
        "coordinator": hello.coordinator.to_string(),
        "binding": hello.binding.to_string(),
        "now": hello.now.to_string(),
    })
}

fn command_fields(command: &KeyCommand) -> Value {
    let action = match &command.action {
        KeyAction::Create { allowance, label } => {
            json!({"create": {"allowance": allowance.to_string(), "label": label}})
        }
        KeyAction::List => json!({"list": {}}),
        KeyAction::Revoke { key } => json!({"revoke": {"key": hex::encode(key)}}),
    };
    json!({
        "deployment": command.deployment.to_string(),
        "coordinator": command.coordinator.to_string(),
        "owner": command.owner.to_string(),
        "issued": command.issued.to_string(),
        "nonce": hex::encode(command.nonce),
        "action": action,
    })
}
