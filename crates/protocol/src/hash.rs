//! SHA-256 with domain separation, and the 32-byte value it gives.
//!
//! Every hash the protocol signs or stores starts with a tag of its own, so that bytes made for one
//! purpose can never be read as bytes made for another. On chain the hash is the `sol_sha256`
//! system call, elsewhere the `sha2` crate; both are reached through `solana-sha256-hasher`.

use core::fmt;
use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

/// A SHA-256 digest.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Hash32(pub [u8; 32]);

impl Hash32 {
    /// The all-zero value, which stands for "nothing yet" where a field says so. It is not a hash of
    /// anything known.
    pub const ZERO: Self = Self([0; 32]);

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex::<64>(f, &self.0)
    }
}

/// Writes bytes as `N` lower-case hexadecimal digits, two for each of them.
pub(crate) fn write_hex<const N: usize>(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let mut digits = [0; N];
    hex::encode_to_slice(bytes, &mut digits).map_err(|_| fmt::Error)?;
    f.write_str(core::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
}

/// Not a hash in text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
#[cfg_attr(feature = "std", error("expected 64 hexadecimal digits"))]
pub struct HashError;

/// 64 hexadecimal digits, of either case; [`fmt::Display`] writes lower case.
impl FromStr for Hash32 {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError)?;
        Ok(Self(bytes))
    }
}

#[cfg(feature = "std")]
impl serde::Serialize for Hash32 {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(feature = "std")]
impl<'de> serde::Deserialize<'de> for Hash32 {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Hash32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl AsRef<[u8]> for Hash32 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// SHA-256 over the concatenation of `parts`, without a tag: for formats that other people defined
/// (RFC 9162). Our own formats use [`tagged`].
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> Hash32 {
    Hash32(solana_sha256_hasher::hashv(parts).to_bytes())
}

/// `SHA-256(tag ‖ 0x00 ‖ part₀ ‖ part₁ ‖ …)`.
///
/// `tag` is ASCII without a zero byte, so tag and content cannot run into each other. Parts of
/// variable length must carry their own length (borsh does).
#[must_use]
pub fn tagged(tag: &str, parts: &[&[u8]]) -> Hash32 {
    let mut all: Vec<&[u8]> = Vec::with_capacity(parts.len().saturating_add(2));
    all.push(tag.as_bytes());
    all.push(&[0]);
    all.extend_from_slice(parts);
    sha256(&all)
}

#[cfg(test)]
mod tests {
    use super::{Hash32, HashError};

    #[test]
    fn hash_is_64_hexadecimal_digits_and_reads_what_it_writes() {
        let hash = Hash32([0xa0; 32]);
        assert_eq!(hash.to_string(), "a0".repeat(32));
        assert_eq!("a0".repeat(32).parse(), Ok(hash));
        assert_eq!("A0".repeat(32).parse(), Ok(hash));
        for wrong in ["", "0a", &"0a".repeat(33), &"0g".repeat(32)] {
            assert_eq!(wrong.parse::<Hash32>(), Err(HashError), "{wrong}");
        }
    }
}
