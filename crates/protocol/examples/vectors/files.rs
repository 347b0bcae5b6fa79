//! Every vector file: its path and what the code says its content is.
//!
//! Conventions: bytes and hashes are lower-case hexadecimal, addresses and keys base58, integers of
//! more than 32 bits decimal strings, everything else as its JSON type.
#![expect(clippy::unwrap_used, reason = "the inputs are fixed; a failure must stop the generator")]

mod answers;
mod commitments;
mod evidence;
mod fixtures;
mod jcs;
mod merkle;
mod records;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Path and content of every file.
pub(crate) fn all() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors");
    [
        ("merkle.json", merkle::vectors()),
        ("jcs.json", jcs::vectors()),
        ("commitments.json", commitments::vectors()),
        ("answers.json", answers::vectors()),
        ("records.json", records::vectors()),
        ("evidence.json", evidence::vectors()),
    ]
    .into_iter()
    .map(|(name, value)| (folder.join(name), text(&value)))
    .collect()
}

fn text(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap();
    text.push('\n');
    text
}
