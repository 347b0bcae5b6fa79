//! `pinaivu receipt bundle`: everything a stranger needs to check a receipt offline, in one small file.
//!
//! The receipt, a `tlog-proof` that leads to a signed checkpoint, and what the chain held when the bundle
//! was made. Nothing in it is trusted because it is in it: `verify --offline` checks each part.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use pinaivu_log::bundle::FORMAT;
use pinaivu_log::origin;
use pinaivu_protocol::ids::RequestId;
use serde_json::json;

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
    let mut receipts = Vec::new();
    for entry in &document.entries {
        let head = &entry.receipt.head.record;
        let proof = signed_head(&network, entry, &heads)
            .await?
            .context("the coordinator serves no proof for a receipt of its own")?;
        proof
            .verify(&entry.receipt.leaf(), &origin(account.id, head.epoch), account.signer)
            .map_err(|error| Failure::check(format!("the coordinator's proof: {error}")))?;
        let bytes = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            entry.receipt.encode(),
        );
        let mut receipt = json!({ "bytes": bytes, "proof": proof.to_string() });
        // Where to look for a key that was rotated since.
        if let Some(signer) = entry.signer.filter(|signer| *signer != account.signer) {
            receipt["signer"] = json!(signer);
        }
        receipts.push(receipt);
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
