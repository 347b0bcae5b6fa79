//! AWS Nitro documents: one that a real enclave gave, and every broken one.

use ciborium::Value;
use pinaivu_attestation::nitro::{
    CertificateError, MAX_DOCUMENT_BYTES, NitroError, ROOT_G1, verify,
};
use pinaivu_protocol::units::UnixMillis;
use rcgen::{ExtendedKeyUsagePurpose, PKCS_ECDSA_P256_SHA256};

use pinaivu_testkit::enclave::{Authority, Draft};

use crate::parties::{LEAF_HOURS, Leaf, NOW, PCRS, accepted, authority, draft};

const HOUR: u64 = 60 * 60 * 1000;

/// A document that a real enclave published in April 2025, as AWS's security module gave it.
const REAL: &[u8] = include_bytes!("fixtures/nitro/document.cose");
/// When, by its own word.
const REAL_MADE: UnixMillis = UnixMillis(1_743_806_208_770);

#[test]
fn real_document_is_accepted_at_its_time_under_the_pinned_root() {
    let read = verify(REAL, ROOT_G1, REAL_MADE).unwrap();
    assert_eq!(read.module_id, "i-080f3de1bac3c7c31-enc019602f27b875927");
    assert_eq!((read.timestamp, read.pcrs.len(), read.chain.len()), (REAL_MADE, 16, 4));
    assert_eq!(read.chain[0], ROOT_G1);
    let pcr2 = "5591c9354a1d280817ee1230a108c4c343d53fe66e2d8acc84340ddd4fe918d1144606c0cd9ea7f3a090\
                ac3497c1854f";
    assert_eq!(hex(&read.pcrs[&2]), pcr2);
    assert_eq!(read.public_key.as_deref(), Some(b"dummy".as_slice()));
    assert_eq!(read.nonce.as_deref(), Some([0; 20].as_slice()));
    assert_eq!(read.user_data.map(|data| data.len()), Some(68));
}

#[test]
fn real_document_is_refused_a_day_before_and_after_and_with_any_bit_changed() {
    let day = 24 * HOUR;
    let at = |now: u64| verify(REAL, ROOT_G1, UnixMillis(now)).unwrap_err();
    assert_eq!(at(REAL_MADE.0 + day), CertificateError::Expired.into());
    assert_eq!(at(REAL_MADE.0 - day), CertificateError::NotYet.into());
    for place in (0..REAL.len()).step_by(31) {
        let mut flipped = REAL.to_vec();
        flipped[place] ^= 0x10;
        assert!(verify(&flipped, ROOT_G1, REAL_MADE).is_err(), "byte {place}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signed good apart from `change`.
fn refused(change: impl FnOnce(Draft) -> Draft) -> NitroError {
    let authority = authority();
    let document = change(draft(&authority)).signed(&authority);
    verify(&document, &authority.root, NOW).unwrap_err()
}

#[test]
fn document_under_its_root_at_its_time_is_read() {
    let authority = authority();
    let document = draft(&authority).signed(&authority);
    let read = verify(&document, &authority.root, NOW).unwrap();
    assert_eq!(read.measurement().unwrap(), accepted());
    assert_eq!((read.timestamp, read.pcrs[&2].as_slice()), (NOW, PCRS[2].as_slice()));
}

#[test]
fn certificate_before_and_after_its_time_is_refused() {
    let authority = authority();
    let document = draft(&authority).signed(&authority);
    let span = u64::try_from(LEAF_HOURS).unwrap() * HOUR;
    let at = |now: u64| verify(&document, &authority.root, UnixMillis(now));
    assert!(at(NOW.0 + span).is_ok());
    assert_eq!(at(NOW.0 + span + 1000), Err(CertificateError::Expired.into()));
    assert_eq!(at(NOW.0 - span - 1000), Err(CertificateError::NotYet.into()));
}

#[test]
fn chain_to_another_root_is_refused() {
    let (authority, other) = (authority(), authority());
    let document = draft(&authority).signed(&authority);
    // The other root has the same name and another key, AWS's has another name.
    assert_eq!(verify(&document, &other.root, NOW), Err(CertificateError::Signature.into()));
    assert_eq!(verify(&document, ROOT_G1, NOW), Err(CertificateError::Root.into()));
    assert_eq!(verify(&document, b"no root", NOW), Err(CertificateError::Encoding.into()));
}

#[test]
fn chain_without_its_middle_is_refused() {
    let authority = authority();
    let root_only = Value::Array(vec![Value::Bytes(authority.root.clone())]);
    let document = draft(&authority).set("cabundle", root_only).signed(&authority);
    let error = verify(&document, &authority.root, NOW).unwrap_err();
    assert_eq!(error, CertificateError::Root.into());
}

#[test]
fn document_signed_by_another_key_is_refused() {
    let (authority, other) = (authority(), authority());
    let document = draft(&authority).signed(&other);
    assert_eq!(verify(&document, &authority.root, NOW), Err(NitroError::Signature));
}

#[test]
fn every_flipped_byte_is_refused() {
    let authority = authority();
    let document = draft(&authority).signed(&authority);
    for place in (0..document.len()).step_by(7).chain([document.len() - 1]) {
        let mut flipped = document.clone();
        flipped[place] ^= 0x01;
        assert!(verify(&flipped, &authority.root, NOW).is_err(), "byte {place}");
    }
}

#[test]
fn flipped_pcr_breaks_the_signature() {
    let authority = authority();
    let document = draft(&authority).signed(&authority);
    let place = document.windows(48).position(|window| window == PCRS[0]).unwrap();
    let mut flipped = document;
    flipped[place] ^= 0x01;
    assert_eq!(verify(&flipped, &authority.root, NOW), Err(NitroError::Signature));
}

#[test]
fn document_cut_off_or_with_more_after_it_is_refused() {
    let authority = authority();
    let document = draft(&authority).signed(&authority);
    for end in 0..document.len() {
        let cut = verify(&document[..end], &authority.root, NOW);
        assert_eq!(cut, Err(NitroError::Cose), "{end} bytes");
    }
    let longer = [document.as_slice(), &[0]].concat();
    assert_eq!(verify(&longer, &authority.root, NOW), Err(NitroError::Cose));
    let long = vec![0; MAX_DOCUMENT_BYTES + 1];
    assert_eq!(verify(&long, ROOT_G1, NOW), Err(NitroError::TooLong(long.len())));
}

#[test]
fn another_algorithm_or_header_is_refused() {
    let header = |label: i64, value: i64| (Value::from(label), Value::from(value));
    // ES256; no algorithm; ES384 and a content type; an algorithm that nobody signs.
    for protected in [
        Value::Map(vec![header(1, -7)]),
        Value::Map(Vec::new()),
        Value::Map(vec![header(1, -35), header(3, 0)]),
    ] {
        assert_eq!(refused(|draft| Draft { protected, ..draft }), NitroError::Algorithm);
    }
    let unprotected = Value::Map(vec![header(1, -35)]);
    assert_eq!(refused(|draft| Draft { unprotected, ..draft }), NitroError::Algorithm);
}

#[test]
fn leaf_of_another_kind_is_refused() {
    let of = |leaf: Leaf| {
        let authority = Authority::with(NOW, leaf);
        let document = draft(&authority).signed(&authority);
        verify(&document, &authority.root, NOW).unwrap_err()
    };
    let p256 = Leaf { algorithm: &PKCS_ECDSA_P256_SHA256, ..Leaf::default() };
    assert_eq!(of(p256), CertificateError::Key.into());
    assert_eq!(of(Leaf { ca: true, ..Leaf::default() }), CertificateError::Rules.into());
    let purpose = Some(ExtendedKeyUsagePurpose::CodeSigning);
    assert_eq!(of(Leaf { purpose, ..Leaf::default() }), CertificateError::Rules.into());
}

#[test]
fn enclave_in_debug_mode_is_refused() {
    let zero = (0..3u8).map(|number| (Value::from(number), Value::Bytes(vec![0; 48]))).collect();
    assert_eq!(refused(|draft| draft.set("pcrs", Value::Map(zero))), NitroError::Debug);
}

#[test]
fn document_from_the_future_is_refused() {
    let made = UnixMillis(NOW.0 + HOUR);
    let error = refused(|draft| draft.set("timestamp", Value::from(made.0)));
    assert_eq!(error, NitroError::Ahead { made, now: NOW });
}

#[test]
fn each_missing_field_is_named() {
    for name in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        assert_eq!(refused(|draft| draft.without(name)), NitroError::Field(name));
        assert_eq!(refused(|draft| draft.set(name, Value::Null)), NitroError::Field(name));
    }
    for name in ["public_key", "user_data", "nonce"] {
        let text = Value::Text("text".to_owned());
        assert_eq!(refused(|draft| draft.set(name, text)), NitroError::Field(name));
    }
    let sha512 = Value::Text("SHA512".to_owned());
    assert_eq!(refused(|draft| draft.set("digest", sha512)), NitroError::Field("digest"));
}

#[test]
fn impossible_registers_are_refused() {
    let pair = |number: u64, length: usize| (Value::from(number), Value::Bytes(vec![1; length]));
    for pcrs in [vec![], vec![pair(32, 48)], vec![pair(0, 47)], vec![pair(0, 48), pair(0, 48)]] {
        let error = refused(|draft| draft.set("pcrs", Value::Map(pcrs)));
        assert_eq!(error, NitroError::Field("pcrs"));
    }
}

#[test]
fn field_twice_is_refused() {
    let error = refused(|mut draft| {
        let again = draft.fields[1].clone();
        draft.fields.push(again);
        draft
    });
    assert_eq!(error, NitroError::Payload);
}
