//! Evidence as it travels.

use pinaivu_attestation::{
    Attester as _, Development, Evidence, EvidenceError, MAX_EVIDENCE_BYTES,
};
use pinaivu_protocol::hash::sha256;
use proptest::prelude::*;

use crate::parties::{NONCE, binding, evidence};
use crate::tdx;

#[test]
fn evidence_survives_being_written_and_read() {
    let with_collateral = tdx::evidence();
    for evidence in
        [evidence(vec![1, 2, 3]), Development.attest(&binding(), &NONCE).unwrap(), with_collateral]
    {
        let bytes = evidence.encode();
        assert_eq!(Evidence::decode(&bytes).unwrap(), evidence);
        assert_eq!(Evidence::hash(&bytes), sha256(&[&bytes]));
    }
}

#[test]
fn other_formats_unknown_fields_and_too_much_are_refused() {
    let text = String::from_utf8(evidence(vec![1]).encode()).unwrap();
    let other = text.replace("pinaivu-attestation/v1", "pinaivu-attestation/v2");
    assert!(matches!(Evidence::decode(other.as_bytes()), Err(EvidenceError::Format(_))));
    let unknown = text.replacen('{', "{\"more\":1,", 1);
    assert!(matches!(Evidence::decode(unknown.as_bytes()), Err(EvidenceError::Json(_))));
    let long = vec![b' '; MAX_EVIDENCE_BYTES + 1];
    assert!(matches!(Evidence::decode(&long), Err(EvidenceError::TooLong(_))));
    for end in 0..text.len() {
        assert!(Evidence::decode(&text.as_bytes()[..end]).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Evidence::decode(&bytes);
    }
}
