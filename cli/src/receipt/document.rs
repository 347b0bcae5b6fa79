//! Receipt documents from files and from the coordinator.

use std::path::Path;

use anyhow::Context as _;
use pinaivu_log::bundle::Document;

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

/// Reads what a coordinator serves.
pub(crate) fn read(value: &serde_json::Value) -> anyhow::Result<Document> {
    Ok(Document::parse(value.to_string().as_bytes())?)
}
