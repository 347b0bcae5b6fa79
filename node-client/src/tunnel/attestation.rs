//! Whether a coordinator that dialled sessions end at runs the code that it says on chain.
//!
//! A coordinator posts its evidence before its hello. It was made for this very TLS session: its nonce is
//! the session's binding, so it can be neither old nor another session's, and it binds the key of the
//! certificate that this end has seen. Where evidence is required, a hello without it proves nothing.

use pinaivu_attestation::{
    Attested, Evidence, EvidenceError, Expected, Nonce, Policy, Roots, VerifyError, verify,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::units::UnixMillis;

use crate::chain::CoordinatorFacts;
use crate::config::Requirement;

/// What the operator wants to see of coordinators.
#[derive(Clone, Debug, Default)]
pub struct AttestationRule {
    /// When evidence is required.
    pub require: Requirement,
    /// Another root than AWS's, for tests.
    pub nitro_root: Option<Vec<u8>>,
}

impl AttestationRule {
    /// Whether this coordinator must show evidence.
    #[must_use]
    pub fn requires(&self, facts: &CoordinatorFacts) -> bool {
        match self.require {
            Requirement::Always => true,
            Requirement::Never => false,
            Requirement::Auto => !facts.listed.is_empty(),
        }
    }
}

/// Why evidence is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AttestationFault {
    /// Not evidence.
    #[error(transparent)]
    Encoding(#[from] EvidenceError),
    /// It proves nothing, or something else.
    #[error(transparent)]
    Refused(#[from] VerifyError),
    /// None was shown.
    #[error("the coordinator showed no attestation evidence")]
    Missing,
}

/// Checks `evidence` for one session: the measurement must be the one that the coordinator's account
/// names, and still be on the market's list.
pub(super) fn check(
    evidence: &[u8],
    expected: &Expected,
    facts: &CoordinatorFacts,
    rule: &AttestationRule,
    now: UnixMillis,
) -> Result<Attested, AttestationFault> {
    let evidence = Evidence::decode(evidence)?;
    let accepted: &[Hash32] = if facts.listed.contains(&facts.measurement) {
        std::slice::from_ref(&facts.measurement)
    } else {
        &[]
    };
    let mut policy = Policy::strict(now, accepted);
    if let Some(root) = &rule.nitro_root {
        policy.roots = Roots { nitro: root, ..policy.roots };
    }
    Ok(verify(&evidence, expected, &policy)?)
}

/// The nonce of evidence for a session.
pub(super) const fn nonce(binding: Hash32) -> Nonce {
    Nonce(binding.0)
}
