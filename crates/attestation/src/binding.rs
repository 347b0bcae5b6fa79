//! What evidence is about.

use core::fmt;
use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use pinaivu_protocol::hash::{Hash32, sha256, tagged};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::jcs::{JsonError, canonical_bytes};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Where a coordinator posts its evidence to a node, before its hello: the body is an
/// [`Evidence`](crate::Evidence), its nonce the binding of this very TLS session
/// (`pinaivu_protocol::tunnel::binding`). A node without interest in it answers whatever it likes.
pub const TUNNEL_ATTESTATION_PATH: &str = "/pinaivu/v1/attestation";

/// Everything that attested code vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Binding {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// The coordinator's account.
    pub coordinator: CoordinatorId,
    /// The key that signs receipts, heads of the log and hellos.
    pub signer: PublicKey,
    /// [`tls_key_hash`] of the certificate that nodes see on the tunnel.
    pub tls_key: Hash32,
    /// Hash of the configuration that the process runs with.
    pub configuration: Hash32,
}

impl Binding {
    /// `tagged("pinaivu/attestation-binding/v1", borsh(self))`: what goes into the vendor's document.
    #[must_use]
    pub fn digest(&self) -> Hash32 {
        let mut bytes = Vec::with_capacity(5 * 32);
        // Writing fixed-size fields to a vector cannot fail.
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        tagged("pinaivu/attestation-binding/v1", &[&bytes])
    }

    /// The 64 bytes a TDX quote carries: `digest ‖ nonce`.
    #[must_use]
    pub fn report_data(&self, nonce: &Nonce) -> [u8; 64] {
        let mut data = [0; 64];
        let (digest, rest) = data.split_at_mut(32);
        digest.copy_from_slice(&self.digest().0);
        rest.copy_from_slice(&nonce.0);
        data
    }
}

/// The hash of a configuration that is bound, as it is shown:
/// `tagged("pinaivu/coordinator-configuration/v1", RFC 8785 JSON)`.
///
/// # Errors
/// [`JsonError`] when the value has no canonical form.
pub fn configuration_hash(configuration: &Value) -> Result<Hash32, JsonError> {
    let bytes = canonical_bytes(configuration)?;
    Ok(tagged("pinaivu/coordinator-configuration/v1", &[&bytes]))
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo, DER.
#[must_use]
pub fn tls_key_hash(subject_public_key_info: &[u8]) -> Hash32 {
    sha256(&[subject_public_key_info])
}

/// 32 bytes that whoever asks for evidence makes up, so that it cannot be older than the question. As
/// text, 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Nonce(pub [u8; 32]);

/// The text is not a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct NonceError;

impl Nonce {
    /// A fresh one.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hash32(self.0), f)
    }
}

impl FromStr for Nonce {
    type Err = NonceError;

    fn from_str(text: &str) -> Result<Self, NonceError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NonceError)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
