//! Receipt documents from files and from the coordinator.
//!
//! A coordinator is asked for a request's receipts by the request's id, and what it answers must be of that
//! request: another one's receipts, however genuine, are refused here.

use std::path::Path;

use anyhow::Context as _;
use pinaivu_attestation::MAX_EVIDENCE_BYTES;
use pinaivu_log::bundle::Document;
use pinaivu_protocol::ids::RequestId;
use serde_json::Value;

use crate::network::{Network, get_json, read_body};
use crate::output::Failure;

/// Reads a file with a receipt document.
pub(crate) fn read_file(path: &Path) -> anyhow::Result<Document> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::not_found(
            format!("{} is neither a request's id nor a readable file: {error}", path.display()),
            "ids look like req_ and 32 digits; `pinaivu receipt bundle ID` makes a file",
        )
    })?;
    Document::parse(&bytes).with_context(|| path.display().to_string())
}

/// A request's receipts as the coordinator serves them, and what they read as. With paths to the root of
/// `size` leaves where it gives them.
pub(crate) async fn fetch(
    network: &Network,
    request: RequestId,
    size: Option<u64>,
) -> anyhow::Result<(Value, Document)> {
    let query = size.map_or_else(String::new, |size| format!("?size={size}"));
    let url = format!("{}/v1/receipts/{request}{query}", network.url);
    let value: Value = get_json(&network.http, &url).await?;
    let document = Document::parse(value.to_string().as_bytes())?;
    of_request(&document, request)?;
    Ok((value, document))
}

/// Whether a document is about a request.
fn of_request(document: &Document, request: RequestId) -> Result<(), Failure> {
    let asked = request.to_string();
    let about = document.entries.iter().map(|entry| entry.receipt.head.record.request);
    let other = about.map(|about| about.to_string()).find(|about| *about != asked);
    match other.or_else(|| Some(document.request_id.clone()).filter(|about| *about != asked)) {
        None => Ok(()),
        Some(other) => Err(Failure::check(format!(
            "asked for the receipts of {asked}, the coordinator answers with those of {other}"
        ))),
    }
}

/// A request's receipts, or those of a file, with paths to the root of `size` leaves where the coordinator
/// gives them.
pub(super) async fn with_path(
    network: &Network,
    receipt: &str,
    size: u64,
) -> anyhow::Result<Document> {
    let size = (size > 0).then_some(size);
    if let Ok(id) = receipt.parse::<RequestId>() {
        return Ok(fetch(network, id, size).await?.1);
    }
    let mut document = read_file(Path::new(receipt))?;
    // A file's path may lead to an older root than the one on chain: ask for the present one.
    if let Ok(id) = document.request_id.parse::<RequestId>()
        && let Ok((_, newer)) = fetch(network, id, size).await
    {
        document.adopt_inclusion(&newer);
    }
    Ok(document)
}

/// Adds the evidence that the receipts name and that did not come along. What the coordinator does not
/// have stays out, and the check says so.
pub(super) async fn fetch_attestation(
    network: &Network,
    document: &mut Document,
) -> anyhow::Result<()> {
    for entry in &document.entries {
        let Some(hash) = entry.receipt.body.attestation.map(|hash| hash.to_string()) else {
            continue;
        };
        if document.attestation.contains_key(&hash) {
            continue;
        }
        let url = format!("{}/v1/attestation/{hash}", network.url);
        let response = network.http.get(&url).send().await?;
        if response.status().is_success() {
            let evidence = read_body(&url, response, MAX_EVIDENCE_BYTES).await?;
            document.attestation.insert(hash, evidence);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use pinaivu_log::bundle::Document;
    use pinaivu_protocol::ids::RequestId;

    use super::of_request;

    /// Whatever a document says of itself, its receipts count.
    #[test]
    fn document_of_another_request_is_refused() {
        let asked = RequestId([1; 16]);
        let empty = |request: RequestId| Document {
            request_id: request.to_string(),
            signer: None,
            entries: Vec::new(),
            attestation: std::collections::BTreeMap::new(),
        };
        assert!(of_request(&empty(asked), asked).is_ok());
        let error = of_request(&empty(RequestId([2; 16])), asked).unwrap_err();
        let other = RequestId([2; 16]);
        assert_eq!(
            error.to_string(),
            format!(
                "asked for the receipts of {asked}, the coordinator answers with those of {other}"
            )
        );
    }
}
