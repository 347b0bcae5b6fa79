//! Records a receipt on chain: from then on any block explorer shows who served what, and a demand can
//! stand on it whatever key signed it.
//!
//! The program takes the receipt only with its path to the log's head on chain, so a record proves that
//! the receipt is in the log. It is written in parts, since it is larger than a transaction.

use anyhow::Context as _;
use clap::Args;
use pinaivu_chain::{Chain, Commitment, EpochOfReceipt, Keypair, Pubkey};
use pinaivu_log::bundle::{Entry, Inclusion};
use pinaivu_protocol::evidence::{LoggedReceipt, UnsignedReceipt};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::subtree_decomposition;

use super::with_inclusion;
use crate::context::ContextArgs;
use crate::network::{Network, chain_failure, public, read_keypair};
use crate::output::{Failure, Printer};

/// What to record.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// A request's id, or a file: a bundle, or what `receipt show --json` wrote.
    receipt: String,
}

/// Records every receipt of a request.
pub(super) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    arguments: &RecordArgs,
) -> anyhow::Result<()> {
    let network = Network::open(context).await?;
    let wallet = read_keypair(&context.wallet_path()?)?;
    let document = with_inclusion(&network, &arguments.receipt).await?;
    let mut records = Vec::new();
    for entry in &document.entries {
        records.push(record(&network, *printer, &wallet, entry).await?.to_string());
    }
    let text = format!("recorded at {}", records.join(", "));
    printer.result(&serde_json::json!({"request": document.request_id, "records": records}), text);
    Ok(())
}

/// Records one receipt, unless that was done before; gives the record's address.
pub(crate) async fn record(
    network: &Network,
    printer: Printer,
    wallet: &Keypair,
    entry: &Entry,
) -> anyhow::Result<Pubkey> {
    let build = &network.instructions;
    let head = &entry.receipt.head.record;
    let place = (head.epoch, head.index);
    let address = build.addresses().receipt_record(&head.coordinator, head.epoch, head.index);
    let at = Commitment::Confirmed;
    if network.chain.lamports(address, at).await.map_err(chain_failure)? > 0 {
        return Ok(address);
    }
    let inclusion = entry.inclusion.as_ref().ok_or_else(|| {
        Failure::failed(
            "the document has no path into the log for this receipt",
            "`pinaivu receipt show --json` makes one that has, once the log's head is on chain",
        )
    })?;
    let coordinator = network.coordinator_account(head.coordinator).await?;
    let (held, path) = if head.epoch == coordinator.log.epoch {
        if inclusion.size != coordinator.log.size {
            return Err(Failure::failed(
                format!(
                    "the path leads to the log of {} receipts, on chain it has {}",
                    inclusion.size, coordinator.log.size
                ),
                "run the same command again: the head on chain has moved meanwhile",
            )
            .into());
        }
        (EpochOfReceipt::Open, path_to_peak(inclusion)?)
    } else {
        (EpochOfReceipt::Closed(head.epoch), inclusion.path.clone())
    };
    let evidence = borsh::to_vec(&LoggedReceipt {
        receipt: UnsignedReceipt { head: *head, body: Box::new(entry.receipt.body.clone()) },
        path,
    })?;
    let owner = public(wallet);
    let (buffer, parts) = build
        .evidence(
            &owner,
            network.chain.position(at).await.map_err(chain_failure)?.block_height,
            &evidence,
        )
        .context("a receipt is never this long")?;
    let count = parts.len();
    for (number, part) in parts.into_iter().enumerate() {
        let what = format!("writing the receipt, part {} of {count}", number.saturating_add(1));
        network.send(printer, &what, &[part], &[wallet]).await?;
    }
    let (address, instruction) =
        build.receipt_record(&owner, &head.coordinator, place, held, &buffer);
    let close = build.evidence_close(&owner, &buffer);
    network.send(printer, "recording the receipt", &[instruction, close], &[wallet]).await?;
    Ok(address)
}

/// The part of an audit path that leads to the peak over its leaf, which the program holds.
fn path_to_peak(inclusion: &Inclusion) -> anyhow::Result<Vec<Hash32>> {
    let covers =
        |level: u8, place: u64| inclusion.index.checked_shr(u32::from(level)) == Some(place);
    let peak = subtree_decomposition(0, inclusion.size)?
        .find(|subtree| covers(subtree.level, subtree.index))
        .context("the receipt's index is not in the log")?;
    let path = inclusion.path.get(..usize::from(peak.level));
    Ok(path.context("the path in the document is too short")?.to_vec())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::merkle::{
        CompactRange, MemoryTree, inclusion_proof, leaf_hash, verify_inclusion_in_peaks,
    };

    use super::{Inclusion, path_to_peak};

    #[test]
    fn path_to_peak_is_what_the_program_checks_for_every_leaf_of_every_small_log() {
        for size in 1..=40_u64 {
            let leaves: Vec<Hash32> =
                (0..size).map(|index| leaf_hash(&index.to_le_bytes())).collect();
            let (mut range, mut tree) = (CompactRange::new(), MemoryTree::new());
            for leaf in &leaves {
                range.push(*leaf).unwrap();
                tree.push(*leaf).unwrap();
            }
            for (index, leaf) in (0..size).zip(&leaves) {
                let path = inclusion_proof(&tree, index, size).unwrap();
                let whole = Inclusion { epoch: 0, size, index, path, root: range.root() };
                let path = path_to_peak(&whole).unwrap();
                verify_inclusion_in_peaks(leaf, index, size, range.peaks(), &path).unwrap();
            }
        }
    }
}
