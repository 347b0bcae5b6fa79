//! Whether evidence says what it must, at a given time.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::units::UnixMillis;

use crate::binding::Nonce;
use crate::evidence::{Evidence, Kind};
use crate::nitro::{self, NitroError};
use crate::tdx::{self, TcbStatus, TdxError};

/// What the verifier knows and the evidence must therefore be about. What is `None` is taken from the
/// evidence: it is still bound by the document, but nobody compared it with anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// Whose evidence.
    pub coordinator: CoordinatorId,
    /// Its key on chain.
    pub signer: PublicKey,
    /// The key of the certificate that was seen.
    pub tls_key: Option<Hash32>,
    /// The hash of a configuration that the verifier holds.
    pub configuration: Option<Hash32>,
    /// What was asked; nothing for evidence that was not made for this verifier.
    pub nonce: Option<Nonce>,
}

/// What the verifier accepts, and when it looks.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The time at which certificates and collateral must be valid.
    pub now: UnixMillis,
    /// Measurements of code that is accepted.
    pub measurements: &'a [Hash32],
    /// States of an Intel platform that are accepted.
    pub tcb: &'a [TcbStatus],
    /// Whom the chains must lead to.
    pub roots: Roots<'a>,
}

impl<'a> Policy<'a> {
    /// The vendors' own roots, and only platforms without missing updates.
    #[must_use]
    pub fn strict(now: UnixMillis, measurements: &'a [Hash32]) -> Self {
        Self { now, measurements, tcb: &[TcbStatus::UpToDate], roots: Roots::default() }
    }
}

/// The ends of the vendors' chains, DER.
#[derive(Clone, Copy, Debug)]
pub struct Roots<'a> {
    /// AWS.
    pub nitro: &'a [u8],
    /// Intel; nothing for the one that is built in.
    pub intel: Option<&'a [u8]>,
}

impl Default for Roots<'_> {
    fn default() -> Self {
        Self { nitro: nitro::ROOT_G1, intel: None }
    }
}

/// Accepted evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Which vendor vouches.
    pub kind: Kind,
    /// For which code.
    pub measurement: Hash32,
    /// When the document was made, where it says so.
    pub made: Option<UnixMillis>,
}

/// A fact that is another one than expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Cluster and program.
    #[error("the evidence is for another cluster or program")]
    Deployment,
    /// The coordinator.
    #[error("the evidence is for coordinator {0}")]
    Coordinator(CoordinatorId),
    /// The key on chain.
    #[error("the evidence binds the key {0}, which is not the coordinator's on chain")]
    Signer(PublicKey),
    /// The key of the certificate.
    #[error("the evidence binds another TLS key than the certificate's")]
    TlsKey,
    /// The configuration.
    #[error("the evidence binds another configuration")]
    Configuration,
    /// The answer to another question.
    #[error("the evidence answers another nonce")]
    Nonce,
    /// The vendor's document is about something else than the evidence says.
    #[error("the vendor's document is not about what the evidence says")]
    Document,
}

/// Why evidence is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Development evidence, which is never accepted.
    #[error("unattested: this is development evidence, which proves nothing")]
    Development,
    /// The Nitro document.
    #[error(transparent)]
    Nitro(#[from] NitroError),
    /// The TDX quote.
    #[error(transparent)]
    Tdx(#[from] TdxError),
    /// It is about something else.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// The code is none of those that are accepted.
    #[error("the measurement {0} is not an accepted one")]
    Measurement(Hash32),
}

impl Evidence {
    /// Compares what the evidence says to be about with what is known. Proves nothing: nobody but
    /// [`verify`] looks into the vendor's document.
    ///
    /// # Errors
    /// [`Mismatch`], the first one.
    pub fn check_claims(&self, expected: &Expected) -> Result<(), Mismatch> {
        let says = &self.binding;
        if says.deployment != expected.deployment {
            return Err(Mismatch::Deployment);
        }
        if says.coordinator != expected.coordinator {
            return Err(Mismatch::Coordinator(says.coordinator));
        }
        if says.signer != expected.signer {
            return Err(Mismatch::Signer(says.signer));
        }
        if expected.tls_key.is_some_and(|key| key != says.tls_key) {
            return Err(Mismatch::TlsKey);
        }
        if expected.configuration.is_some_and(|hash| hash != says.configuration) {
            return Err(Mismatch::Configuration);
        }
        if expected.nonce.is_some_and(|nonce| nonce != self.nonce) {
            return Err(Mismatch::Nonce);
        }
        Ok(())
    }
}

/// Checks evidence: the vendor's signatures at the policy's time, that the document is about what the
/// evidence says and the evidence about what is expected, and that the code is an accepted one.
///
/// # Errors
/// [`VerifyError`], the first one.
pub fn verify(
    evidence: &Evidence,
    expected: &Expected,
    policy: &Policy<'_>,
) -> Result<Attested, VerifyError> {
    evidence.check_claims(expected)?;
    let (digest, nonce) = (evidence.binding.digest(), evidence.nonce);
    let attested = match evidence.kind {
        Kind::Development => return Err(VerifyError::Development),
        Kind::Nitro => {
            let document = nitro::verify(&evidence.document, policy.roots.nitro, policy.now)?;
            let is = |field: &Option<Vec<u8>>, value: &[u8]| field.as_deref() == Some(value);
            let bound = is(&document.user_data, &digest.0)
                && is(&document.nonce, &nonce.0)
                && is(&document.public_key, &evidence.binding.signer.0);
            if !bound {
                return Err(Mismatch::Document.into());
            }
            let measurement = document.measurement()?;
            Attested { kind: Kind::Nitro, measurement, made: Some(document.timestamp) }
        }
        Kind::Tdx => {
            let (document, collateral) = (&evidence.document, evidence.collateral.as_ref());
            let quote =
                tdx::verify(document, collateral, policy.roots.intel, policy.tcb, policy.now)?;
            if quote.report_data != evidence.binding.report_data(&nonce) {
                return Err(Mismatch::Document.into());
            }
            Attested { kind: Kind::Tdx, measurement: quote.measurement, made: None }
        }
    };
    if !policy.measurements.contains(&attested.measurement) {
        return Err(VerifyError::Measurement(attested.measurement));
    }
    Ok(attested)
}
