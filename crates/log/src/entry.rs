//! Entries of the log: what its leaves are hashes of, and bundles of them (C2SP `tlog-tiles`).
//!
//! An entry is `"pinaivu/receipt/v1" ‖ 00 ‖ borsh(head) ‖ borsh(body)`: a receipt without the signature
//! on its head, which is made after the leaf is fixed. In a bundle every entry follows its length, two
//! bytes big endian.

use borsh::{BorshDeserialize, BorshSerialize as _};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::leaf_hash;
use pinaivu_protocol::receipt::{Receipt, ReceiptBody, ReceiptHead};
use pinaivu_protocol::signed::Signable as _;

/// Longest entry a bundle can hold. A coordinator makes no receipt beyond it.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Bytes of `borsh(head)`.
const HEAD_BYTES: usize = 174;
/// Bytes of the signature that follows it in a stored receipt.
const SIGNATURE_BYTES: usize = 64;

/// Why bytes are not entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// An entry does not fit [`MAX_ENTRY_BYTES`].
    #[error("an entry of {0} bytes does not fit a bundle")]
    TooLong(usize),
    /// The bundle ends inside an entry.
    #[error("the bundle ends inside an entry")]
    Truncated,
    /// The bytes are not exactly one receipt without its signature.
    #[error("the entry is not a receipt")]
    Encoding,
}

/// One entry, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The receipt's head.
    pub head: ReceiptHead,
    /// The receipt's body.
    pub body: ReceiptBody,
}

impl Entry {
    /// Reads exactly one entry. Verifies nothing.
    ///
    /// # Errors
    /// [`EntryError::Encoding`].
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut rest = bytes.strip_prefix(ReceiptHead::TAG).ok_or(EntryError::Encoding)?;
        let head = ReceiptHead::deserialize(&mut rest).map_err(|_| EntryError::Encoding)?;
        let body = ReceiptBody::deserialize(&mut rest).map_err(|_| EntryError::Encoding)?;
        if rest.is_empty() { Ok(Self { head, body }) } else { Err(EntryError::Encoding) }
    }

    /// The bytes the leaf is the hash of.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head.signing_bytes();
        // Writing to a Vec fails only for values whose own Serialize fails; ours cannot.
        let written = self.body.serialize(&mut bytes);
        debug_assert!(written.is_ok());
        bytes
    }

    /// The leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash32 {
        leaf_hash(&self.encode())
    }
}

impl From<&Receipt> for Entry {
    fn from(receipt: &Receipt) -> Self {
        Self { head: receipt.head.record, body: receipt.body.clone() }
    }
}

/// The entry of a receipt as it is stored (`Receipt::encode`), without decoding it.
///
/// # Errors
/// [`EntryError::Encoding`] when it is shorter than a head and its signature.
pub fn of_stored(receipt: &[u8]) -> Result<Vec<u8>, EntryError> {
    let (head, rest) = receipt.split_at_checked(HEAD_BYTES).ok_or(EntryError::Encoding)?;
    let (_, body) = rest.split_at_checked(SIGNATURE_BYTES).ok_or(EntryError::Encoding)?;
    Ok([ReceiptHead::TAG, head, body].concat())
}

/// Appends one entry to a bundle.
///
/// # Errors
/// [`EntryError::TooLong`].
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryError> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryError::TooLong(entry.len()))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle, in order, undecoded. Ends after the first error.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8], EntryError>> {
    let mut rest = bundle;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = rest.split_first_chunk::<2>().and_then(|(length, more)| {
            more.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        });
        let Some((entry, more)) = split else {
            rest = &[];
            return Some(Err(EntryError::Truncated));
        };
        rest = more;
        Some(Ok(entry))
    })
}
