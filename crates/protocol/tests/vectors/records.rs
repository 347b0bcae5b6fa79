//! `records.json`: the bytes of every record, from its fields and a table of their types; what is
//! signed, hashed and covered, from the definitions.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde_json::Value;

use super::{Fields, read, sha256, tagged};

/// How a field is encoded: integers little endian, text and lists after their length as u32, an option
/// after 0 or 1, a variant after its number, everything else as it is.
pub(super) enum Kind {
    /// Bytes of fixed length, shown in hexadecimal.
    Hex(usize),
    /// 32 bytes, shown in base58.
    Address,
    /// 16 bytes, shown as `req_` and hexadecimal.
    Request,
    /// An integer of so many bytes.
    Integer(usize),
    Text,
    Record(Layout),
    Option(&'static Kind),
    List(&'static Kind),
    /// Variants without content, by name.
    Name(&'static [&'static str]),
    /// Variants with content: `{"name": {fields}}`.
    Variant(&'static [(&'static str, Layout)]),
}

pub(super) type Layout = &'static [(&'static str, Kind)];

pub(super) use Kind::{
    Address, Hex, Integer, List, Name, Option as Maybe, Record, Request, Text, Variant,
};

const ASK: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("node", Address),
    ("model", Text),
    ("price", Integer(8)),
    ("context_length", Integer(4)),
    ("features", Integer(4)),
    ("sequence", Integer(8)),
    ("expires", Integer(8)),
];

const TARIFF: Layout =
    &[("price", Integer(8)), ("input_weight", Integer(2)), ("output_weight", Integer(2))];

const TICKET: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("node", Address),
    ("request", Request),
    ("segment", Integer(2)),
    ("model", Text),
    ("max_output", Integer(4)),
    ("tariff", Record(TARIFF)),
    ("issued", Integer(8)),
    ("deadline", Integer(8)),
    ("salt", Hex(32)),
    ("request_commitment", Hex(32)),
    ("book_head", Hex(32)),
    ("billing", Hex(16)),
    ("issuer_mac", Hex(32)),
];

const OUTCOME: Kind = Name(&["completed", "cancelled", "failed"]);

pub(super) const PROOF: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("node", Address),
    ("request", Request),
    ("segment", Integer(2)),
    ("ticket", Hex(32)),
    ("model", Text),
    ("backend", Text),
    ("response_commitment", Hex(32)),
    ("input_tokens", Integer(4)),
    ("output_tokens", Integer(4)),
    ("outcome", OUTCOME),
    ("finished", Integer(8)),
];

pub(super) const PROOF_ROOT: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("node", Address),
    ("size", Integer(4)),
    ("root", Hex(32)),
];

const EVIDENCE: Layout = &[
    ("signer", Address),
    ("root", Record(PROOF_ROOT)),
    ("signature", Hex(64)),
    ("index", Integer(4)),
    ("path", List(&Hex(32))),
];

pub(super) const HEAD: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("epoch", Integer(4)),
    ("index", Integer(8)),
    ("request", Request),
    ("segment", Integer(2)),
    ("node", Address),
    ("node_cumulative", Integer(16)),
    ("body", Hex(32)),
];

const AUCTION: Layout = &[
    ("book_head", Hex(32)),
    ("candidates", Integer(2)),
    ("winner_ask", Integer(8)),
    ("best_losing_ask", Maybe(&Integer(8))),
];

const OWNER: Layout = &[("escrow", Hex(32)), ("allowance", Hex(32)), ("cumulative", Hex(32))];

pub(super) const BODY: Layout = &[
    ("model", Text),
    ("ticket", Hex(32)),
    ("request_commitment", Hex(32)),
    ("response_commitment", Hex(32)),
    ("input_tokens", Integer(4)),
    ("output_tokens", Integer(4)),
    ("tariff", Record(TARIFF)),
    ("amount", Integer(16)),
    ("fee", Integer(16)),
    ("fee_rate", Integer(2)),
    ("outcome", OUTCOME),
    ("auction", Record(AUCTION)),
    ("owner", Record(OWNER)),
    ("statement", Maybe(&Record(&[("proof", Record(PROOF)), ("evidence", Record(EVIDENCE))]))),
    ("attestation", Maybe(&Hex(32))),
    ("created", Integer(8)),
];

const ACKNOWLEDGEMENT: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("node", Address),
    ("ask", Hex(32)),
    ("book", Hex(32)),
    ("version", Integer(8)),
    ("head", Hex(32)),
    ("at", Integer(8)),
];

const HELLO: Layout =
    &[("deployment", Hex(32)), ("coordinator", Address), ("binding", Hex(32)), ("now", Integer(8))];

const KEY_COMMAND: Layout = &[
    ("deployment", Hex(32)),
    ("coordinator", Address),
    ("owner", Address),
    ("issued", Integer(8)),
    ("nonce", Hex(16)),
    (
        "action",
        Variant(&[
            ("create", &[("allowance", Address), ("label", Text)]),
            ("list", &[]),
            ("revoke", &[("key", Hex(16))]),
        ]),
    ),
];

/// Type, tag and layout of everything that is signed.
const SIGNED: [(&str, &str, Layout); 7] = [
    ("ask", "pinaivu/ask/v1", ASK),
    ("ticket", "pinaivu/ticket/v1", TICKET),
    ("proof_root", "pinaivu/proof-root/v1", PROOF_ROOT),
    ("receipt_head", "pinaivu/receipt/v1", HEAD),
    ("ask_acknowledgement", "pinaivu/ask-acknowledged/v1", ACKNOWLEDGEMENT),
    ("hello", "pinaivu/hello/v1", HELLO),
    ("key_command", "pinaivu/key-command/v1", KEY_COMMAND),
];

pub(super) fn encode_record(fields: &Value, layout: Layout) -> Vec<u8> {
    let names: Vec<_> = fields.as_object().unwrap().keys().map(String::as_str).collect();
    let expected: Vec<_> = layout.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected);
    layout.iter().flat_map(|(name, kind)| encode(&fields[name], kind)).collect()
}

fn encode(value: &Value, kind: &Kind) -> Vec<u8> {
    let text = || value.as_str().unwrap();
    let fixed = |bytes: Vec<u8>, length: usize| {
        assert_eq!(bytes.len(), length);
        bytes
    };
    match kind {
        Hex(length) => fixed(hex::decode(text()).unwrap(), *length),
        Address => fixed(bs58::decode(text()).into_vec().unwrap(), 32),
        Request => fixed(hex::decode(text().strip_prefix("req_").unwrap()).unwrap(), 16),
        Integer(width) => {
            let number: u128 = match value {
                Value::String(digits) => digits.parse().unwrap(),
                number => number.as_u64().unwrap().into(),
            };
            let bytes = number.to_le_bytes();
            let (low, high) = bytes.split_at(*width);
            assert!(high.iter().all(|byte| *byte == 0));
            low.to_vec()
        }
        Text => counted(text().len(), text().as_bytes().to_vec()),
        Record(layout) => encode_record(value, layout),
        Maybe(_) if value.is_null() => vec![0],
        Maybe(kind) => [vec![1], encode(value, kind)].concat(),
        List(kind) => {
            let items = value.as_array().unwrap();
            counted(items.len(), items.iter().flat_map(|item| encode(item, kind)).collect())
        }
        Name(names) => vec![number_of(names.iter().position(|name| *name == text()))],
        Variant(variants) => {
            let (name, fields) = value.as_object().unwrap().iter().next().unwrap();
            let number = variants.iter().position(|(variant, _)| variant == name);
            let (_, layout) = &variants[number.unwrap()];
            [vec![number_of(number)], encode_record(fields, layout)].concat()
        }
    }
}

fn number_of(position: Option<usize>) -> u8 {
    u8::try_from(position.unwrap()).unwrap()
}

fn counted(count: usize, bytes: Vec<u8>) -> Vec<u8> {
    [u32::try_from(count).unwrap().to_le_bytes().to_vec(), bytes].concat()
}

#[test]
fn encodings_follow_the_layouts_and_signatures_are_over_tag_and_encoding() {
    let vectors = read("records.json");
    let mut seen = Vec::new();
    for case in vectors.list("signed") {
        let kind = case.text("type");
        seen.push(kind);
        let (_, tag, layout) = SIGNED.iter().find(|(name, ..)| *name == kind).unwrap();
        let tag = [tag.as_bytes(), &[0]].concat();
        assert_eq!(case.bytes("tag"), tag, "{kind}");
        let borsh = encode_record(&case["fields"], layout);
        assert_eq!(case.bytes("borsh"), borsh, "{kind}");
        let message = [tag, borsh].concat();
        assert_eq!(case.bytes("signing_bytes"), message, "{kind}");

        let pair = Ed25519KeyPair::from_seed_unchecked(&case.bytes("seed")).unwrap();
        let public = bs58::decode(case.text("public_key")).into_vec().unwrap();
        assert_eq!(pair.public_key().as_ref(), public, "{kind}");
        assert_eq!(case.bytes("signature"), pair.sign(&message).as_ref(), "{kind}");
    }
    for (kind, ..) in SIGNED {
        let wanted = if kind == "key_command" { 3 } else { 1 };
        assert_eq!(seen.iter().filter(|name| **name == kind).count(), wanted, "{kind}");
    }
}

#[test]
fn tags_are_not_prefixes_of_each_other() {
    for (_, tag, _) in SIGNED {
        for (_, other, _) in SIGNED {
            let [tag_bytes, other_bytes] =
                [tag, other].map(|text| [text.as_bytes(), &[0]].concat());
            assert!(tag == other || !other_bytes.starts_with(&tag_bytes), "{tag} {other}");
        }
    }
}

#[test]
fn the_deployment_stands_for_cluster_and_program() {
    let case = read("records.json")["deployment"].clone();
    let [cluster, program] =
        ["cluster", "program"].map(|name| bs58::decode(case.text(name)).into_vec().unwrap());
    assert_eq!(case.text("deployment"), tagged("pinaivu/deployment/v1", &[&cluster, &program]));
}

#[test]
fn an_acknowledgement_names_the_ask_by_its_hash() {
    let vectors = read("records.json");
    let of = |kind| vectors.list("signed").iter().find(|case| case.text("type") == kind).unwrap();
    let hash = tagged("pinaivu/ask-hash/v1", &[&of("ask").bytes("signing_bytes")]);
    assert_eq!(vectors["ask"].text("hash"), hash);
    assert_eq!(of("ask_acknowledgement")["fields"].text("ask"), hash);
}

#[test]
fn the_ticket_is_named_by_its_hash_and_carried_under_a_mac() {
    let vectors = read("records.json");
    let signed = vectors.list("signed").iter().find(|case| case.text("type") == "ticket").unwrap();
    let case = &vectors["ticket"];
    let message = signed.bytes("signing_bytes");
    assert_eq!(case.text("hash"), tagged("pinaivu/ticket-hash/v1", &[&message]));
    assert_eq!(case.bytes("issuer_bytes"), message[..message.len() - 32]);

    let key = hmac::Key::new(hmac::HMAC_SHA256, &case.bytes("exporter"));
    let borsh = signed.bytes("borsh");
    let mac = hmac::sign(&key, &[b"pinaivu/ticket-mac/v1\0".as_slice(), &borsh].concat());
    assert_eq!(case.bytes("sealed"), [borsh.as_slice(), mac.as_ref()].concat());
}

#[test]
fn the_proof_is_a_leaf_under_the_signed_root() {
    let vectors = read("records.json");
    let case = &vectors["proof_of_inference"];
    let borsh = encode_record(&case["fields"], PROOF);
    assert_eq!(case.bytes("borsh"), borsh);
    let leaf = sha256(&[&[0], b"pinaivu/proof/v1\0", &borsh]);
    assert_eq!(case.bytes("leaf"), leaf);

    let evidence = &vectors["node_evidence"];
    let fields = &evidence["fields"];
    assert_eq!(evidence.bytes("borsh"), encode_record(fields, EVIDENCE));
    // The second of three leaves: first its left neighbour, then the third leaf on the right.
    assert_eq!((evidence.text("size"), fields["index"].as_u64()), ("3", Some(1)));
    let [first, third]: [Vec<u8>; 2] =
        [0, 1].map(|at| hex::decode(fields["path"][at].as_str().unwrap()).unwrap());
    let pair = sha256(&[&[1], &first, &leaf]);
    assert_eq!(fields["root"].bytes("root"), sha256(&[&[1], &pair, &third]));

    let root = encode_record(&fields["root"], PROOF_ROOT);
    let message = [b"pinaivu/proof-root/v1\0".as_slice(), &root].concat();
    let signer = bs58::decode(fields.text("signer")).into_vec().unwrap();
    UnparsedPublicKey::new(&ED25519, signer).verify(&message, &fields.bytes("signature")).unwrap();
}

#[test]
fn receipts_bind_body_head_signature_and_leaf() {
    let vectors = read("records.json");
    let receipts = vectors.list("receipts");
    assert_eq!(receipts.len(), 2);
    for case in receipts {
        let (head, body) = (encode_record(&case["head"], HEAD), encode_record(&case["body"], BODY));
        assert_eq!(case.text("body_hash"), tagged("pinaivu/receipt-body/v1", &[&body]));
        assert_eq!(case["head"].text("body"), case.text("body_hash"));
        let message = [b"pinaivu/receipt/v1\0".as_slice(), &head].concat();
        assert!(message.len() <= 200, "{} bytes are signed", message.len());
        let signer = bs58::decode(case.text("signer")).into_vec().unwrap();
        UnparsedPublicKey::new(&ED25519, signer)
            .verify(&message, &case.bytes("signature"))
            .unwrap();
        assert_eq!(case.bytes("leaf"), sha256(&[&[0], &message, &body]));
        assert_eq!(case.bytes("borsh"), [head, case.bytes("signature"), body].concat());
        amounts_follow(&case["body"]);
    }
    assert!(receipts[0]["body"]["statement"].is_object());
    assert!(receipts[1]["body"]["statement"].is_null());
}

/// amount = price × (input × input weight + output × output weight), fee = ⌊amount × rate / 10,000⌋.
fn amounts_follow(body: &Value) {
    let tariff = &body["tariff"];
    let number = |value: &Value| u128::from(value.as_u64().unwrap());
    let weighted = number(&body["input_tokens"]) * number(&tariff["input_weight"])
        + number(&body["output_tokens"]) * number(&tariff["output_weight"]);
    let amount = weighted * u128::from(tariff.integer("price"));
    assert_eq!(body.text("amount"), amount.to_string());
    let fee = amount * number(&body["fee_rate"]) / 10_000;
    assert_eq!(body.text("fee"), fee.to_string());
    assert!(!(amount * number(&body["fee_rate"])).is_multiple_of(10_000), "the fee is not rounded");
}
