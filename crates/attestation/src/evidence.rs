//! Evidence as it travels: one JSON document.
//!
//! Reading it verifies nothing. Its [`Evidence::hash`] is over the very bytes, so that a receipt can name
//! it and a stranger can be sure to hold the same.

use core::fmt;

use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::binding::{Binding, Nonce};
use crate::tdx::Collateral;

/// The format's name and version, in every document.
pub const FORMAT: &str = "pinaivu-attestation/v1";

/// Longest document that is read: a quote with its collateral has about 32 KiB.
pub const MAX_EVIDENCE_BYTES: usize = 128 * 1024;

/// What vouches for the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An AWS Nitro enclave.
    Nitro,
    /// An Intel TDX trust domain.
    Tdx,
    /// Nothing does.
    Development,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nitro => "AWS Nitro",
            Self::Tdx => "Intel TDX",
            Self::Development => "development (unattested)",
        })
    }
}

/// A vendor's document and what it says to be about.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Which vendor's.
    pub kind: Kind,
    /// What it says to vouch for.
    pub binding: Binding,
    /// The nonce it says to answer.
    pub nonce: Nonce,
    /// The vendor's document, as it is.
    pub document: Vec<u8>,
    /// What else Intel signed, without which a quote cannot be checked; with TDX only.
    pub collateral: Option<Collateral>,
}

/// Why bytes are not evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Longer than [`MAX_EVIDENCE_BYTES`].
    #[error("the evidence has {0} bytes, more than any needs")]
    TooLong(usize),
    /// Not the JSON of this format.
    #[error("this is not attestation evidence")]
    Json(#[from] serde_json::Error),
    /// Another format or version of it.
    #[error("the evidence's format is '{0}', not '{FORMAT}'")]
    Format(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    kind: Kind,
    binding: BindingWire,
    nonce: Nonce,
    #[serde(with = "base64_bytes")]
    document: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    collateral: Option<Collateral>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingWire {
    deployment: Hash32,
    coordinator: CoordinatorId,
    signer: PublicKey,
    tls_key: Hash32,
    configuration: Hash32,
}

impl Evidence {
    /// Reads a document.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > MAX_EVIDENCE_BYTES {
            return Err(EvidenceError::TooLong(bytes.len()));
        }
        let wire: Wire = serde_json::from_slice(bytes)?;
        if wire.format != FORMAT {
            return Err(EvidenceError::Format(wire.format));
        }
        let BindingWire { deployment, coordinator, signer, tls_key, configuration } = wire.binding;
        let deployment = DeploymentId(deployment);
        Ok(Self {
            kind: wire.kind,
            binding: Binding { deployment, coordinator, signer, tls_key, configuration },
            nonce: wire.nonce,
            document: wire.document,
            collateral: wire.collateral,
        })
    }

    /// The document's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let wire = Wire {
            format: FORMAT.to_owned(),
            kind: self.kind,
            binding: BindingWire {
                deployment: self.binding.deployment.0,
                coordinator: self.binding.coordinator,
                signer: self.binding.signer,
                tls_key: self.binding.tls_key,
                configuration: self.binding.configuration,
            },
            nonce: self.nonce,
            document: self.document.clone(),
            collateral: self.collateral.clone(),
        };
        // Every field serialises to text or numbers; there is nothing to fail.
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// SHA-256 of a document's bytes, which a receipt names it by.
    #[must_use]
    pub fn hash(bytes: &[u8]) -> Hash32 {
        sha256(&[bytes])
    }
}

mod base64_bytes {
    use base64::Engine as _;

    use super::{Deserialize as _, Deserializer, STANDARD, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
