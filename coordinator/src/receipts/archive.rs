//! Carries old receipts from the database into its archive.
//!
//! Only full bundles that the chain covers, and only beyond the newest `keep`. First the object, durable
//! and read again; then one transaction that lets the bytes go. A process that is killed in between finds the
//! object there and writes the same again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Receipts;
use crate::store::{ARCHIVE_BUNDLE, Read, Store, StoreError};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(30);

/// Archives until told to stop.
pub async fn archive(receipts: Receipts, store: Store, keep: u64, stop: CancellationToken) {
    loop {
        if let Some(anchor) = receipts.anchor() {
            match archive_settled(&store, anchor.epoch, anchor.size, keep).await {
                Ok(0) => {}
                Ok(bundles) => tracing::info!(bundles, "receipts went into the archive"),
                Err(error) => tracing::error!(%error, "receipts stay in the database"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Archives what there is to archive when the chain covers `settled` receipts of `epoch`; gives how many
/// bundles went.
///
/// # Errors
/// [`StoreError`]; what went before it stays in the archive.
pub async fn archive_settled(
    store: &Store,
    epoch: u32,
    settled: u64,
    keep: u64,
) -> Result<u64, StoreError> {
    let mut gone: u64 = 0;
    for of in 0..=epoch {
        let Some(head) = store.read(move |look| look.epoch_head(of)).await? else { continue };
        // A closed epoch is on chain as a whole.
        let until =
            if of == epoch { settled.min(head.size.saturating_sub(keep)) } else { head.size };
        let bundles = until.checked_div(ARCHIVE_BUNDLE.into()).unwrap_or_default();
        let mut bundle = store.read(move |look| first_hot(look, of, bundles)).await?;
        while bundle < bundles {
            store.archive_bundle(of, bundle).await?;
            gone = gone.saturating_add(1);
            bundle = bundle.saturating_add(1);
        }
    }
    Ok(gone)
}

/// The first of `bundles` that is not archived: what is archived is at the beginning.
fn first_hot(look: &dyn Read, epoch: u32, bundles: u64) -> Result<u64, StoreError> {
    let (mut low, mut high) = (0, bundles);
    while low < high {
        let middle = low.midpoint(high);
        let index = middle.saturating_mul(ARCHIVE_BUNDLE.into());
        if look.is_archived(epoch, index)? {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}
