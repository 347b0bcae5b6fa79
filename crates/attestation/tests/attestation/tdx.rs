//! Intel TDX quotes: real ones at their time, and what becomes of them when something is wrong.

use pinaivu_attestation::tdx::{Collateral, MAX_QUOTE_BYTES, TdxError, registers, verify};
use pinaivu_attestation::{Evidence, Kind, Mismatch, Policy, TcbStatus, VerifyError};
use pinaivu_protocol::units::UnixMillis;

use crate::parties::{NONCE, authority, binding, expected};

/// Quotes of real machines, from the samples of `dcap-qvl` (MIT).
const QUOTE: &[u8] = include_bytes!("fixtures/tdx/quote.bin");
const COLLATERAL: &str = include_str!("fixtures/tdx/collateral.json");
const SGX: &[u8] = include_bytes!("fixtures/tdx/sgx.bin");

/// 2025-07-01, within the collateral's month.
const THEN: UnixMillis = UnixMillis(1_751_328_000_000);
/// Where the fields of a version 4 quote lie: a header of 48 bytes, then the TD report.
const KEY_KIND: usize = 2;
const ATTRIBUTES: usize = 48 + 16 + 48 + 48 + 8;
const MRTD: usize = ATTRIBUTES + 8 + 8;

fn collateral() -> Collateral {
    serde_json::from_str(COLLATERAL).unwrap()
}

/// Evidence with a real quote, which was made for something else than our binding.
pub(crate) fn evidence() -> Evidence {
    Evidence {
        kind: Kind::Tdx,
        binding: binding(),
        nonce: NONCE,
        document: QUOTE.to_vec(),
        collateral: Some(collateral()),
    }
}

fn at(quote: &[u8], now: UnixMillis) -> Result<(), TdxError> {
    verify(quote, Some(&collateral()), None, &[TcbStatus::UpToDate], now).map(|_| ())
}

#[test]
fn real_quote_is_accepted_at_its_time() {
    let accepted = [TcbStatus::UpToDate];
    let quote = verify(QUOTE, Some(&collateral()), None, &accepted, THEN).unwrap();
    assert_eq!(quote.measurement, registers(QUOTE).unwrap().measurement());
    assert_eq!((quote.tcb, quote.advisories.len()), (TcbStatus::UpToDate, 0));
    assert_eq!(registers(QUOTE).unwrap().td.as_slice(), &QUOTE[MRTD..MRTD + 48]);
}

#[test]
fn real_quote_before_and_after_its_collateral_is_refused() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    assert_eq!(at(QUOTE, UnixMillis(THEN.0 - 30 * DAY)), Err(TdxError::NotYet));
    assert_eq!(at(QUOTE, UnixMillis(THEN.0 + 30 * DAY)), Err(TdxError::Expired));
}

#[test]
fn real_quote_of_a_platform_in_a_state_that_is_not_accepted_is_refused() {
    for accepted in [&[][..], &[TcbStatus::OutOfDate, TcbStatus::SWHardeningNeeded]] {
        let refused = verify(QUOTE, Some(&collateral()), None, accepted, THEN);
        let advisories = Vec::new();
        assert_eq!(refused, Err(TdxError::Tcb { status: TcbStatus::UpToDate, advisories }));
    }
}

#[test]
fn chain_to_another_root_is_refused() {
    let root = authority().root;
    let accepted = [TcbStatus::UpToDate];
    let refused = verify(QUOTE, Some(&collateral()), Some(&root), &accepted, THEN);
    assert!(matches!(refused, Err(TdxError::Chain(_))), "{refused:?}");
}

#[test]
fn flipped_measurement_breaks_the_signature() {
    let mut flipped = QUOTE.to_vec();
    flipped[MRTD] ^= 1;
    assert!(matches!(at(&flipped, THEN), Err(TdxError::Chain(_))));
}

#[test]
fn flipped_collateral_breaks_its_signature() {
    let text = COLLATERAL.replace("2025-07-19T10:16:03Z", "2035-07-19T10:16:03Z");
    assert_ne!(text, COLLATERAL);
    let collateral: Collateral = serde_json::from_str(&text).unwrap();
    let refused = verify(QUOTE, Some(&collateral), None, &[TcbStatus::UpToDate], THEN);
    assert!(matches!(refused, Err(TdxError::Chain(_))), "{refused:?}");
}

#[test]
fn quote_cut_off_or_of_another_kind_is_refused() {
    for end in (0..QUOTE.len() / 2).step_by(97) {
        assert_eq!(at(&QUOTE[..end], THEN), Err(TdxError::Encoding), "{end} bytes");
    }
    assert_eq!(at(SGX, THEN), Err(TdxError::NotTdx));
    let long = vec![0; MAX_QUOTE_BYTES + 1];
    assert_eq!(at(&long, THEN), Err(TdxError::TooLong(long.len())));
}

#[test]
fn another_kind_of_key_is_refused() {
    let mut other = QUOTE.to_vec();
    other[KEY_KIND] = 3;
    let refused = at(&other, THEN);
    assert!(matches!(refused, Err(TdxError::Algorithm(3) | TdxError::Encoding)), "{refused:?}");
}

#[test]
fn domain_in_debug_mode_is_refused() {
    let mut open = QUOTE.to_vec();
    open[ATTRIBUTES] |= 1;
    assert_eq!(at(&open, THEN), Err(TdxError::Debug));
}

#[test]
fn quote_without_collateral_is_refused() {
    let refused = verify(QUOTE, None, None, &[TcbStatus::UpToDate], THEN);
    assert_eq!(refused, Err(TdxError::NoCollateral));
}

#[test]
fn real_quote_for_another_binding_is_not_ours() {
    let measurements = [registers(QUOTE).unwrap().measurement()];
    let policy = Policy::strict(THEN, &measurements);
    let refused = pinaivu_attestation::verify(&evidence(), &expected(), &policy);
    assert_eq!(refused, Err(VerifyError::Mismatch(Mismatch::Document)));
}
