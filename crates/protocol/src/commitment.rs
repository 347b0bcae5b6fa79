//! Salted commitments: a receipt is public, what it is about is not.
//!
//! A commitment is `SHA-256(tag ‖ 0x00 ‖ salt ‖ bytes)` with a fresh 32-byte salt. Whoever is given
//! salt and content can check it; without the salt, guessing the content gives nothing. For request
//! and answer the bytes are [canonical JSON](crate::jcs), so that they can be recomputed from the
//! objects an SDK hands out, whatever their spelling was on the wire.

use core::fmt;
use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use rand::RngCore as _;
use serde_json::Value;

use crate::answer::Answer;
use crate::hash::{Hash32, tagged, write_hex};
use crate::jcs::{self, JsonError};

/// Tag of the commitment to a client's request.
pub const REQUEST_TAG: &str = "pinaivu/request/v1";
/// Tag of the commitment to a node's answer.
pub const RESPONSE_TAG: &str = "pinaivu/response/v1";

/// 32 random bytes that hide what a commitment is to. Used for one request and its answer only; shown as 64
/// hexadecimal digits. Secret towards the public, so `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Salt(pub [u8; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a salt of 64 hexadecimal digits")]
pub struct SaltError;

impl Salt {
    /// A new salt from the thread's cryptographic generator.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(…)")
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex::<64>(f, &self.0)
    }
}

impl FromStr for Salt {
    type Err = SaltError;

    fn from_str(text: &str) -> Result<Self, SaltError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| SaltError)?;
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Salt {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Salt {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The commitment to any bytes: `SHA-256(tag ‖ 0x00 ‖ salt ‖ bytes)`. The tag names what the bytes
/// are and must be used for nothing else.
#[must_use]
pub fn value_commitment(tag: &str, salt: &Salt, bytes: &[u8]) -> Hash32 {
    tagged(tag, &[&salt.0, bytes])
}

/// The commitment to a request that was read by [`jcs::parse`].
///
/// A request parsed in another way may have lost a repeated member or the digits of a huge integer
/// already, and then this is the commitment to what is left.
///
/// # Errors
///
/// [`JsonError::Number`] for a number that JSON cannot express.
pub fn request_commitment(salt: &Salt, request: &Value) -> Result<Hash32, JsonError> {
    Ok(value_commitment(REQUEST_TAG, salt, &jcs::canonical_bytes(request)?))
}

/// The commitment to a request as it is on the wire.
///
/// # Errors
///
/// [`JsonError`] when the request is not JSON with one clear meaning.
pub fn request_commitment_raw(salt: &Salt, json: &[u8]) -> Result<Hash32, JsonError> {
    Ok(value_commitment(REQUEST_TAG, salt, &jcs::canonicalize(json)?))
}

/// The commitment to an answer, streamed or not.
#[must_use]
pub fn response_commitment(salt: &Salt, answer: &Answer) -> Hash32 {
    value_commitment(RESPONSE_TAG, salt, &answer.canonical_bytes())
}
