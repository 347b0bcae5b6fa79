//! Intel TDX quotes.
//!
//! Quote, collateral (Intel's statements about platforms, which expire) and their chains are checked by
//! `dcap-qvl`, a maintained verifier in Rust that works offline and at a given time. Here its answer gets
//! our types: what is refused and why, which measurement, which report data.

use chrono::DateTime;
use dcap_qvl::QuotePolicy;
use dcap_qvl::quote::{Quote, Report, TDAttributes};
use dcap_qvl::verify::QuoteVerifier;
use pinaivu_protocol::hash::{Hash32, tagged};
use pinaivu_protocol::units::UnixMillis;

pub use dcap_qvl::QuoteCollateralV3 as Collateral;
pub use dcap_qvl::TcbStatus;

/// Longest quote that is read; real ones have about 5 KiB.
pub const MAX_QUOTE_BYTES: usize = 32 * 1024;

/// ECDSA on P-256, the one kind of attestation key there is.
const ECDSA_P256: u16 = 2;

const MILLIS: u64 = 1000;

/// What a quote says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxQuote {
    /// [`measurement`] of the trust domain.
    pub measurement: Hash32,
    /// The 64 bytes the guest asked to be put in.
    pub report_data: [u8; 64],
    /// What Intel says of the platform's firmware and microcode at this time.
    pub tcb: TcbStatus,
    /// Which advisories touch it.
    pub advisories: Vec<String>,
}

/// Why a quote is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TdxError {
    /// Longer than [`MAX_QUOTE_BYTES`].
    #[error("the quote has {0} bytes, more than any has")]
    TooLong(usize),
    /// Not a quote, or cut off.
    #[error("this is not a quote")]
    Encoding,
    /// Of an SGX enclave.
    #[error("the quote is of an SGX enclave, not of a TDX domain")]
    NotTdx,
    /// Not signed with ECDSA on P-256.
    #[error("the quote's key is of kind {0}, not ECDSA on P-256")]
    Algorithm(u16),
    /// The domain is open to its host.
    #[error("the trust domain is in debug mode")]
    Debug,
    /// There is no collateral with it.
    #[error("Intel's collateral is not with the quote")]
    NoCollateral,
    /// The collateral is not Intel's JSON.
    #[error("the collateral cannot be read")]
    Collateral,
    /// The collateral is not valid yet at this time.
    #[error("the collateral was not valid yet")]
    NotYet,
    /// The collateral is not valid any more at this time.
    #[error("the collateral had expired")]
    Expired,
    /// A signature, a certificate, a revocation list or an identity does not hold at this time.
    #[error("Intel's chain does not hold: {0}")]
    Chain(String),
    /// The platform lacks updates.
    #[error("the platform is {status}, with {}", advisories.join(", "))]
    Tcb {
        /// Intel's word for it.
        status: TcbStatus,
        /// Why.
        advisories: Vec<String>,
    },
}

/// What identifies the code and its settings: the domain's initial memory, the run-time registers
/// (firmware, kernel, command line, application), who configured it and how. As the market's list on chain has it:
/// `tagged("pinaivu/measurement/tdx/v1", MRTD ‖ RTMR0 ‖ RTMR1 ‖ RTMR2 ‖ RTMR3 ‖ MRCONFIGID ‖ MROWNER ‖
/// MROWNERCONFIG ‖ TDATTRIBUTES ‖ XFAM)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TdxRegisters {
    /// MRTD.
    pub td: [u8; 48],
    /// RTMR0 to RTMR3.
    pub runtime: [[u8; 48]; 4],
    /// MRCONFIGID.
    pub config_id: [u8; 48],
    /// MROWNER.
    pub owner: [u8; 48],
    /// MROWNERCONFIG.
    pub owner_config: [u8; 48],
    /// TDATTRIBUTES.
    pub attributes: [u8; 8],
    /// XFAM.
    pub xfam: [u8; 8],
}

impl TdxRegisters {
    /// The measurement.
    #[must_use]
    pub fn measurement(&self) -> Hash32 {
        let [r0, r1, r2, r3] = &self.runtime;
        tagged(
            "pinaivu/measurement/tdx/v1",
            &[
                &self.td,
                r0,
                r1,
                r2,
                r3,
                &self.config_id,
                &self.owner,
                &self.owner_config,
                &self.attributes,
                &self.xfam,
            ],
        )
    }
}

/// Reads the registers of a quote, for operators who look at their own. Verifies nothing.
///
/// # Errors
/// [`TdxError::TooLong`], [`TdxError::Encoding`], [`TdxError::NotTdx`].
pub fn registers(quote: &[u8]) -> Result<TdxRegisters, TdxError> {
    registers_of(&parse(quote)?.report).map(|(registers, _)| registers)
}

/// Checks a quote and its collateral at `now`. `root` is the DER of another root than Intel's, for tests.
/// `accepted` are the platform states that are good enough.
///
/// # Errors
/// [`TdxError`].
pub fn verify(
    quote: &[u8],
    collateral: Option<&Collateral>,
    root: Option<&[u8]>,
    accepted: &[TcbStatus],
    now: UnixMillis,
) -> Result<TdxQuote, TdxError> {
    let read = parse(quote)?;
    if read.header.attestation_key_type != ECDSA_P256 {
        return Err(TdxError::Algorithm(read.header.attestation_key_type));
    }
    let (registers, report_data) = registers_of(&read.report)?;
    let attributes = TDAttributes::parse(registers.attributes).map_err(|_| TdxError::Encoding)?;
    if attributes.tud != 0 {
        return Err(TdxError::Debug);
    }
    let collateral = collateral.ok_or(TdxError::NoCollateral)?;
    check_times(&collateral.tcb_info, now)?;
    check_times(&collateral.qe_identity, now)?;
    let verifier = match root {
        Some(root) => QuoteVerifier::new(root.to_vec()),
        None => QuoteVerifier::new_prod(),
    };
    let seconds = now.0.checked_div(MILLIS).unwrap_or_default();
    // What the platform may lack is judged below, with a type of its own.
    let any = QuotePolicy::claims_only(seconds);
    let claims = verifier
        .verify_with_policy(quote, collateral, seconds, &any)
        .map_err(|error| TdxError::Chain(format!("{error:#}")))?;
    let (status, advisories) = (claims.tcb.status, claims.tcb.advisory_ids);
    if !accepted.contains(&status) {
        return Err(TdxError::Tcb { status, advisories });
    }
    Ok(TdxQuote { measurement: registers.measurement(), report_data, tcb: status, advisories })
}

fn parse(quote: &[u8]) -> Result<Quote, TdxError> {
    if quote.len() > MAX_QUOTE_BYTES {
        return Err(TdxError::TooLong(quote.len()));
    }
    Quote::parse(quote).map_err(|_| TdxError::Encoding)
}

fn registers_of(report: &Report) -> Result<(TdxRegisters, [u8; 64]), TdxError> {
    let report = report.as_td10().ok_or(TdxError::NotTdx)?;
    let registers = TdxRegisters {
        td: report.mr_td,
        runtime: [report.rt_mr0, report.rt_mr1, report.rt_mr2, report.rt_mr3],
        config_id: report.mr_config_id,
        owner: report.mr_owner,
        owner_config: report.mr_owner_config,
        attributes: report.td_attributes,
        xfam: report.xfam,
    };
    Ok((registers, report.report_data))
}

/// Whether one of Intel's statements is valid now, by its own dates; `dcap-qvl` checks them again, with
/// the signature over them.
fn check_times(statement: &str, now: UnixMillis) -> Result<(), TdxError> {
    let statement: serde_json::Value =
        serde_json::from_str(statement).map_err(|_| TdxError::Collateral)?;
    let date = |name: &str| -> Result<u64, TdxError> {
        let text = statement.get(name).and_then(|date| date.as_str());
        let date = DateTime::parse_from_rfc3339(text.ok_or(TdxError::Collateral)?);
        let date = date.map_err(|_| TdxError::Collateral)?.timestamp_millis();
        u64::try_from(date).map_err(|_| TdxError::Collateral)
    };
    if now.0 < date("issueDate")? {
        return Err(TdxError::NotYet);
    }
    if now.0 > date("nextUpdate")? {
        return Err(TdxError::Expired);
    }
    Ok(())
}
