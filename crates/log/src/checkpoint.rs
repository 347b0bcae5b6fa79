//! Checkpoints (C2SP `tlog-checkpoint`): the head of one log, signed by it.
//!
//! Three lines: origin, number of leaves, root in base64. Extension lines are not written, and refused
//! when they are read, because nobody audits them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::merkle::empty_root;
use pinaivu_protocol::signed::SigningKey;

use crate::note::{Note, NoteError, NoteKey, SignatureType};

/// The head of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Leaves in it.
    pub size: u64,
    /// RFC 9162 root over them.
    pub root: Hash32,
}

/// Why text is not a checkpoint, or one that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// As a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not exactly origin, size and root.
    #[error("the text is not a checkpoint of three lines")]
    Format,
    /// The head of another log.
    #[error("the checkpoint is of '{found}', not of '{expected}'")]
    Origin {
        /// Expected.
        expected: String,
        /// In the note.
        found: String,
    },
    /// No leaves, and another root than the empty tree's.
    #[error("the root of an empty log is not the empty root")]
    EmptyRoot,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError::Format`] or [`CheckpointError::EmptyRoot`].
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Format)?.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Format);
        };
        let size = decimal(size).ok_or(CheckpointError::Format)?;
        let root = hash(root).ok_or(CheckpointError::Format)?;
        if origin.is_empty() {
            return Err(CheckpointError::Format);
        }
        if size == 0 && root != empty_root() {
            return Err(CheckpointError::EmptyRoot);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Signs it with the log's key; the key's name is the origin.
    ///
    /// # Errors
    /// [`CheckpointError::Note`] when the origin cannot be a key's name.
    pub fn sign(&self, key: &SigningKey) -> Result<Note, CheckpointError> {
        Ok(Note::sign(self.text(), &self.origin, key)?)
    }

    /// Reads a note, checks whose it is and that `key` signed it.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &Note, origin: &str, key: PublicKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::from_text(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin {
                expected: origin.to_owned(),
                found: checkpoint.origin,
            });
        }
        note.verify(&NoteKey::new(origin, key, SignatureType::Ed25519)?)?;
        Ok(checkpoint)
    }
}

/// An ASCII decimal without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if canonical { text.parse().ok() } else { None }
}

/// A hash in padded base64.
pub(crate) fn hash(text: &str) -> Option<Hash32> {
    let bytes = STANDARD.decode(text).ok()?;
    bytes.try_into().ok().map(Hash32)
}
