//! Formats of the log and of attestation: text, bundles, documents.

use pinaivu_attestation::{Evidence, nitro, tdx};
use pinaivu_log::audit::OwnerRecord;
use pinaivu_log::bundle::Document;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::entry::{self, Entry};
use pinaivu_log::note::{Note, NoteKey};
use pinaivu_log::proof::LogProof;
use pinaivu_log::tile::Resource;
use pinaivu_log::witness::AddCheckpoint;
use pinaivu_protocol::units::UnixMillis;

/// A time at which the seeds' Nitro document is valid.
const NOW: UnixMillis = UnixMillis(1_743_806_208_770);

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// A signed note, and a note's key.
pub(crate) fn note(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text, "a note has one form");
    }
    if let Ok(key) = NoteKey::parse(text) {
        assert_eq!(NoteKey::parse(&key.to_string()), Ok(key));
    }
}

/// A checkpoint's text, alone and in a note; a path below a log.
pub(crate) fn checkpoint(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(checkpoint) = Checkpoint::from_text(text) {
        assert_eq!(checkpoint.text(), text, "a checkpoint has one form");
    }
    if let Ok(note) = Note::parse(text) {
        let _ = Checkpoint::from_text(note.text());
    }
    if let Ok(resource) = text.parse::<Resource>() {
        assert_eq!(resource.to_string(), text, "a path has one form");
    }
}

/// A proof file.
pub(crate) fn log_proof(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(proof) = LogProof::parse(text) {
        assert_eq!(proof.to_string(), text, "a proof has one form");
    }
}

/// What is posted to a witness.
pub(crate) fn add_checkpoint(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(request) = AddCheckpoint::parse(text) {
        assert_eq!(request.to_string(), text, "a request has one form");
    }
}

/// A bundle of entries.
pub(crate) fn entries(bytes: &[u8]) {
    let mut read = 0usize;
    for entry in entry::entries(bytes) {
        let Ok(entry) = entry else { return };
        read += entry.len() + 2;
        if let Ok(decoded) = Entry::decode(entry) {
            assert_eq!(decoded.encode(), entry, "an entry has one encoding");
        }
    }
    assert_eq!(read, bytes.len(), "a bundle without an error is read to its end");
}

/// A receipt document.
pub(crate) fn bundle(bytes: &[u8]) {
    if let Ok(document) = Document::parse(bytes) {
        assert!(!document.entries.is_empty());
    }
}

/// An owner's records, as the coordinator serves them.
pub(crate) fn owner_records(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(records) = OwnerRecord::parse_all(text) {
        // Each takes more room in text than its three salts have digits.
        assert!(records.len() <= text.len() / (3 * 64), "there are no records without text");
    }
}

/// Attestation evidence, and the two vendors' documents in it.
pub(crate) fn attestation(bytes: &[u8]) {
    if let Ok(evidence) = Evidence::decode(bytes) {
        let again = Evidence::decode(&evidence.encode());
        assert!(again.is_ok_and(|again| again == evidence), "evidence survives being written");
        let _ = nitro::verify(&evidence.document, nitro::ROOT_G1, NOW);
        let _ = tdx::verify(&evidence.document, evidence.collateral.as_ref(), None, &[], NOW);
    }
    let _ = nitro::verify(bytes, nitro::ROOT_G1, NOW);
    let _ = tdx::registers(bytes);
}
