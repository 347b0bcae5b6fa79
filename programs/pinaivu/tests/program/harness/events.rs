//! The events in a transaction's log.

use anchor_lang::{AnchorDeserialize, Discriminator};
use base64::Engine as _;
use litesvm::types::TransactionMetadata;

/// The events of one kind that a transaction emitted, in order.
pub(crate) fn events<T: AnchorDeserialize + Discriminator>(meta: &TransactionMetadata) -> Vec<T> {
    let payloads = meta.logs.iter().filter_map(|line| line.strip_prefix("Program data: "));
    payloads
        .map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap())
        .filter_map(|bytes| {
            let mut body = bytes.strip_prefix(T::DISCRIMINATOR)?;
            Some(T::deserialize(&mut body).unwrap())
        })
        .collect()
}

/// The only event of a kind that a transaction emitted.
#[track_caller]
pub(crate) fn event<T: AnchorDeserialize + Discriminator>(meta: &TransactionMetadata) -> T {
    let mut all = events(meta);
    assert_eq!(all.len(), 1, "events of this kind");
    all.remove(0)
}
