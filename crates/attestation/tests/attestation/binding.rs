//! What evidence is about, against what a verifier knows.

use ciborium::Value;
use pinaivu_attestation::{
    Attested, Attester as _, Development, Kind, Mismatch, Nonce, VerifyError,
};
use pinaivu_attestation::{Evidence, Expected, verify};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};

use crate::parties::{
    NONCE, NOW, PCRS, accepted, authority, binding, draft, evidence, expected, policy,
};

#[test]
fn evidence_over_the_expected_binding_by_accepted_code_is_attested() {
    let authority = authority();
    let evidence = evidence(draft(&authority).signed(&authority));
    let measurements = [Hash32([9; 32]), accepted()];
    let attested = verify(&evidence, &expected(), &policy(&authority, &measurements)).unwrap();
    let wanted = Attested { kind: Kind::Nitro, measurement: accepted(), made: Some(NOW) };
    assert_eq!(attested, wanted);
}

/// What is said when the verifier expects something else in one field, and when the evidence claims
/// just that although its document was made for the first binding.
fn wrong(change: impl Fn(&mut Expected, &mut Evidence)) -> (VerifyError, VerifyError) {
    let authority = authority();
    let honest = evidence(draft(&authority).signed(&authority));
    let measurements = [accepted()];
    let policy = policy(&authority, &measurements);
    let (mut other, mut forged) = (expected(), honest.clone());
    change(&mut other, &mut forged);
    let honest = verify(&honest, &other, &policy).unwrap_err();
    (honest, verify(&forged, &other, &policy).unwrap_err())
}

#[test]
fn each_bound_fact_is_compared_with_what_is_known_and_with_the_document() {
    let document = VerifyError::from(Mismatch::Document);
    let (seen, forged) = wrong(|expected, evidence| {
        expected.signer = PublicKey([8; 32]);
        evidence.binding.signer = PublicKey([8; 32]);
    });
    assert_eq!((seen, &forged), (Mismatch::Signer(binding().signer).into(), &document));
    let (seen, forged) = wrong(|expected, evidence| {
        expected.tls_key = Some(Hash32([8; 32]));
        evidence.binding.tls_key = Hash32([8; 32]);
    });
    assert_eq!((seen, &forged), (Mismatch::TlsKey.into(), &document));
    let (seen, forged) = wrong(|expected, evidence| {
        expected.configuration = Some(Hash32([8; 32]));
        evidence.binding.configuration = Hash32([8; 32]);
    });
    assert_eq!((seen, &forged), (Mismatch::Configuration.into(), &document));
    let (seen, forged) = wrong(|expected, evidence| {
        expected.coordinator = CoordinatorId([8; 32]);
        evidence.binding.coordinator = CoordinatorId([8; 32]);
    });
    let mismatch = Mismatch::Coordinator(binding().coordinator);
    assert_eq!((seen, &forged), (mismatch.into(), &document));
    let (seen, forged) = wrong(|expected, evidence| {
        expected.deployment = DeploymentId(Hash32([8; 32]));
        evidence.binding.deployment = DeploymentId(Hash32([8; 32]));
    });
    assert_eq!((seen, &forged), (Mismatch::Deployment.into(), &document));
    let (seen, forged) = wrong(|expected, evidence| {
        expected.nonce = Some(Nonce([8; 32]));
        evidence.nonce = Nonce([8; 32]);
    });
    assert_eq!((seen, &forged), (Mismatch::Nonce.into(), &document));
}

#[test]
fn document_that_names_another_key_beside_the_digest_is_refused() {
    let authority = authority();
    let key = Value::Bytes(vec![8; 32]);
    for draft in [
        draft(&authority).set("public_key", key),
        draft(&authority).without("public_key"),
        draft(&authority).without("user_data"),
        draft(&authority).without("nonce"),
    ] {
        let evidence = evidence(draft.signed(&authority));
        let measurements = [accepted()];
        let refused = verify(&evidence, &expected(), &policy(&authority, &measurements));
        assert_eq!(refused, Err(Mismatch::Document.into()));
    }
}

#[test]
fn code_that_is_not_on_the_list_is_refused() {
    let authority = authority();
    let evidence = evidence(draft(&authority).signed(&authority));
    for measurements in [vec![], vec![Hash32([9; 32])]] {
        let refused = verify(&evidence, &expected(), &policy(&authority, &measurements));
        assert_eq!(refused, Err(VerifyError::Measurement(accepted())));
    }
}

#[test]
fn each_register_counts_for_the_measurement() {
    let authority = authority();
    for place in 0..3usize {
        let pcrs = (0..3usize)
            .map(|number| {
                let mut value = PCRS[number];
                value[0] ^= u8::from(number == place);
                (Value::from(number as u64), Value::Bytes(value.to_vec()))
            })
            .collect();
        let document = draft(&authority).set("pcrs", Value::Map(pcrs)).signed(&authority);
        let measurements = [accepted()];
        let refused = verify(&evidence(document), &expected(), &policy(&authority, &measurements));
        assert!(matches!(refused, Err(VerifyError::Measurement(_))), "PCR{place}: {refused:?}");
    }
}

#[test]
fn development_evidence_is_refused_under_every_policy() {
    let authority = authority();
    let evidence = Development.attest(&binding(), &NONCE).unwrap();
    assert!(evidence.document.starts_with(b"UNATTESTED"));
    for measurements in [vec![], vec![accepted()], vec![Hash32::ZERO]] {
        let refused = verify(&evidence, &expected(), &policy(&authority, &measurements));
        assert_eq!(refused, Err(VerifyError::Development));
    }
}

#[test]
fn unknown_facts_are_taken_from_the_evidence() {
    let authority = authority();
    let evidence = evidence(draft(&authority).signed(&authority));
    let expected = Expected { tls_key: None, configuration: None, nonce: None, ..expected() };
    let measurements = [accepted()];
    verify(&evidence, &expected, &policy(&authority, &measurements)).unwrap();
}
