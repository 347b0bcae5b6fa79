//! What the chain says of a document's receipts, and how the log's own files lead from them to it.
//!
//! Of the coordinator only files are taken, each of which is held against a root on chain. What it does not
//! serve although the chain says that it is there counts against it; when it cannot be reached, nothing is
//! said at all.

use std::collections::BTreeMap;

use pinaivu_chain::{Chain as _, Commitment, Coordinator};
use pinaivu_log::bundle::{Document, Entry};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::proof::LogProof;
use pinaivu_log::source::{self, LogSource as _, ReadError, SourceError};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;

use super::document::{fetch_attestation, with_path};
use super::evidence::{Anchored, ChainFacts, Extended};
use crate::context::ContextArgs;
use crate::log::HttpLog;
use crate::network::{Network, chain_failure};
use crate::output::Failure;

/// How settled what is compared with must be.
const AT: Commitment = Commitment::Confirmed;

/// A request's receipts, or those of a file, with their way to a signed head, and what the chain says.
/// `former` are keys of the coordinator that the person vouches for.
pub(super) async fn online(
    context: &ContextArgs,
    receipt: &str,
    former: &[PublicKey],
) -> anyhow::Result<(Document, ChainFacts)> {
    let network = Network::open(context).await?;
    let coordinator = network.coordinator().await?;
    let deployment = network.chain.deployment().await.map_err(chain_failure)?.id();
    let mut document = with_path(&network, receipt, coordinator.log.size).await?;
    fetch_attestation(&network, &mut document).await?;
    let heads = heads(&network, &document, &coordinator).await?;
    for entry in &mut document.entries {
        if entry.proof.is_none() {
            entry.proof = signed_head(&network, entry, &heads).await?;
        }
    }
    let listed =
        network.chain.measurements(network.info.market, AT).await.map_err(chain_failure)?;
    let mut facts = ChainFacts {
        deployment: Some(deployment),
        program: Some(network.info.program),
        measurements: listed.into_iter().map(|entry| entry.measurement).collect(),
        fee_rate: Some(coordinator.fee.min(network.market.fee_cap)),
        ..ChainFacts::offline(coordinator.signer)
    };
    let log = HttpLog::of(&network);
    for entry in &document.entries {
        facts.anchored.push(anchored(&log, entry, &heads).await?);
        facts.extended.push(extended(&log, entry, &heads).await?);
    }
    let said = document.entries.iter().filter_map(|entry| entry.signer.or(document.signer));
    let keys = network.signers(&coordinator, said, former).await?;
    facts.former_signers = keys.into_iter().skip(1).collect();
    look_up_nodes(&network, &document, &mut facts).await?;
    facts.coordinator = Some(coordinator);
    Ok((document, facts))
}

/// The accounts of the nodes, and whether the chain has the keys they signed with, now or before they were
/// rotated.
async fn look_up_nodes(
    network: &Network,
    document: &Document,
    facts: &mut ChainFacts,
) -> anyhow::Result<()> {
    for entry in &document.entries {
        let id = entry.receipt.head.record.node;
        if let Some(node) = network.chain.node(id, AT).await.map_err(chain_failure)? {
            facts.nodes.push(node);
        }
        if let Some(statement) = &entry.receipt.body.statement {
            let key = statement.evidence.signer;
            let retired = network.chain.retired_signer(&id, &key, AT).await;
            if retired.map_err(chain_failure)?.is_some() {
                facts.former_keys.push((id, key));
            }
        }
    }
    Ok(())
}

/// Heads of the log on chain by epoch, of those that the receipts are in.
pub(super) type Heads = BTreeMap<u32, (u64, Hash32)>;

pub(super) async fn heads(
    network: &Network,
    document: &Document,
    coordinator: &Coordinator,
) -> anyhow::Result<Heads> {
    let open = &coordinator.log;
    let mut heads = Heads::from([(open.epoch, (open.size, open.root))]);
    for entry in &document.entries {
        let epoch = entry.receipt.head.record.epoch;
        if epoch >= open.epoch || heads.contains_key(&epoch) {
            continue;
        }
        let head = network.chain.epoch_head(coordinator.id, epoch, AT).await;
        if let Some(head) = head.map_err(chain_failure)? {
            heads.insert(epoch, (head.size, head.root));
        }
    }
    Ok(heads)
}

/// The way to a head that the coordinator signed: the one on chain where that covers the receipt, so that
/// both are seen to be the same. Nothing where it serves none; then the check says so.
pub(super) async fn signed_head(
    network: &Network,
    entry: &Entry,
    heads: &Heads,
) -> anyhow::Result<Option<LogProof>> {
    let head = &entry.receipt.head.record;
    let size = heads.get(&head.epoch).map(|(size, _)| *size).filter(|size| *size > head.index);
    let query = size.map_or_else(String::new, |size| format!("?size={size}"));
    let path = format!("proof/{}{query}", head.index);
    match HttpLog::of(network).fetch(head.epoch, &path).await {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok().and_then(|text| LogProof::parse(&text).ok())),
        Err(SourceError::Missing(_)) => Ok(None),
        Err(error) => Err(unreachable(&error)),
    }
}

fn unreachable(error: &SourceError) -> anyhow::Error {
    Failure::unreachable(error.to_string(), "try again, or check a bundle with --offline").into()
}

/// How the log on chain stands to a receipt.
async fn anchored(log: &HttpLog, entry: &Entry, heads: &Heads) -> anyhow::Result<Anchored> {
    let place = &entry.receipt.head.record;
    let Some(&(size, root)) = heads.get(&place.epoch) else {
        return Ok(Anchored::Unknown(format!("the chain has no head of epoch {}", place.epoch)));
    };
    if size <= place.index {
        return Ok(Anchored::NotYet { size });
    }
    let brought = entry.inclusion.as_ref().filter(|way| {
        (way.epoch, way.size, way.index) == (place.epoch, size, place.index) && way.root == root
    });
    let path = match brought {
        Some(way) => Ok(way.path.clone()),
        // Made from the log's own tiles, which anybody can read.
        None => {
            let head = Checkpoint { origin: String::new(), size, root };
            match source::inclusion(log, place.epoch, place.index, &head).await {
                Ok(path) => Ok(path),
                Err(ReadError::Source(error @ SourceError::Unreachable { .. })) => {
                    return Err(unreachable(&error));
                }
                Err(error) => Err(error.to_string()),
            }
        }
    };
    Ok(Anchored::Covered { size, root, path })
}

/// Whether the log on chain and the signed head in a receipt's proof are one log.
async fn extended(log: &HttpLog, entry: &Entry, heads: &Heads) -> anyhow::Result<Extended> {
    let epoch = entry.receipt.head.record.epoch;
    let signed =
        entry.proof.as_ref().and_then(|proof| Checkpoint::from_text(proof.checkpoint.text()).ok());
    let (Some(signed), Some(&(size, root))) = (signed, heads.get(&epoch)) else {
        return Ok(Extended::Unknown("there is nothing to compare".to_owned()));
    };
    if signed.size > size {
        return Ok(Extended::Unknown(format!("the chain's log has {size} entries so far")));
    }
    let newer = Checkpoint { origin: String::new(), size, root };
    match source::consistency(log, epoch, (signed.size, signed.root), &newer).await {
        Ok(_) => Ok(Extended::Holds),
        Err(ReadError::Source(error @ SourceError::Unreachable { .. })) => Err(unreachable(&error)),
        Err(error) => Ok(Extended::Contradicts(error.to_string())),
    }
}
