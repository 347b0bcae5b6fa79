//! The producing side where there is no such hardware, and a directory that behaves like the kernel's.

use pinaivu_attestation::{
    AttestError, Attester as _, AttesterChoice, Kind, TdxAttester, TsmError,
};

use crate::parties::{NONCE, binding};

/// A report directory as the kernel makes one.
fn report(provider: &str) -> tempfile::TempDir {
    let reports = tempfile::tempdir().unwrap();
    let report = reports.path().join("one");
    std::fs::create_dir(&report).unwrap();
    for (name, content) in
        [("provider", provider), ("generation", "1\n"), ("outblob", "a quote"), ("inblob", "")]
    {
        std::fs::write(report.join(name), content).unwrap();
    }
    reports
}

#[test]
fn tsm_report_is_asked_for_digest_and_nonce_and_its_quote_is_the_document() {
    let reports = report("tdx_guest\n");
    let collateral = reports.path().join("collateral.json");
    std::fs::copy("tests/attestation/fixtures/tdx/collateral.json", &collateral).unwrap();
    let attester = TdxAttester::named(reports.path(), "one", Some(collateral));
    let evidence = attester.attest(&binding(), &NONCE).unwrap();
    assert_eq!((evidence.kind, evidence.document.as_slice()), (Kind::Tdx, b"a quote".as_slice()));
    assert!(evidence.collateral.is_some());
    let asked = std::fs::read(reports.path().join("one/inblob")).unwrap();
    assert_eq!(asked, binding().report_data(&NONCE));
    assert_eq!((&asked[..32], &asked[32..]), (&binding().digest().0[..], &NONCE.0[..]));
}

#[test]
fn tsm_reports_of_other_hardware_or_without_collateral_are_refused() {
    let reports = report("sev_guest\n");
    let attester = TdxAttester::named(reports.path(), "one", None);
    let refused = attester.attest(&binding(), &NONCE).unwrap_err();
    assert!(matches!(refused, AttestError::Tsm(TsmError::Provider(name)) if name == "sev_guest"));
    let missing = reports.path().join("none.json");
    let attester = TdxAttester::named(reports.path(), "one", Some(missing.clone()));
    let refused = attester.attest(&binding(), &NONCE).unwrap_err();
    assert!(matches!(refused, AttestError::Collateral { path, .. } if path == missing));
}

#[test]
fn choice_without_hardware_is_none_or_an_error_and_never_development() {
    // A machine that runs this test inside an enclave has what is asked for; then there is nothing to
    // check here.
    if std::path::Path::new("/dev/nsm").exists() {
        return;
    }
    let found = AttesterChoice::Auto.find(None).unwrap();
    assert!(found.is_none_or(|attester| attester.kind() == Kind::Tdx));
    assert!(matches!(AttesterChoice::Nitro.find(None), Err(AttestError::Absent(Kind::Nitro))));
    assert!(AttesterChoice::None.find(None).unwrap().is_none());
    let development = AttesterChoice::Development.find(None).unwrap().unwrap();
    assert_eq!(development.kind(), Kind::Development);
}
