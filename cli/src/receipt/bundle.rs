//! `pinaivu receipt bundle`: everything a stranger needs to check a receipt offline, in one small file.
//!
//! The receipt, a `tlog-proof` that leads to a signed checkpoint, and what the chain held when the bundle
//! was made. Nothing in it is trusted because it is in it: `verify --offline` checks each part.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use pinaivu_log::bundle::FORMAT;
use pinaivu_log::origin;
use pinaivu_protocol::ids::{PublicKey, RequestId};
use serde_json::{Value, json};

use super::document::{fetch, fetch_attestation};
use super::online::{heads, signed_head};
use crate::context::ContextArgs;
use crate::network::{Network, chain_failure};
use crate::output::{Failure, Printer};
use pinaivu_chain::Chain as _;

/// What each receipt of a bundle needs at most with its proof, but for cosignatures of more than a few
/// witnesses.
const USUAL_BYTES: usize = 8 * 1024;

/// What to bundle.
#[derive(Debug, Args)]
pub(crate) struct BundleArgs {
    /// The request's id.
    request: RequestId,
    /// Where to write it; REQUEST.bundle.json unless given.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Makes a bundle and checks it before it is written.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    arguments: &BundleArgs,
) -> anyhow::Result<()> {
    let network = Network::open(context).await?;
    let account = network.coordinator().await?;
    let deployment = network.chain.deployment().await.map_err(chain_failure)?.id();
    let request = arguments.request.to_string();
    let (_, mut document) = fetch(&network, arguments.request, None).await?;
    fetch_attestation(&network, &mut document).await?;
    let heads = heads(&network, &document, &account).await?;
    let said = document.entries.iter().filter_map(|entry| entry.signer);
    let keys = network.signers(&account, said, &[]).await?;
    let mut receipts = Vec::new();
    for entry in &document.entries {
        let head = &entry.receipt.head.record;
        let proof = signed_head(&network, entry, &heads)
            .await?
            .context("the coordinator serves no proof for a receipt of its own")?;
        let (leaf, origin) = (entry.receipt.leaf(), origin(account.id, head.epoch));
        let verified = keys.iter().map(|key| proof.verify(&leaf, &origin, *key));
        if let Some(Err(error)) = verified.reduce(Result::or) {
            return Err(Failure::check(format!("the coordinator's proof: {error}")).into());
        }
        // Where to look for a key that was rotated since.
        let former = entry.signer.filter(|signer| *signer != account.signer);
        receipts.push(one(&entry.receipt.encode(), &proof.to_string(), former));
    }
    let mut bundle = json!({
        "format": FORMAT,
        "request_id": request,
        "deployment": deployment.to_string(),
        "coordinator": account.id,
        "signer": account.signer,
        "chain": {
            "epoch": account.log.epoch,
            "size": account.log.size,
            "root": account.log.root.to_string(),
        },
        "receipts": receipts,
    });
    let bytes = serde_json::to_vec(&bundle)?;
    let without_evidence = bytes.len();
    let mut bytes = bytes;
    if !document.attestation.is_empty() {
        let encode = |bytes: &[u8]| {
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
        };
        let evidence: serde_json::Map<String, serde_json::Value> = document
            .attestation
            .iter()
            .map(|(hash, bytes)| (hash.clone(), encode(bytes).into()))
            .collect();
        bundle["attestation"] = evidence.into();
        bytes = serde_json::to_vec(&bundle)?;
    }
    if without_evidence > USUAL_BYTES.saturating_mul(document.entries.len()) {
        printer.step(format_args!(
            "{without_evidence} bytes without evidence: the log's head carries many cosignatures"
        ));
    }
    let path =
        arguments.output.clone().unwrap_or_else(|| PathBuf::from(format!("{request}.bundle.json")));
    std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let result = json!({ "file": path, "bytes": bytes.len(), "receipts": document.entries.len() });
    printer.result(
        &result,
        format!(
            "{} ({} bytes)\ncheck it anywhere with: pinaivu receipt verify --offline {0} --signer {}",
            path.display(),
            bytes.len(),
            account.signer
        ),
    );
    Ok(())
}

/// One receipt of a bundle.
fn one(receipt: &[u8], proof: &str, signer: Option<PublicKey>) -> Value {
    let bytes = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, receipt);
    let mut value = json!({ "bytes": bytes, "proof": proof });
    if let Some(signer) = signer {
        value["signer"] = json!(signer);
    }
    value
}

#[cfg(test)]
mod tests {
    use pinaivu_protocol::ask::MAX_MODEL_LENGTH;
    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, RequestId, Segment};
    use pinaivu_protocol::proof::{
        MAX_PROOFS_PER_ROOT, NodeEvidence, Outcome, ProofOfInference, ProofRoot,
    };
    use pinaivu_protocol::receipt::{
        AuctionDigest, NodeStatement, OwnerCommitments, Receipt, ReceiptBody, ReceiptHead,
    };
    use pinaivu_protocol::signed::{Signature, Signed};
    use pinaivu_protocol::units::{Bps, FineAmount, Tariff, TokenCount, TokenPrice, UnixMillis};

    use super::*;

    const HASH: Hash32 = Hash32([0xff; 32]);
    const KEY: PublicKey = PublicKey([0xff; 32]);
    /// Leaves of a log that took ten thousand a second for three years: a path of forty hashes.
    const HEIGHT: usize = 40;
    /// Of witnesses with long names.
    const COSIGNATURES: usize = 8;

    fn signed<T>(record: T) -> Signed<T> {
        Signed { record, signature: Signature([0xff; 64]) }
    }

    /// A receipt with everything that may be in it, and names as long as a node may offer.
    fn longest() -> Receipt {
        let (deployment, coordinator) = (DeploymentId(HASH), CoordinatorId([0xff; 32]));
        let (node, request) = (NodeId([0xff; 32]), RequestId([0xff; 16]));
        let long = "m".repeat(MAX_MODEL_LENGTH);
        let root =
            ProofRoot { deployment, coordinator, node, size: MAX_PROOFS_PER_ROOT, root: HASH };
        let path = vec![HASH; MAX_PROOFS_PER_ROOT.ilog2() as usize];
        let proof = ProofOfInference {
            deployment,
            coordinator,
            node,
            request,
            segment: Segment(1),
            ticket: HASH,
            model: long.clone(),
            backend: long.clone(),
            response_commitment: HASH,
            input_tokens: TokenCount(1),
            output_tokens: TokenCount(1),
            outcome: Outcome::Completed,
            finished: UnixMillis(1),
        };
        let evidence = NodeEvidence { signer: KEY, root: signed(root), index: 1, path };
        let body = ReceiptBody {
            model: long,
            ticket: HASH,
            request_commitment: HASH,
            response_commitment: HASH,
            input_tokens: TokenCount(1),
            output_tokens: TokenCount(1),
            tariff: Tariff { price: TokenPrice(1), input_weight: 1, output_weight: 1 },
            amount: FineAmount(1),
            fee: FineAmount(1),
            fee_rate: Bps(1),
            outcome: Outcome::Completed,
            auction: AuctionDigest {
                book_head: HASH,
                candidates: 1,
                winner_ask: TokenPrice(1),
                best_losing_ask: Some(TokenPrice(1)),
            },
            owner: OwnerCommitments { escrow: HASH, allowance: HASH, cumulative: HASH },
            statement: Some(NodeStatement { proof, evidence }),
            attestation: Some(HASH),
            created: UnixMillis(1),
        };
        let head = ReceiptHead {
            deployment,
            coordinator,
            epoch: 0,
            index: 1,
            request,
            segment: Segment(1),
            node,
            node_cumulative: FineAmount(1),
            body: body.hash(),
        };
        Receipt { head: signed(head), body }
    }

    #[test]
    fn largest_receipt_of_the_largest_log_with_eight_witnesses_is_under_eight_kilobytes() {
        let hash = format!("{}=\n", "A".repeat(43));
        let name = "witness.of-a-rather-long-name.example.com/w1";
        let note = format!("\u{2014} {name} {}==\n", "A".repeat(102));
        let proof = format!(
            "c2sp.org/tlog-proof@v1\nindex {}\n{}\n{}\n{}\n{hash}\n{}",
            u64::MAX,
            hash.repeat(HEIGHT),
            origin(CoordinatorId([0xff; 32]), u32::MAX),
            u64::MAX,
            note.repeat(1 + COSIGNATURES)
        );
        let one = one(&longest().encode(), &proof, Some(KEY)).to_string();
        // Around it: what is said once for the whole bundle.
        let around = 700;
        assert!(one.len() + around < USUAL_BYTES, "{} bytes", one.len());
    }
}
