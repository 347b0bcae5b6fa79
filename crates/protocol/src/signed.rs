//! Records under an Ed25519 signature.
//!
//! What is signed is `tag ‖ borsh(record)`, where the tag is unique to the record's type and version,
//! and every record names the deployment it belongs to. Borsh is canonical, so equal records have equal
//! bytes; [`Signed::decode`] refuses bytes that are not exactly one record.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::ids::PublicKey;

/// Room for most records, so that writing one does not grow its buffer step by step.
const USUAL_BYTES: usize = 512;

/// A record that may be signed.
pub trait Signable: BorshSerialize + BorshDeserialize {
    /// Precedes the record in the signed bytes; ASCII, unique, ends with the format's version.
    const TAG: &'static [u8];

    /// The exact bytes under the signature.
    fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.extend_from_slice(Self::TAG);
        // Writing to a Vec fails only for records whose own Serialize fails; ours cannot.
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }
}

/// A raw Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 64]);

impl core::fmt::Debug for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&bs58::encode(self.0).into_string())
    }
}

impl core::fmt::Display for Signature {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

/// A record with the signature over it. Who may have signed is for the verifier to say: the key is
/// not carried along.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed<T> {
    /// What is signed.
    pub record: T,
    /// Ed25519 over [`Signable::signing_bytes`].
    pub signature: Signature,
}

/// Why a signed record is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
pub enum SignatureError {
    /// The bytes are not exactly one record and its signature.
    #[cfg_attr(feature = "std", error("the bytes are not one signed record"))]
    Encoding,
    /// The signature does not verify under the expected key.
    #[cfg_attr(feature = "std", error("the signature does not verify under {0}"))]
    Signature(PublicKey),
}

impl<T: Signable> Signed<T> {
    /// `borsh(record) ‖ signature`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        let written = self.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }

    /// Reads exactly one signed record; trailing bytes are an error. Verifies nothing.
    ///
    /// # Errors
    /// [`SignatureError::Encoding`].
    pub fn decode(bytes: &[u8]) -> Result<Self, SignatureError> {
        Self::try_from_slice(bytes).map_err(|_| SignatureError::Encoding)
    }
}

#[cfg(feature = "std")]
mod keys {
    use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

    use super::{Signable, Signature, SignatureError, Signed};
    use crate::ids::PublicKey;

    /// An Ed25519 key pair that signs records. Solana keys are of the same kind, so one key can be a
    /// node's TLS identity, its record signer and an account on chain.
    #[derive(Debug)]
    pub struct SigningKey {
        pair: Ed25519KeyPair,
        public: PublicKey,
    }

    /// The 32 bytes are not a usable Ed25519 seed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("not an Ed25519 seed")]
    pub struct SeedError;

    impl SigningKey {
        /// The key pair of a 32-byte seed (RFC 8032 private key; the first half of a Solana key file).
        ///
        /// # Errors
        /// [`SeedError`] when the library refuses the seed.
        pub fn from_seed(seed: &[u8; 32]) -> Result<Self, SeedError> {
            let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SeedError)?;
            let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| SeedError)?;
            Ok(Self { pair, public: PublicKey(public) })
        }

        /// The public half.
        #[must_use]
        pub const fn public(&self) -> PublicKey {
            self.public
        }

        /// Signs raw bytes. Callers outside this module sign records through [`Self::sign`].
        fn sign_bytes(&self, bytes: &[u8]) -> Signature {
            let mut signature = [0; 64];
            signature.copy_from_slice(self.pair.sign(bytes).as_ref());
            Signature(signature)
        }

        /// Signs `record`.
        #[must_use]
        pub fn sign<T: Signable>(&self, record: T) -> Signed<T> {
            let signature = self.sign_bytes(&record.signing_bytes());
            Signed { record, signature }
        }
    }

    impl<T: Signable> Signed<T> {
        /// Checks the signature under `key` and gives the record.
        ///
        /// # Errors
        /// [`SignatureError::Signature`] when it does not verify.
        pub fn verify(&self, key: &PublicKey) -> Result<&T, SignatureError> {
            UnparsedPublicKey::new(&ED25519, key.as_bytes())
                .verify(&self.record.signing_bytes(), &self.signature.0)
                .map_err(|_| SignatureError::Signature(*key))?;
            Ok(&self.record)
        }
    }
}

#[cfg(feature = "std")]
pub use keys::{SeedError, SigningKey};

/// Serialises through `Display`: hashes and ids as text in JSON views.
///
/// # Errors
/// The serializer's own.
#[cfg(feature = "std")]
pub fn as_display<T: core::fmt::Display, S: serde::Serializer>(
    value: &T,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}
