//! `tests/vectors/attestation.json`: documents and evidence, good and broken in every way of these tests, with
//! what becomes of each, for implementations in other languages. Keys are random, so the file is judged
//! again here rather than compared byte by byte; `--ignored attestation_vectors_are_written` makes a new one.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value as Cbor;
use pinaivu_attestation::nitro::{CertificateError, NitroError, ROOT_G1};
use pinaivu_attestation::{
    Attester as _, Development, Evidence, Expected, Mismatch, Nonce, Policy, Roots, VerifyError,
    nitro, tdx, verify,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::units::UnixMillis;
use pinaivu_testkit::enclave::{Authority, Draft};
use rcgen::{ExtendedKeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use crate::parties::{
    LEAF_HOURS, Leaf, NONCE, NOW, PCRS, accepted, authority, binding, draft, evidence, expected,
};

const HOUR: u64 = 60 * 60 * 1000;
const REAL: &[u8] = include_bytes!("fixtures/nitro/document.cose");
const QUOTE: &[u8] = include_bytes!("fixtures/tdx/quote.bin");
const REAL_MADE: u64 = 1_743_806_208_770;

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/attestation.json")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How an outcome is called in the file.
fn nitro_code(error: &NitroError) -> String {
    match error {
        NitroError::TooLong(_) => "TooLong".to_owned(),
        NitroError::Cose => "Cose".to_owned(),
        NitroError::Algorithm => "Algorithm".to_owned(),
        NitroError::Payload => "Payload".to_owned(),
        NitroError::Field(name) => format!("Field:{name}"),
        NitroError::Certificate(error) => format!("Certificate:{error:?}"),
        NitroError::Signature => "Signature".to_owned(),
        NitroError::Ahead { .. } => "Ahead".to_owned(),
        NitroError::Debug => "Debug".to_owned(),
    }
}

fn evidence_code(error: &VerifyError) -> String {
    match error {
        VerifyError::Development => "Development".to_owned(),
        VerifyError::Nitro(error) => nitro_code(error),
        VerifyError::Tdx(error) => format!("Tdx:{error:?}"),
        VerifyError::Mismatch(Mismatch::Signer(_)) => "Mismatch:Signer".to_owned(),
        VerifyError::Mismatch(Mismatch::Coordinator(_)) => "Mismatch:Coordinator".to_owned(),
        VerifyError::Mismatch(mismatch) => format!("Mismatch:{mismatch:?}"),
        VerifyError::Measurement(_) => "Measurement".to_owned(),
    }
}

fn document_outcome(document: &[u8], root: &[u8], now: u64) -> Value {
    match nitro::verify(document, root, UnixMillis(now)) {
        Ok(read) => json!({
            "module": read.module_id,
            "made": read.timestamp.0,
            "measurement": read.measurement().map(|hash| hex(&hash.0)).ok(),
            "chain": read.chain.len(),
        }),
        Err(error) => json!(nitro_code(&error)),
    }
}

fn document(name: &str, document: &[u8], root: &[u8], now: u64) -> Value {
    json!({
        "name": name,
        "document": STANDARD.encode(document),
        "root": STANDARD.encode(root),
        "now": now,
        "outcome": document_outcome(document, root, now),
    })
}

/// Documents, each with the root it is judged under.
fn documents() -> Vec<Value> {
    let (ours, other) = (authority(), authority());
    let good = draft(&ours).signed(&ours);
    let span = u64::try_from(LEAF_HOURS).unwrap() * HOUR;
    let mut all = vec![
        document("real", REAL, ROOT_G1, REAL_MADE),
        document("real, a day later", REAL, ROOT_G1, REAL_MADE + 24 * HOUR),
        document("real, a day before", REAL, ROOT_G1, REAL_MADE - 24 * HOUR),
        document("real, under another root", REAL, &ours.root, REAL_MADE),
        document("good", &good, &ours.root, NOW.0),
        document("at the certificate's end", &good, &ours.root, NOW.0 + span),
        document("after the certificate's end", &good, &ours.root, NOW.0 + span + 1000),
        document("before the certificate", &good, &ours.root, NOW.0 - span - 1000),
        document("root of the same name and another key", &good, &other.root, NOW.0),
        document("root of another name", &good, ROOT_G1, NOW.0),
        document("root that is none", &good, b"no root", NOW.0),
        document("signed by another key", &draft(&ours).signed(&other), &ours.root, NOW.0),
        document("one more byte", &[good.as_slice(), &[0]].concat(), &ours.root, NOW.0),
        document("cut off", &good[..good.len() - 1], &ours.root, NOW.0),
    ];
    let mut flipped = good.clone();
    let place = good.windows(48).position(|window| window == PCRS[0]).unwrap();
    flipped[place] ^= 1;
    all.push(document("a register flipped", &flipped, &ours.root, NOW.0));
    for (name, change) in changes(&ours) {
        all.push(document(&name, &change.signed(&ours), &ours.root, NOW.0));
    }
    let purpose = Some(ExtendedKeyUsagePurpose::CodeSigning);
    for (name, leaf) in [
        ("leaf on P-256", Leaf { algorithm: &PKCS_ECDSA_P256_SHA256, ..Leaf::default() }),
        ("leaf that may issue", Leaf { ca: true, ..Leaf::default() }),
        ("leaf for another purpose", Leaf { purpose, ..Leaf::default() }),
    ] {
        let authority = Authority::with(NOW, leaf);
        let signed = draft(&authority).signed(&authority);
        all.push(document(name, &signed, &authority.root, NOW.0));
    }
    all
}

/// Drafts that are wrong before they are signed.
fn changes(ours: &Authority) -> Vec<(String, Draft)> {
    let good = || draft(ours);
    let header = |label: i64, value: i64| (Cbor::from(label), Cbor::from(value));
    let pair = |number: u64, length: usize| (Cbor::from(number), Cbor::Bytes(vec![1; length]));
    let zero = (0..3u8).map(|number| (Cbor::from(number), Cbor::Bytes(vec![0; 48]))).collect();
    let root_only = Cbor::Array(vec![Cbor::Bytes(ours.root.clone())]);
    let mut all = vec![
        ("chain without its middle".to_owned(), good().set("cabundle", root_only)),
        ("debug mode".to_owned(), good().set("pcrs", Cbor::Map(zero))),
        ("from the future".to_owned(), good().set("timestamp", Cbor::from(NOW.0 + HOUR))),
        ("another digest".to_owned(), good().set("digest", Cbor::Text("SHA512".to_owned()))),
    ];
    for (name, fields) in [
        ("header of ES256", vec![header(1, -7)]),
        ("header without algorithm", Vec::new()),
        ("header with more", vec![header(1, -35), header(3, 0)]),
    ] {
        let protected = Cbor::Map(fields);
        all.push((name.to_owned(), Draft { protected, ..good() }));
    }
    let unprotected = Cbor::Map(vec![header(1, -35)]);
    all.push(("header that is not signed".to_owned(), Draft { unprotected, ..good() }));
    for name in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        all.push((format!("without {name}"), good().without(name)));
        all.push((format!("{name} null"), good().set(name, Cbor::Null)));
    }
    for name in ["public_key", "user_data", "nonce"] {
        all.push((format!("{name} of text"), good().set(name, Cbor::Text("text".to_owned()))));
    }
    for (name, pcrs) in [
        ("no registers", vec![]),
        ("register 32", vec![pair(32, 48)]),
        ("register of 47 bytes", vec![pair(0, 47)]),
    ] {
        all.push((name.to_owned(), good().set("pcrs", Cbor::Map(pcrs))));
    }
    let mut twice = good();
    twice.fields.push(twice.fields[1].clone());
    all.push(("field twice".to_owned(), twice));
    all
}

fn expected_json(expected: &Expected) -> Value {
    json!({
        "deployment": hex(&expected.deployment.0.0),
        "coordinator": expected.coordinator.to_string(),
        "signer": expected.signer.to_string(),
        "nonce": expected.nonce.map(|nonce| nonce.to_string()),
    })
}

fn evidence_case(
    name: &str,
    evidence: &Evidence,
    expected: &Expected,
    root: &[u8],
    measurement: Hash32,
) -> Value {
    let text = String::from_utf8(evidence.encode()).unwrap();
    let policy = Policy {
        roots: Roots { nitro: root, intel: None },
        ..Policy::strict(NOW, std::slice::from_ref(&measurement))
    };
    let outcome = match verify(evidence, expected, &policy) {
        Ok(attested) => json!({ "measurement": hex(&attested.measurement.0) }),
        Err(error) => json!(evidence_code(&error)),
    };
    json!({
        "name": name,
        "evidence": text,
        "expected": expected_json(expected),
        "measurement": hex(&measurement.0),
        "root": STANDARD.encode(root),
        "now": NOW.0,
        "outcome": outcome,
    })
}

/// Evidence: documents with what they are said to be about. TLS key and configuration are not compared: a
/// browser knows neither.
fn pieces_of_evidence() -> Vec<Value> {
    let ours = authority();
    let root = ours.root.as_slice();
    let known = Expected { tls_key: None, configuration: None, ..expected() };
    let honest = evidence(draft(&ours).signed(&ours));
    let eight = || Hash32([8; 32]);
    let mut all = vec![
        evidence_case("good", &honest, &known, root, accepted()),
        evidence_case("other code", &honest, &known, root, Hash32([9; 32])),
        evidence_case(
            "development",
            &Development.attest(&binding(), &NONCE).unwrap(),
            &known,
            root,
            accepted(),
        ),
    ];
    let others = [
        ("another signer", Expected { signer: PublicKey([8; 32]), ..known }),
        ("another coordinator", Expected { coordinator: CoordinatorId([8; 32]), ..known }),
        ("another deployment", Expected { deployment: DeploymentId(eight()), ..known }),
        ("another nonce", Expected { nonce: Some(Nonce([8; 32])), ..known }),
    ];
    for (name, other) in others {
        all.push(evidence_case(name, &honest, &other, root, accepted()));
        // The same, claimed of a document that is about something else.
        let mut forged = honest.clone();
        forged.binding.signer = other.signer;
        forged.binding.coordinator = other.coordinator;
        forged.binding.deployment = other.deployment;
        forged.nonce = other.nonce.unwrap();
        all.push(evidence_case(&format!("{name}, claimed"), &forged, &other, root, accepted()));
    }
    for (name, change) in [("TLS key", 0), ("configuration", 1)] {
        let mut forged = honest.clone();
        match change {
            0 => forged.binding.tls_key = eight(),
            _ => forged.binding.configuration = eight(),
        }
        all.push(evidence_case(
            &format!("another {name}, claimed"),
            &forged,
            &known,
            root,
            accepted(),
        ));
    }
    for (name, draft) in [
        ("document of another key", draft(&ours).set("public_key", Cbor::Bytes(vec![8; 32]))),
        ("document without key", draft(&ours).without("public_key")),
        ("document without user data", draft(&ours).without("user_data")),
        ("document without nonce", draft(&ours).without("nonce")),
    ] {
        all.push(evidence_case(name, &evidence(draft.signed(&ours)), &known, root, accepted()));
    }
    all
}

#[test]
#[ignore = "writes the file, with new keys"]
fn attestation_vectors_are_written() {
    let file_content = json!({
        "nitro": documents(),
        "evidence": pieces_of_evidence(),
        "tdx": { "measurement": hex(&tdx::registers(QUOTE).unwrap().measurement().0) },
    });
    let text = serde_json::to_string_pretty(&file_content).unwrap();
    std::fs::write(file(), text + "\n").unwrap();
}

fn bytes(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn attestation_vectors_come_to_what_they_say() {
    let all: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let documents = all["nitro"].as_array().unwrap();
    assert!(documents.len() > 40, "{}", documents.len());
    for case in documents {
        let (document, root) = (bytes(&case["document"]), bytes(&case["root"]));
        let outcome = document_outcome(&document, &root, case["now"].as_u64().unwrap());
        assert_eq!(outcome, case["outcome"], "{}", case["name"]);
    }
    let measured = tdx::registers(QUOTE).unwrap().measurement();
    assert_eq!(all["tdx"]["measurement"].as_str().unwrap(), hex(&measured.0));
    let evidence = all["evidence"].as_array().unwrap();
    assert!(evidence.len() > 15, "{}", evidence.len());
    for case in evidence {
        let read = Evidence::decode(case["evidence"].as_str().unwrap().as_bytes()).unwrap();
        let wanted = &case["expected"];
        let text = |name: &str| wanted[name].as_str().unwrap();
        let mut deployment = [0; 32];
        let mut measurement = [0; 32];
        hex::decode_to_slice(text("deployment"), &mut deployment).unwrap();
        hex::decode_to_slice(case["measurement"].as_str().unwrap(), &mut measurement).unwrap();
        let expected = Expected {
            deployment: DeploymentId(Hash32(deployment)),
            coordinator: text("coordinator").parse().unwrap(),
            signer: text("signer").parse().unwrap(),
            tls_key: None,
            configuration: None,
            nonce: Some(text("nonce").parse().unwrap()),
        };
        let root = bytes(&case["root"]);
        let name = case["name"].as_str().unwrap();
        let again = evidence_case(name, &read, &expected, &root, Hash32(measurement));
        assert_eq!(again["outcome"], case["outcome"], "{name}");
        assert_eq!(again["now"], case["now"], "{name}");
    }
}

#[test]
fn attestation_vectors_hold_every_way_to_be_wrong() {
    let all: Value = serde_json::from_slice(&std::fs::read(file()).unwrap()).unwrap();
    let outcomes: Vec<&str> = ["nitro", "evidence"]
        .iter()
        .flat_map(|part| all[*part].as_array().unwrap())
        .filter_map(|case| case["outcome"].as_str())
        .collect();
    let certificate = |error: CertificateError| nitro_code(&error.into());
    for wanted in [
        "Cose".to_owned(),
        "Algorithm".to_owned(),
        "Payload".to_owned(),
        "Field:pcrs".to_owned(),
        "Signature".to_owned(),
        "Ahead".to_owned(),
        "Debug".to_owned(),
        certificate(CertificateError::Encoding),
        certificate(CertificateError::Expired),
        certificate(CertificateError::NotYet),
        certificate(CertificateError::Root),
        certificate(CertificateError::Signature),
        certificate(CertificateError::Key),
        certificate(CertificateError::Rules),
        "Development".to_owned(),
        "Mismatch:Signer".to_owned(),
        "Mismatch:Coordinator".to_owned(),
        "Mismatch:Deployment".to_owned(),
        "Mismatch:Nonce".to_owned(),
        "Mismatch:Document".to_owned(),
        "Measurement".to_owned(),
    ] {
        assert!(outcomes.contains(&wanted.as_str()), "{wanted}");
    }
}
