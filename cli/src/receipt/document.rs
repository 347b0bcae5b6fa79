//! A receipt document as the coordinator serves it and as people keep it.
//!
//! Only the bytes count: the JSON beside them is a view for people and is not read here.

use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pinaivu_log::proof::LogProof;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::receipt::Receipt;
use serde::Deserialize;
use serde_json::Value;

use crate::output::Failure;

/// All receipts of one request.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// The request they say they are for.
    pub request_id: String,
    /// The key a bundle says is the coordinator's.
    pub signer: Option<PublicKey>,
    /// One a segment.
    pub entries: Vec<Entry>,
}

/// One receipt with its way into the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The receipt, from its bytes.
    pub receipt: Receipt,
    /// Where the log has it, when the document says.
    pub inclusion: Option<Inclusion>,
    /// The way to a signed head, in a bundle.
    pub proof: Option<LogProof>,
}

/// The way from a receipt to a root of the log.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Inclusion {
    /// The log's epoch.
    pub epoch: u32,
    /// How many leaves are under the root.
    pub size: u64,
    /// The receipt's place, from 0.
    pub index: u64,
    /// RFC 9162 inclusion path.
    #[serde(deserialize_with = "hashes")]
    pub path: Vec<Hash32>,
    /// The root.
    #[serde(deserialize_with = "hash")]
    pub root: Hash32,
}

#[derive(Deserialize)]
struct DocumentWire {
    request_id: String,
    #[serde(default)]
    signer: Option<PublicKey>,
    receipts: Vec<EntryWire>,
}

#[derive(Deserialize)]
struct EntryWire {
    bytes: String,
    #[serde(default)]
    inclusion: Option<Inclusion>,
    #[serde(default)]
    proof: Option<String>,
}

impl Document {
    /// Reads the JSON document.
    pub(crate) fn read(value: &Value) -> anyhow::Result<Self> {
        let wire = DocumentWire::deserialize(value).context("this is not a receipt document")?;
        if wire.receipts.is_empty() {
            bail!("the document holds no receipt");
        }
        let entries = wire
            .receipts
            .into_iter()
            .map(|entry| {
                let bytes = STANDARD.decode(&entry.bytes).context("`bytes` is not base64")?;
                let receipt = Receipt::decode(&bytes)?;
                let proof = entry.proof.as_deref().map(LogProof::parse).transpose()?;
                Ok(Entry { receipt, inclusion: entry.inclusion, proof })
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { request_id: wire.request_id, signer: wire.signer, entries })
    }

    /// Reads a file with such a document.
    pub(crate) fn read_file(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Failure::not_found(
                format!(
                    "{} is neither a request's id nor a readable file: {error}",
                    path.display()
                ),
                "ids look like req_ and 32 digits; `pinaivu receipt bundle ID` makes a file",
            )
        })?;
        let value = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not JSON", path.display()))?;
        Self::read(&value)
    }

    /// Takes the inclusion paths of a newer document, for receipts whose bytes are the same.
    pub(crate) fn adopt_inclusion(&mut self, newer: Self) {
        for entry in &mut self.entries {
            if let Some(same) = newer.entries.iter().find(|other| other.receipt == entry.receipt) {
                entry.inclusion.clone_from(&same.inclusion);
            }
        }
    }
}

fn parse_hash(text: &str) -> Option<Hash32> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(Hash32(bytes))
}

fn hash<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Hash32, D::Error> {
    let text = String::deserialize(from)?;
    parse_hash(&text).ok_or_else(|| serde::de::Error::custom("expected 64 hexadecimal digits"))
}

fn hashes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Hash32>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    texts
        .iter()
        .map(|text| {
            parse_hash(text)
                .ok_or_else(|| serde::de::Error::custom("expected 64 hexadecimal digits"))
        })
        .collect()
}
