//! Evidence about the code a coordinator runs, made on one side and checked on the other.
//!
//! An [`Evidence`] is a document of the hardware vendor (an AWS Nitro attestation document, an Intel TDX
//! quote) over a [`Binding`]: the key that signs receipts, the key of the tunnel's TLS certificate and the
//! hash of the configuration. [`verify`] checks it at a time the caller gives, against a binding and a
//! nonce the caller expects and measurements the caller accepts; nothing in here asks a clock or a
//! network. [`Attester`] makes evidence where the hardware is there.
//!
//! The third kind, [`Kind::Development`], is for machines without such hardware. It proves nothing, says
//! so, and [`verify`] refuses it always: there is no setting under which it counts.
//!
//! What is not proved: that the measured code is good. The market's list of measurements on chain says
//! which code governance looked at, and `docs/attestation.md` how anybody computes a measurement again.

#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division
)]

mod attester;
mod binding;
mod development;
mod evidence;
pub mod nitro;
mod nsm;
pub mod tdx;
mod tsm;
mod verify;

pub use attester::{AttestError, Attester, AttesterChoice};
pub use binding::{
    Binding, Nonce, NonceError, TUNNEL_ATTESTATION_PATH, configuration_hash, tls_key_hash,
};
pub use development::Development;
pub use evidence::{Evidence, EvidenceError, FORMAT, Kind, MAX_EVIDENCE_BYTES};
pub use nsm::NitroAttester;
pub use tdx::TcbStatus;
pub use tsm::{TdxAttester, TsmError};
pub use verify::{Attested, Expected, Mismatch, Policy, Roots, VerifyError, verify};
