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
mod evidence;
mod finding;
mod ledger;
mod nodes;
mod owner;
mod report;

pub use chain::{Anchor, ChainReader, Opening, Settled};
pub use evidence::{Evidence, HeldError, Issuer};
pub use finding::{Contradiction, Finding};
pub use owner::{
    OWNER_ALLOWANCE_TAG, OWNER_CUMULATIVE_TAG, OWNER_ESCROW_TAG, OwnerRecord, OwnerRecordSalts,
};
pub use report::{EpochReport, Report, Totals};

use crate::checkpoint::Checkpoint;
use crate::source::{LogSource, ReadError, SourceError, checkpoint};
use crate::tile::{Resource, Span};
use ledger::Ledger;

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
        ledger.begin_epoch(closed.epoch);
        let head = match open_checkpoint(source, &ledger, closed.epoch).await? {
            Ok(head) => Some(head),
            // An epoch can be left out: the chain numbers them.
            Err((Contradiction::Unavailable, _)) if closed.size == 0 => None,
            Err((kind, detail)) => {
                ledger.found(kind, closed.epoch, None, detail);
                None
            }
        };
        if let Some(head) = &head {
            stream(source, chain, &mut ledger, head, head.size, &mut progress).await?;
        }
        ledger.close_epoch(closed.size);
        if let Some(head) = &head {
            ledger.end_epoch(head);
        }
    }

    let epoch = opening.open.epoch;
    ledger.begin_epoch(epoch);
    let newest = newest_head(source, &mut ledger).await?;
    // First to where the chain was; what it owes for that, it has had time to pay when it is asked again.
    if let Some(head) = &newest {
        stream(source, chain, &mut ledger, head, opening.open.size, &mut progress).await?;
    }
    let due = ledger.due();
    let settled = chain.settled(&due).await?;
    if settled.open.epoch != epoch {
        return Err(AuditError::EpochOpened);
    }
    ledger.expect_anchor(&settled.open);
    let newest = match newest {
        // The chain has gone past the head that was read.
        Some(head) if head.size < settled.open.size => newest_head(source, &mut ledger).await?,
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

/// The newest checkpoint of the epoch that is read, or a finding and nothing.
async fn newest_head(
    source: &impl LogSource,
    ledger: &mut Ledger,
) -> Result<Option<Checkpoint>, AuditError> {
    let epoch = ledger.epoch();
    Ok(match open_checkpoint(source, ledger, epoch).await? {
        Ok(head) => Some(head),
        Err((kind, detail)) => {
            ledger.found(kind, epoch, None, detail);
            None
        }
    })
}

/// The newest checkpoint of an epoch, or what is wrong with it.
async fn open_checkpoint(
    source: &impl LogSource,
    ledger: &Ledger,
    epoch: u32,
) -> Result<Result<Checkpoint, (Contradiction, String)>, AuditError> {
    let (coordinator, key) = ledger.issuer();
    match checkpoint(source, coordinator, epoch, key).await {
        Ok((_, head)) => Ok(Ok(head)),
        Err(ReadError::Source(error @ SourceError::Unreachable { .. })) => Err(error.into()),
        Err(ReadError::Source(error)) => Ok(Err((Contradiction::Unavailable, error.to_string()))),
        Err(error) => Ok(Err((Contradiction::Checkpoint, error.to_string()))),
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
                look_up(chain, ledger).await?;
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

/// Asks the chain for whoever the bundle named and nobody knew. Bounded: see [`nodes`].
async fn look_up(chain: &impl ChainReader, ledger: &mut Ledger) -> Result<(), AuditError> {
    for node in ledger.unknown_nodes() {
        let key = chain.node_key(node).await?;
        ledger.know_node(node, key);
    }
    for (node, key) in ledger.strangers() {
        let its_own =
            chain.node_key(node).await? == Some(key) || chain.former_key(node, key).await?;
        ledger.know_key(node, key, its_own);
    }
    Ok(())
}
