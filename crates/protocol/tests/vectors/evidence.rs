//! `evidence.json`: vouchers from their table of bytes, records of evidence from tables of field types,
//! and contradictions from what the documentation says of fields.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde_json::Value;

use super::records::{
    BODY, HEAD, Hex, Integer, Layout, List, PROOF, PROOF_ROOT, Record, encode_record,
};
use super::{Fields, read, sha256};

const PATH: super::records::Kind = List(&Hex(32));

const LOGGED: Layout = &[("head", Record(HEAD)), ("body", Record(BODY)), ("path", PATH)];

const DISPLACED: Layout =
    &[("head", Record(HEAD)), ("body", Record(BODY)), ("leaf", Hex(32)), ("path", PATH)];

const PLACED: Layout = &[("proof", Record(PROOF)), ("index", Integer(4)), ("path", PATH)];

const PAIR: Layout = &[("first", Record(PLACED)), ("second", Record(PLACED))];

#[test]
fn vouchers_are_fifty_bytes_signed_as_they_are() {
    let vectors = read("evidence.json");
    for case in vectors.list("vouchers") {
        let cumulative: u64 = case.integer("cumulative");
        let expiry: i64 = case.text("expiry").parse().unwrap();
        let allowance = bs58::decode(case.text("allowance")).into_vec().unwrap();
        let bytes =
            [&[0x56, 0x01][..], &allowance, &cumulative.to_le_bytes(), &expiry.to_le_bytes()]
                .concat();
        assert_eq!((bytes.len(), &bytes), (50, &case.bytes("bytes")));
        let pair = Ed25519KeyPair::from_seed_unchecked(&case.bytes("seed")).unwrap();
        assert_eq!(case.bytes("signature"), pair.sign(&bytes).as_ref());
        let public = bs58::decode(case.text("public_key")).into_vec().unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(&bytes, &case.bytes("signature")).unwrap();
    }
    for case in vectors.list("vouchers_refused") {
        let bytes = case.bytes("bytes");
        assert!(bytes.len() != 50 || !bytes.starts_with(&[0x56, 0x01]), "{case}");
    }
}

#[test]
fn demands_are_the_signed_cumulative_rounded_down() {
    let vectors = read("evidence.json");
    let demand = &vectors["demand"];
    let public = bs58::decode(demand.text("public_key")).into_vec().unwrap();
    for case in demand.list("heads") {
        let head = encode_record(&case["head"], HEAD);
        let message = [b"pinaivu/receipt/v1\0".as_slice(), &head].concat();
        assert_eq!(case.bytes("signing_bytes"), message);
        let public = UnparsedPublicKey::new(&ED25519, &public);
        public.verify(&message, &case.bytes("signature")).unwrap();
        let earned: u128 = case["head"].text("node_cumulative").parse().unwrap();
        assert_eq!(u128::from(case.integer("demanded")), earned / 1_000_000);
    }
}

#[test]
fn evidence_follows_the_layouts() {
    let vectors = read("evidence.json");
    let [logged, displaced, pair] = vectors.list("evidence") else { panic!("three records") };
    for (case, kind, layout) in [
        (logged, "logged_receipt", LOGGED),
        (displaced, "displaced_receipt", DISPLACED),
        (pair, "proof_pair", PAIR),
    ] {
        assert_eq!(case.text("type"), kind);
        assert_eq!(case.bytes("borsh"), encode_record(&case["fields"], layout), "{kind}");
    }
    for case in [logged, displaced] {
        let parts = [("head", HEAD), ("body", BODY)];
        let [head, body] = parts.map(|(name, layout)| encode_record(&case["fields"][name], layout));
        assert_eq!(case.bytes("leaf"), sha256(&[&[0], b"pinaivu/receipt/v1\0", &head, &body]));
    }
    // The first proof is the second of three under its root.
    let first = &pair["fields"]["first"];
    let leaf = sha256(&[&[0], b"pinaivu/proof/v1\0", &encode_record(&first["proof"], PROOF)]);
    let [left, right]: [Vec<u8>; 2] =
        [0, 1].map(|at| hex::decode(first["path"][at].as_str().unwrap()).unwrap());
    let node = sha256(&[&[1], &left, &leaf]);
    encode_record(&pair["first_root"], PROOF_ROOT);
    assert_eq!(pair["first_root"].bytes("root"), sha256(&[&[1], &node, &right]));
}

/// Whether two objects agree in all of these members.
fn agree(case: &Value, members: &[&str]) -> bool {
    members.iter().all(|name| case["one"][name] == case["other"][name])
}

#[test]
fn statements_contradict_where_the_documentation_says_so() {
    let vectors = read("evidence.json");
    let (mut with, mut without) = (0, 0);
    for case in vectors.list("heads") {
        let log = agree(case, &["deployment", "coordinator", "epoch"]);
        let place = agree(case, &["index"]) || agree(case, &["request", "segment"]);
        let expected = case["one"] != case["other"] && log && place;
        assert_eq!(case["contradict"].as_bool(), Some(expected), "{}", case.text("name"));
        *(if expected { &mut with } else { &mut without }) += 1;
    }
    assert_eq!((with, without), (6, 6));
    let (mut with, mut without) = (0, 0);
    for case in vectors.list("proofs") {
        let ticket = agree(case, &["deployment", "coordinator", "node", "ticket"]);
        let output = agree(case, &["response_commitment", "input_tokens", "output_tokens"]);
        assert_eq!(case["contradict"].as_bool(), Some(ticket && !output), "{}", case.text("name"));
        *(if ticket && !output { &mut with } else { &mut without }) += 1;
    }
    assert_eq!((with, without), (3, 7));
}
