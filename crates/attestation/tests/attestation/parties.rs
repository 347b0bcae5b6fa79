//! The parties of these tests, over the enclaves of the test kit.

use pinaivu_attestation::{Binding, Evidence, Expected, Kind, Nonce, Policy, Roots};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{ClusterId, CoordinatorId, DeploymentId, ProgramId, PublicKey};
use pinaivu_protocol::units::UnixMillis;
use pinaivu_testkit::enclave::{Authority, Draft};
pub(crate) use pinaivu_testkit::enclave::{LEAF_HOURS, Leaf, PCRS, accepted};

/// 2026-09-21, in milliseconds.
pub(crate) const NOW: UnixMillis = UnixMillis(1_790_000_000_000);

pub(crate) const NONCE: Nonce = Nonce([7; 32]);

pub(crate) fn authority() -> Authority {
    Authority::new(NOW)
}

pub(crate) fn draft(authority: &Authority) -> Draft {
    Draft::new(authority, &binding(), &NONCE)
}

/// A policy at [`NOW`] that trusts this authority and accepts `measurements`.
pub(crate) fn policy<'a>(authority: &'a Authority, measurements: &'a [Hash32]) -> Policy<'a> {
    let roots = Roots { nitro: &authority.root, intel: None };
    Policy { roots, ..Policy::strict(NOW, measurements) }
}

pub(crate) fn binding() -> Binding {
    Binding {
        deployment: DeploymentId::new(&ClusterId([1; 32]), &ProgramId([2; 32])),
        coordinator: CoordinatorId([3; 32]),
        signer: PublicKey([4; 32]),
        tls_key: Hash32([5; 32]),
        configuration: Hash32([6; 32]),
    }
}

/// What a verifier that knows everything expects.
pub(crate) fn expected() -> Expected {
    let binding = binding();
    Expected {
        deployment: binding.deployment,
        coordinator: binding.coordinator,
        signer: binding.signer,
        tls_key: Some(binding.tls_key),
        configuration: Some(binding.configuration),
        nonce: Some(NONCE),
    }
}

/// Nitro evidence over [`binding`] with this document.
pub(crate) fn evidence(document: Vec<u8>) -> Evidence {
    Evidence { kind: Kind::Nitro, binding: binding(), nonce: NONCE, document, collateral: None }
}
