//! Inputs that the decoders accept: the shared vectors, and texts made from them.
#![expect(clippy::unwrap_used, reason = "seeds are made from files of this repository")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_attestation::{Attester as _, Binding, Development, Nonce};
use pinaivu_log::audit::OwnerRecord;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::cosign;
use pinaivu_log::entry::{self, of_stored};
use pinaivu_log::note::Note;
use pinaivu_log::proof::LogProof;
use pinaivu_log::witness::AddCheckpoint;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{AllowanceId, CoordinatorId, DeploymentId, EscrowId, PublicKey};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::tunnel::{CoordinatorMessage, Goodbye, NodeMessage, encode_frame};
use serde_json::{Value, json};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/records.json")).unwrap()
}

fn hex_of(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// `borsh(record) ‖ signature` of every signed record of a kind.
fn signed(kind: &str) -> Vec<Vec<u8>> {
    let vectors = vectors();
    let records = vectors["signed"].as_array().unwrap();
    let of_kind = records.iter().filter(|record| record["type"] == kind);
    of_kind
        .map(|record| [hex_of(&record["borsh"]), hex_of(&record["signature"])].concat())
        .collect()
}

pub(crate) fn receipts() -> Vec<Vec<u8>> {
    vectors()["receipts"].as_array().unwrap().iter().map(|r| hex_of(&r["borsh"])).collect()
}

pub(crate) fn asks() -> Vec<Vec<u8>> {
    signed("ask")
}

pub(crate) fn acknowledgements() -> Vec<Vec<u8>> {
    signed("ask_acknowledgement")
}

/// Entries and terms of the auction's vectors.
pub(crate) fn book() -> Vec<Vec<u8>> {
    let auction: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/auction.json")).unwrap();
    let mut found = Vec::new();
    hex_strings(&auction, &mut found);
    found.retain(|bytes| {
        pinaivu_auction::BookEntry::decode(bytes).is_some()
            || pinaivu_auction::Terms::decode(bytes).is_some()
    });
    found
}

/// Every text in a document that is hexadecimal.
fn hex_strings(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => found.extend(hex::decode(text).ok()),
        Value::Array(all) => all.iter().for_each(|one| hex_strings(one, found)),
        Value::Object(all) => all.values().for_each(|one| hex_strings(one, found)),
        _ => {}
    }
}

pub(crate) fn tickets() -> Vec<Vec<u8>> {
    let vectors = vectors();
    let records = vectors["signed"].as_array().unwrap();
    let ticket = records.iter().find(|record| record["type"] == "ticket").unwrap();
    vec![hex_of(&vectors["ticket"]["sealed"]), hex_of(&ticket["borsh"])]
}

pub(crate) fn proofs() -> Vec<Vec<u8>> {
    let vectors = vectors();
    let mut seeds = signed("proof_root");
    seeds.push(hex_of(&vectors["proof_of_inference"]["borsh"]));
    seeds.push(hex_of(&vectors["node_evidence"]["borsh"]));
    seeds
}

pub(crate) fn tunnel() -> Vec<Vec<u8>> {
    let refused = CoordinatorMessage::AskRefused {
        model: "model".to_owned(),
        sequence: 1,
        code: "code".to_owned(),
        message: "message".to_owned(),
    };
    let goodbye = Goodbye { code: "code".to_owned(), message: "message".to_owned() };
    let mut seeds = signed("hello");
    // The first byte says how long the pieces are.
    seeds.push([vec![3], encode_frame(&NodeMessage::Heartbeat)].concat());
    seeds.push([vec![200], encode_frame(&refused)].concat());
    seeds.push(borsh::to_vec(&goodbye).unwrap());
    seeds
}

pub(crate) fn tunnel_frames() -> Vec<Vec<u8>> {
    use pinaivu_tunnel::{Frame, RequestHead, ResetCode, encode};

    let (attachment, first) = (vec![7; 300].into(), vec![b'{'; 20].into());
    let head = RequestHead { path: "/v1/é".to_owned(), attachment, length: 40, first };
    let frames = [
        (1, Frame::Request(head)),
        (1, Frame::RequestData(vec![b'}'; 20].into())),
        (1, Frame::Response { status: 403, note: b"unavailable".to_vec().into() }),
        (1, Frame::Data(vec![b'x'; 100].into())),
        (1, Frame::Credit(65_536)),
        (1, Frame::End(vec![9; 250].into())),
        (u64::MAX, Frame::Reset(ResetCode::CANCELLED)),
        (0, Frame::Ping),
        (0, Frame::Pong),
        (0, Frame::Close),
    ];
    // The first byte says how long the pieces are.
    let (mut all, mut seeds) = (vec![1], Vec::new());
    for (stream, frame) in frames {
        encode(&mut all, stream, &frame);
        let mut one = vec![200];
        encode(&mut one, stream, &frame);
        seeds.push(one);
    }
    seeds.push(all);
    seeds
}

pub(crate) fn commands() -> Vec<Vec<u8>> {
    let mut seeds = signed("key_command");
    seeds.push(vec![1; 50]);
    seeds
}

fn head() -> (Checkpoint, SigningKey) {
    let root = Hash32([7; 32]);
    let head = Checkpoint { origin: "pinaivu/log/example/0".to_owned(), size: 5, root };
    (head, SigningKey::from_seed(&[3; 32]).unwrap())
}

fn signed_head() -> Note {
    let (head, key) = head();
    let mut note = head.sign(&key).unwrap();
    note.signatures.push(cosign(&head, "witness.example/w1", &key, 1_700_000_000).unwrap());
    note
}

pub(crate) fn notes() -> Vec<Vec<u8>> {
    let (head, _) = head();
    let note = signed_head().to_string();
    vec![note.into_bytes(), head.text().into_bytes(), b"tile/entries/x001/234.p/5".to_vec()]
}

pub(crate) fn log_proofs() -> Vec<Vec<u8>> {
    let path = vec![Hash32([1; 32]), Hash32([2; 32])];
    let checkpoint = signed_head();
    let plain = LogProof { extra: None, index: 3, path, checkpoint };
    let extra = LogProof { extra: Some(b"more".to_vec()), ..plain.clone() };
    vec![plain.to_string().into_bytes(), extra.to_string().into_bytes()]
}

pub(crate) fn add_checkpoints() -> Vec<Vec<u8>> {
    let proof = vec![Hash32([1; 32]), Hash32([2; 32])];
    let request = AddCheckpoint { old_size: 3, proof, checkpoint: signed_head() };
    let first = AddCheckpoint { old_size: 0, proof: Vec::new(), checkpoint: signed_head() };
    vec![request.to_string().into_bytes(), first.to_string().into_bytes()]
}

pub(crate) fn entries() -> Vec<Vec<u8>> {
    let mut bundle = Vec::new();
    for receipt in receipts() {
        entry::push(&mut bundle, &of_stored(&receipt).unwrap()).unwrap();
    }
    vec![bundle]
}

pub(crate) fn bundles() -> Vec<Vec<u8>> {
    let proof = String::from_utf8(log_proofs().remove(0)).unwrap();
    let hash = Hash32([9; 32]).to_string();
    let inclusion = json!({ "epoch": 0, "size": 2, "index": 0, "path": [hash], "root": hash });
    let documents = receipts().into_iter().map(|receipt| {
        let entry = json!({
            "bytes": STANDARD.encode(receipt), "inclusion": inclusion, "proof": proof,
        });
        let document = json!({
            "request_id": "req_0199c82cc07b0102030405060708090a",
            "signer": PublicKey([4; 32]),
            "receipts": [entry],
            "attestation": { (hash.clone()): STANDARD.encode(b"evidence") },
        });
        document.to_string().into_bytes()
    });
    documents.collect()
}

/// One a line, a list, and what the coordinator serves.
pub(crate) fn owner_records() -> Vec<Vec<u8>> {
    let salt = "5".repeat(64);
    let record = json!({
        "epoch": 0, "index": 7, "allowance": AllowanceId([8; 32]), "escrow": EscrowId([9; 32]),
        "allowance_cumulative": "340282366920938463463374607431768211455",
        "salts": { "escrow": salt, "allowance": salt, "cumulative": salt },
    });
    let list = json!([record, record]);
    let document = json!({ "object": "list", "data": list, "has_more": false });
    let lines = format!("{record}\n{record}\n");
    let seeds = [lines, list.to_string(), document.to_string()];
    for seed in &seeds {
        assert_eq!(OwnerRecord::parse_all(seed).unwrap().len(), 2);
    }
    seeds.into_iter().map(String::into_bytes).collect()
}

pub(crate) fn attestation() -> Vec<Vec<u8>> {
    let binding = Binding {
        deployment: DeploymentId(Hash32([1; 32])),
        coordinator: CoordinatorId([2; 32]),
        signer: PublicKey([3; 32]),
        tls_key: Hash32([4; 32]),
        configuration: Hash32([5; 32]),
    };
    let nonce = Nonce([6; 32]);
    let development = Development.attest(&binding, &nonce).unwrap().encode();
    let quote = include_bytes!("../../attestation/tests/attestation/fixtures/tdx/quote.bin");
    let document =
        include_bytes!("../../attestation/tests/attestation/fixtures/nitro/document.cose");
    vec![development, quote.to_vec(), document.to_vec()]
}

pub(crate) fn instructions() -> Vec<Vec<u8>> {
    // The instruction asked for; one signature; no padding; then where its parts lie, in this instruction.
    let mut one = vec![0, 1, 0];
    for number in [16u16, u16::MAX, 80, u16::MAX, 112, 4, u16::MAX] {
        one.extend_from_slice(&number.to_le_bytes());
    }
    one.extend_from_slice(&[5; 64 + 32 + 4]);
    vec![one]
}

pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let bodies = [
        json!({
            "model": "m", "messages": [{ "role": "user", "content": "Hi \u{1f600}" }],
            "max_tokens": 5, "stream": true, "stream_options": { "include_usage": true },
            "n": 2, "tools": [{ "type": "function", "function": { "name": "f" } }],
            "provider": { "sort": "price", "max_price": 0.5, "only": ["x"] },
        }),
        json!({ "model": "m", "prompt": ["a", "b"], "logprobs": 1 }),
        json!({ "model": "m", "input": [[1, 2], [3]] }),
        json!({ "error": { "message": "no", "type": "t", "code": 500 } }),
        json!({
            "id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{
                "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": "Hello", "tool_calls": [{
                    "id": "t", "type": "function",
                    "function": { "name": "f", "arguments": "{}" },
                }] },
            }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
        }),
    ];
    bodies.iter().map(|body| body.to_string().into_bytes()).collect()
}

pub(crate) fn streams() -> Vec<Vec<u8>> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        json!({ "id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice] })
    };
    let first = chunk(json!({ "role": "assistant", "content": "Hel" }), Value::Null);
    let last = chunk(json!({ "content": "lo" }), json!("stop"));
    let stream = format!("\u{7}data: {first}\n\n: ping\r\n\r\ndata: {last}\n\ndata: [DONE]\n\n");
    vec![stream.into_bytes(), b"\x01event: a\ndata: 1\ndata: 2\nid: 3\n\n".to_vec()]
}
