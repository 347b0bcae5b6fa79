//! What is shown to the program: vouchers, demands, records of evidence, and which signed statements
//! contradict each other.

use aws_lc_rs::signature::Ed25519KeyPair;
use pinaivu_protocol::evidence::{
    DisplacedReceipt, LoggedReceipt, PlacedProof, ProofPair, UnsignedReceipt, heads_contradict,
    proofs_contradict,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, NodeId, RequestId, Segment};
use pinaivu_protocol::merkle::inclusion_proof;
use pinaivu_protocol::proof::ProofOfInference;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signable as _;
use pinaivu_protocol::units::{Amount, FineAmount, TokenCount, UnixMillis};
use pinaivu_protocol::voucher::Voucher;
use serde_json::{Value, json};

use super::fixtures::{
    COORDINATOR_SEED, WALLET_SEED, batch, body, filler, head, key, proof, proof_root,
};
use super::records::{body_fields, encoded, head_fields, proof_fields, root_fields};

const OTHER_NODE: NodeId = NodeId([9; 32]);

pub(super) fn vectors() -> Value {
    json!({
        "about": "A voucher is signed as it is. Records of evidence are borsh of their fields in this order and are not signed themselves. `contradict` says whether the two statements cost a bond or stake when one key signed both.",
        "vouchers": vouchers(),
        "vouchers_refused": refused(),
        "demand": demand(),
        "evidence": [logged(), displaced(), pair()],
        "heads": heads(),
        "proofs": proofs(),
    })
}

fn vouchers() -> Vec<Value> {
    let vouchers = [
        Voucher { allowance: AllowanceId([0xa1; 32]), cumulative: Amount(1_234_567), expiry: 0 },
        Voucher {
            allowance: AllowanceId([0xa2; 32]),
            cumulative: Amount(u64::MAX),
            expiry: 1_760_000_900,
        },
        Voucher { allowance: AllowanceId([0xa3; 32]), cumulative: Amount(0), expiry: -1 },
    ];
    let one = |voucher: Voucher| {
        let wallet = Ed25519KeyPair::from_seed_unchecked(&WALLET_SEED).unwrap();
        let bytes = voucher.signing_bytes();
        json!({
            "allowance": voucher.allowance.to_string(),
            "cumulative": voucher.cumulative.to_string(),
            "expiry": voucher.expiry.to_string(),
            "bytes": hex::encode(bytes),
            "seed": hex::encode(WALLET_SEED),
            "public_key": key(&WALLET_SEED).public().to_string(),
            "signature": hex::encode(wallet.sign(&bytes)),
        })
    };
    vouchers.map(one).to_vec()
}

/// Bytes that are no voucher.
fn refused() -> Vec<Value> {
    let voucher = Voucher { allowance: AllowanceId([0xa1; 32]), cumulative: Amount(1), expiry: 0 };
    let right = voucher.signing_bytes().to_vec();
    let changed = |at: usize| {
        let mut bytes = right.clone();
        *bytes.get_mut(at).unwrap() ^= 1;
        bytes
    };
    let cases = [
        ("one byte short", right.get(..49).unwrap().to_vec()),
        ("one byte long", [right.as_slice(), &[0]].concat()),
        ("another first byte", changed(0)),
        ("another version", changed(1)),
        ("a tagged record", head(&body(false)).signing_bytes()),
        ("nothing", Vec::new()),
    ];
    cases
        .into_iter()
        .map(|(why, bytes)| {
            assert_eq!(Voucher::decode(&bytes), None);
            json!({ "why": why, "bytes": hex::encode(bytes) })
        })
        .collect()
}

/// What a signed head demands: its cumulative, rounded down.
fn demand() -> Value {
    let cases = [0, 999_999, 1_000_000, 1_999_999, u128::from(u64::MAX) * 1_000_000 + 999_999];
    let one = |fine: u128| {
        let head = ReceiptHead { node_cumulative: FineAmount(fine), ..head(&body(false)) };
        let signed = key(&COORDINATOR_SEED).sign(head);
        json!({
            "head": head_fields(&head),
            "signing_bytes": hex::encode(head.signing_bytes()),
            "signature": hex::encode(signed.signature.0),
            "demanded": head.node_cumulative.to_amount_floor().unwrap().to_string(),
        })
    };
    json!({
        "public_key": key(&COORDINATOR_SEED).public().to_string(),
        "heads": cases.map(one),
    })
}

fn receipt() -> UnsignedReceipt {
    let body = body(true);
    UnsignedReceipt { head: head(&body), body: Box::new(body) }
}

fn path(hashes: &[Hash32]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

fn logged() -> Value {
    let receipt = receipt();
    let record =
        LoggedReceipt { receipt: receipt.clone(), path: vec![filler("left"), filler("right")] };
    json!({
        "type": "logged_receipt",
        "fields": {
            "head": head_fields(&receipt.head),
            "body": body_fields(&receipt.body),
            "path": path(&record.path),
        },
        "leaf": receipt.leaf().unwrap().to_string(),
        "borsh": encoded(&record),
    })
}

fn displaced() -> Value {
    let receipt = receipt();
    let record = DisplacedReceipt {
        receipt: receipt.clone(),
        leaf: filler("what stands there"),
        path: vec![filler("left")],
    };
    json!({
        "type": "displaced_receipt",
        "fields": {
            "head": head_fields(&receipt.head),
            "body": body_fields(&receipt.body),
            "leaf": record.leaf.to_string(),
            "path": path(&record.path),
        },
        "leaf": receipt.leaf().unwrap().to_string(),
        "borsh": encoded(&record),
    })
}

/// The proof of the batch, and another answer to the same ticket under a root of its own.
fn pair() -> Value {
    let placed =
        PlacedProof { proof: proof(), index: 1, path: inclusion_proof(&batch(), 1, 3).unwrap() };
    assert_eq!(placed.check(&proof_root()), Ok(()));
    let other = ProofOfInference { response_commitment: filler("another answer"), ..proof() };
    let alone = PlacedProof { proof: other, index: 0, path: Vec::new() };
    let fields = |placed: &PlacedProof| {
        json!({
            "proof": proof_fields(&placed.proof),
            "index": placed.index,
            "path": path(&placed.path),
        })
    };
    let record = ProofPair { first: placed, second: alone };
    json!({
        "type": "proof_pair",
        "fields": { "first": fields(&record.first), "second": fields(&record.second) },
        "first_root": root_fields(&proof_root()),
        "borsh": encoded(&record),
    })
}

fn heads() -> Vec<Value> {
    let one = head(&body(true));
    let other_body = head(&body(false)).body;
    let cases = [
        ("the same again", one),
        ("another body in the same place", ReceiptHead { body: other_body, ..one }),
        ("another node in the same place", ReceiptHead { node: OTHER_NODE, ..one }),
        ("more money in the same place", ReceiptHead { node_cumulative: FineAmount(1), ..one }),
        ("the same part of a request in another place", ReceiptHead { index: 7, ..one }),
        ("another request in the same place", ReceiptHead { request: RequestId([9; 16]), ..one }),
        ("another segment in the same place", ReceiptHead { segment: Segment(2), ..one }),
        (
            "another request in another place",
            ReceiptHead { request: RequestId([9; 16]), index: 7, ..one },
        ),
        (
            "a continued answer in another place",
            ReceiptHead { segment: Segment(2), index: 7, body: other_body, ..one },
        ),
        ("a new epoch after a backup", ReceiptHead { epoch: 4, body: other_body, ..one }),
        (
            "another coordinator",
            ReceiptHead { coordinator: CoordinatorId([9; 32]), body: other_body, ..one },
        ),
        (
            "another deployment",
            ReceiptHead { deployment: DeploymentId(filler("elsewhere")), index: 7, ..one },
        ),
    ];
    cases
        .into_iter()
        .map(|(name, other)| {
            json!({
                "name": name,
                "one": head_fields(&one),
                "other": head_fields(&other),
                "contradict": heads_contradict(&one, &other),
            })
        })
        .collect()
}

fn proofs() -> Vec<Value> {
    let one = proof();
    let answer = filler("another answer");
    let cases = [
        ("the same again", one.clone()),
        ("another answer", ProofOfInference { response_commitment: answer, ..one.clone() }),
        ("other input tokens", ProofOfInference { input_tokens: TokenCount(1), ..one.clone() }),
        ("other output tokens", ProofOfInference { output_tokens: TokenCount(1), ..one.clone() }),
        ("another time", ProofOfInference { finished: UnixMillis(1), ..one.clone() }),
        ("another name of the model", ProofOfInference { model: "m".to_owned(), ..one.clone() }),
        ("another backend", ProofOfInference { backend: "b".to_owned(), ..one.clone() }),
        (
            "another ticket",
            ProofOfInference {
                ticket: filler("another ticket"),
                response_commitment: answer,
                ..one.clone()
            },
        ),
        (
            "another node",
            ProofOfInference { node: OTHER_NODE, response_commitment: answer, ..one.clone() },
        ),
        (
            "another coordinator",
            ProofOfInference {
                coordinator: CoordinatorId([9; 32]),
                response_commitment: answer,
                ..one.clone()
            },
        ),
    ];
    cases
        .into_iter()
        .map(|(name, other)| {
            json!({
                "name": name,
                "one": proof_fields(&one),
                "other": proof_fields(&other),
                "contradict": proofs_contradict(&one, &other),
            })
        })
        .collect()
}
