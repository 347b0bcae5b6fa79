//! Identities as types: a node can never be passed where a coordinator is meant.
//!
//! Accounts on chain are 32-byte addresses shown in base58. Requests are 16 bytes, time-ordered, and
//! shown as `req_` with 32 hexadecimal digits.

use core::fmt;
use core::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::{Hash32, tagged, write_hex};

/// Why a string is not the identity it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "std", derive(thiserror::Error))]
pub enum IdError {
    /// Not base58, or not 32 bytes.
    #[cfg_attr(feature = "std", error("expected 32 bytes in base58"))]
    Address,
    /// Not `req_` and 32 lower-case hexadecimal digits.
    #[cfg_attr(feature = "std", error("expected req_ and 32 lower-case hexadecimal digits"))]
    Request,
}

macro_rules! address_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize,
            BorshDeserialize,
        )]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl From<[u8; 32]> for $name {
            fn from(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&bs58::encode(self.0).into_string())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; 32];
                match bs58::decode(text).onto(&mut bytes) {
                    Ok(32) => Ok(Self(bytes)),
                    _ => Err(IdError::Address),
                }
            }
        }

        #[cfg(feature = "std")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        #[cfg(feature = "std")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

address_id! {
    /// The `Market` account: one per mint and cluster.
    MarketId
}
address_id! {
    /// A `Coordinator` account.
    CoordinatorId
}
address_id! {
    /// A `Node` account: the node's identity, whatever key it signs with today.
    NodeId
}
address_id! {
    /// An `Escrow` account.
    EscrowId
}
address_id! {
    /// An `Allowance` account: what one escrow reserved for one coordinator.
    AllowanceId
}
address_id! {
    /// An Ed25519 public key: a wallet, or the hot key of a node or coordinator.
    PublicKey
}
address_id! {
    /// The address of the deployed program.
    ProgramId
}
address_id! {
    /// A cluster, by its genesis hash.
    ClusterId
}

/// One deployment of the program on one cluster: `tagged("pinaivu/deployment/v1", cluster ‖ program)`.
///
/// Every signed record starts with it, so nothing signed for one cluster or program counts on another.
/// It stands for both addresses in 32 bytes so that a receipt head stays small enough for two of them
/// in one transaction.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct DeploymentId(pub Hash32);

impl DeploymentId {
    /// The id of `program` on `cluster`.
    #[must_use]
    pub fn new(cluster: &ClusterId, program: &ProgramId) -> Self {
        Self(tagged("pinaivu/deployment/v1", &[&cluster.0, &program.0]))
    }
}

impl fmt::Debug for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One client request: 6 bytes of milliseconds since 1970 (big endian), then 10 random bytes, so that
/// ids sort by time.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    /// An id for a request that arrived at `millis`, made unique by `random`.
    #[must_use]
    pub fn new(millis: crate::units::UnixMillis, random: [u8; 10]) -> Self {
        let [_, _, a, b, c, d, e, f] = millis.0.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        Self([a, b, c, d, e, f, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9])
    }

    /// When the request arrived.
    #[must_use]
    pub const fn arrived(&self) -> crate::units::UnixMillis {
        let [a, b, c, d, e, f, ..] = self.0;
        crate::units::UnixMillis(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("req_")?;
        write_hex::<32>(f, &self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix("req_").ok_or(IdError::Request)?;
        let lower =
            digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let mut bytes = [0; 16];
        match hex::decode_to_slice(digits, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(IdError::Request),
        }
    }
}

#[cfg(feature = "std")]
impl serde::Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(feature = "std")]
impl<'de> serde::Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The part of a request that one node answered: 0 unless another node continued after a failure.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Segment(pub u16);
