//! The audit: a coordinator's whole public story, derived again from its log and the chain.
//!
//! [`run`] streams every entry of every epoch once, in order. It holds on to one cumulative for each
//! node, one path of the tree and a spill file of ids, so its memory does not grow with the log. What
//! does not fit together is a [`Contradiction`]: with one, the coordinator, the chain's record or the
//! evidence that was brought along is wrong, and nobody's word decides which.
//!
//! It does not judge prices, speed or answers, and it cannot see what was never logged, unless somebody
//! brings a receipt for it ([`Evidence::held`]).

mod chain;
mod duplicates;
mod finding;
mod ledger;
mod owner;
mod report;

pub use chain::{Anchor, ChainReader, Opening, Settled};
pub use finding::{Contradiction, Finding};
pub use owner::{
    OWNER_ALLOWANCE_TAG, OWNER_CUMULATIVE_TAG, OWNER_ESCROW_TAG, OwnerRecord, OwnerRecordSalts,
};
pub use report::{EpochReport, Report, Totals};

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::receipt::Receipt;

use crate::checkpoint::Checkpoint;
use crate::source::{LogSource, ReadError, SourceError, checkpoint};
use crate::tile::{Resource, Span};
use ledger::Ledger;

/// What somebody brings along beside the log and the chain.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Signed receipts that people or nodes hold: each must be in the log, at its place.
    pub held: Vec<Receipt>,
    /// Heads that were shown before or to others: epoch, leaves, root, and where they are from.
    pub heads: Vec<(u32, u64, Hash32, String)>,
    /// An owner's own records with their salts.
    pub owner: Vec<OwnerRecord>,
}

/// Why an audit could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Log or chain cannot be reached.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The spill file for ids.
    #[error("the file of request ids")]
    Spill(#[from] std::io::Error),
    /// A new epoch was opened while the log was read.
    #[error("a new log epoch was opened meanwhile; start again")]
    EpochOpened,
}

/// Entries read so far, and how many there are to read as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Read.
    pub done: u64,
    /// To be read in all.
    pub total: u64,
}

/// Audits one coordinator.
///
/// # Errors
/// [`AuditError`] when the audit could not be made. What it found is in the report.
pub async fn run(
    source: &impl LogSource,
    chain: &impl ChainReader,
    evidence: Evidence,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<Report, AuditError> {
    let opening = chain.opening().await?;
    let mut ledger = Ledger::new(&opening, evidence);
    for closed in &opening.closed {
        let Some(head) = open_checkpoint(source, &mut ledger, closed.epoch).await? else {
            continue;
        };
        ledger.begin_epoch(closed.epoch);
        stream(source, chain, &mut ledger, &head, head.size, &mut progress).await?;
        ledger.end_epoch(&head);
    }

    let epoch = opening.open.epoch;
    let newest = open_checkpoint(source, &mut ledger, epoch).await?;
    ledger.begin_epoch(epoch);
    // First to where the chain was; what it owes for that, it has had time to pay when it is asked again.
    if let Some(head) = &newest {
        stream(source, chain, &mut ledger, head, opening.open.size, &mut progress).await?;
    }
    let due = ledger.mark_due();
    let settled = chain.settled(&due).await?;
    if settled.open.epoch != epoch {
        return Err(AuditError::EpochOpened);
    }
    ledger.expect_anchor(&settled.open);
    let newest = match newest {
        // The chain has gone past the head that was read.
        Some(head) if head.size < settled.open.size => {
            open_checkpoint(source, &mut ledger, epoch).await?
        }
        other => other,
    };
    if let Some(head) = &newest {
        stream(source, chain, &mut ledger, head, settled.open.size, &mut progress).await?;
    }
    ledger.mark_anchored();
    if let Some(head) = &newest {
        stream(source, chain, &mut ledger, head, head.size, &mut progress).await?;
        ledger.end_epoch(head);
    }
    Ok(ledger.finish(&settled, &due)?)
}

/// The newest checkpoint of an epoch, or a finding and nothing.
async fn open_checkpoint(
    source: &impl LogSource,
    ledger: &mut Ledger,
    epoch: u32,
) -> Result<Option<Checkpoint>, AuditError> {
    let (coordinator, key) = ledger.issuer();
    match checkpoint(source, coordinator, epoch, key).await {
        Ok((_, head)) => Ok(Some(head)),
        Err(ReadError::Source(error @ SourceError::Unreachable { .. })) => Err(error.into()),
        Err(ReadError::Source(error)) => {
            ledger.found(Contradiction::Unavailable, epoch, None, error.to_string());
            Ok(None)
        }
        Err(error) => {
            ledger.found(Contradiction::Checkpoint, epoch, None, error.to_string());
            Ok(None)
        }
    }
}

/// Reads entries up to `until`, as far as the checkpoint goes.
async fn stream(
    source: &impl LogSource,
    chain: &impl ChainReader,
    ledger: &mut Ledger,
    head: &Checkpoint,
    until: u64,
    progress: &mut (impl FnMut(Progress) + Send),
) -> Result<(), AuditError> {
    let until = until.min(head.size);
    while ledger.size() < until && !ledger.is_unreadable() {
        let at = ledger.size();
        let Some(span) = Span::at(at >> 8, head.size) else { break };
        let resource = Resource::Entries(span);
        match source.fetch(ledger.epoch(), &resource.to_string()).await {
            Ok(bundle) => {
                ledger.bundle(span, &bundle, until)?;
                for (node, key) in ledger.strangers() {
                    let its_own = chain.former_key(node, key).await?;
                    ledger.know_key(node, key, its_own);
                }
            }
            Err(error @ SourceError::Unreachable { .. }) => return Err(error.into()),
            Err(error) => ledger.unreadable(error.to_string()),
        }
        progress(Progress {
            done: ledger.read(),
            total: ledger.read_before().saturating_add(head.size),
        });
    }
    Ok(())
}
