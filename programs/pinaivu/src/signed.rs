//! Records of the protocol, read from bytes that a key signed.

use anchor_lang::prelude::*;
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::receipt::ReceiptHead;
use pinaivu_protocol::signed::Signable;

use crate::error::PinaivuError;

/// The receipt head that was signed.
pub(crate) fn receipt_head(message: &[u8]) -> Result<ReceiptHead> {
    record(message)
}

/// The root over proofs that was signed.
pub(crate) fn proof_root(message: &[u8]) -> Result<ProofRoot> {
    record(message)
}

/// Exactly the record's tag and the record; another record's tag is another message.
fn record<T: Signable>(message: &[u8]) -> Result<T> {
    let body = message.strip_prefix(T::TAG).ok_or(PinaivuError::SignedBytesMalformed)?;
    match T::try_from_slice(body) {
        Ok(record) => Ok(record),
        Err(_) => err!(PinaivuError::SignedBytesMalformed),
    }
}
