//! Receipt documents: what a coordinator serves of a request, and the bundles that people keep and pass on.
//!
//! JSON with each receipt's bytes and, as far as it is known, its way into the log and the attestation
//! evidence it names. Only the bytes count: whatever stands beside them is a view for people and not read
//! here. Reading verifies nothing.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::receipt::Receipt;
use serde::Deserialize;

use crate::proof::{LogProof, LogProofError};

/// The format's name and version, in bundles.
pub const FORMAT: &str = "pinaivu-receipt-bundle/v1";

/// Longest document that is read: many segments, each with its evidence.
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// All receipts of one request.
#[derive(Clone, Debug)]
pub struct Document {
    /// The request they say they are for.
    pub request_id: String,
    /// The key a bundle says is the coordinator's.
    pub signer: Option<PublicKey>,
    /// One a segment.
    pub entries: Vec<Entry>,
    /// Attestation evidence that came along, by hash; whether it has that hash nobody has looked yet.
    pub attestation: BTreeMap<String, Vec<u8>>,
}

/// One receipt with its way into the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The receipt, from its bytes.
    pub receipt: Receipt,
    /// The key that is said to have signed it: where to look, nothing more.
    pub signer: Option<PublicKey>,
    /// Where the log has it, when the document says.
    pub inclusion: Option<Inclusion>,
    /// The way to a signed head, in a bundle.
    pub proof: Option<LogProof>,
}

/// The way from a receipt to a root of the log.
#[derive(Clone, Debug, Deserialize)]
pub struct Inclusion {
    /// The log's epoch.
    pub epoch: u32,
    /// How many leaves are under the root.
    pub size: u64,
    /// The receipt's place, from 0.
    pub index: u64,
    /// RFC 9162 inclusion path.
    pub path: Vec<Hash32>,
    /// The root.
    pub root: Hash32,
}

/// Why bytes are not a receipt document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Longer than [`MAX_DOCUMENT_BYTES`].
    #[error("the document has {0} bytes, more than any needs")]
    TooLong(usize),
    /// Not the JSON of one.
    #[error("this is not a receipt document: {0}")]
    Json(#[from] serde_json::Error),
    /// It holds nothing.
    #[error("the document holds no receipt")]
    Empty,
    /// A receipt's bytes, or evidence, are not base64.
    #[error("'{0}' is not base64")]
    Base64(&'static str),
    /// A receipt's bytes are not one.
    #[error("the bytes of receipt {0} are not a receipt")]
    Receipt(usize),
    /// A proof.
    #[error("the proof of receipt {0}: {1}")]
    Proof(usize, #[source] LogProofError),
}

#[derive(Deserialize)]
struct DocumentWire {
    request_id: String,
    #[serde(default)]
    signer: Option<PublicKey>,
    receipts: Vec<EntryWire>,
    #[serde(default)]
    attestation: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct EntryWire {
    bytes: String,
    #[serde(default)]
    signer: Option<PublicKey>,
    #[serde(default)]
    inclusion: Option<Inclusion>,
    #[serde(default)]
    proof: Option<String>,
}

impl Document {
    /// Reads the JSON document.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(DocumentError::TooLong(bytes.len()));
        }
        let wire: DocumentWire = serde_json::from_slice(bytes)?;
        if wire.receipts.is_empty() {
            return Err(DocumentError::Empty);
        }
        let mut entries = Vec::with_capacity(wire.receipts.len());
        for (number, entry) in wire.receipts.into_iter().enumerate() {
            let bytes =
                STANDARD.decode(&entry.bytes).map_err(|_| DocumentError::Base64("bytes"))?;
            let receipt = Receipt::decode(&bytes).map_err(|_| DocumentError::Receipt(number))?;
            let proof = entry.proof.as_deref().map(LogProof::parse).transpose();
            let proof = proof.map_err(|error| DocumentError::Proof(number, error))?;
            entries.push(Entry {
                receipt,
                signer: entry.signer,
                inclusion: entry.inclusion,
                proof,
            });
        }
        let mut attestation = BTreeMap::new();
        for (hash, text) in wire.attestation {
            let evidence =
                STANDARD.decode(text).map_err(|_| DocumentError::Base64("attestation"))?;
            attestation.insert(hash, evidence);
        }
        Ok(Self { request_id: wire.request_id, signer: wire.signer, entries, attestation })
    }

    /// Takes the inclusion paths of a newer document, for receipts whose bytes are the same.
    pub fn adopt_inclusion(&mut self, newer: &Self) {
        for entry in &mut self.entries {
            if let Some(same) = newer.entries.iter().find(|other| other.receipt == entry.receipt) {
                entry.inclusion.clone_from(&same.inclusion);
            }
        }
    }
}
