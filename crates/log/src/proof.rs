//! Proof files (C2SP `tlog-proof`): one entry's way to a checkpoint, in text.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra base64            (optional)
//! index 41
//! base64 of a hash        (the path, leaf side first)
//!
//! the checkpoint, verbatim
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::merkle::{MerkleError, verify_inclusion};

use crate::checkpoint::{Checkpoint, CheckpointError, decimal, hash};
use crate::note::{MAX_NOTE_BYTES, Note};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Longest path a tree can have.
const MAX_PATH: usize = 64;

/// A proof that an entry is in a log, as it is written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// Whatever the application adds; nobody vouches for it.
    pub extra: Option<Vec<u8>>,
    /// The entry's place.
    pub index: u64,
    /// RFC 9162 inclusion path, leaf side first.
    pub path: Vec<Hash32>,
    /// The signed head it leads to.
    pub checkpoint: Note,
}

/// Why a proof is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// The text is not a proof.
    #[error("this is not a tlog-proof")]
    Format,
    /// The checkpoint in it.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead from the leaf to the checkpoint's root.
    #[error("inclusion: {0}")]
    Inclusion(#[from] MerkleError),
}

impl LogProof {
    /// Reads a proof. Verifies nothing.
    ///
    /// # Errors
    /// [`LogProofError`].
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        if text.len() > MAX_NOTE_BYTES.saturating_mul(2) {
            return Err(LogProofError::Format);
        }
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(LogProofError::Format)?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(LogProofError::Format);
        }
        let mut line = lines.next().ok_or(LogProofError::Format)?;
        let mut extra = None;
        if let Some(encoded) = line.strip_prefix("extra ") {
            extra = Some(STANDARD.decode(encoded).map_err(|_| LogProofError::Format)?);
            line = lines.next().ok_or(LogProofError::Format)?;
        }
        let index = line.strip_prefix("index ").and_then(decimal).ok_or(LogProofError::Format)?;
        let path: Option<Vec<Hash32>> = lines.take(MAX_PATH.saturating_add(1)).map(hash).collect();
        let path = path.filter(|path| path.len() <= MAX_PATH).ok_or(LogProofError::Format)?;
        let checkpoint = Note::parse(checkpoint).map_err(CheckpointError::from)?;
        Ok(Self { extra, index, path, checkpoint })
    }

    /// Checks that `leaf` is in the log `origin` under a checkpoint that `key` signed; gives it.
    ///
    /// # Errors
    /// [`LogProofError`].
    pub fn verify(
        &self,
        leaf: &Hash32,
        origin: &str,
        key: PublicKey,
    ) -> Result<Checkpoint, LogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, origin, key)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.path, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for LogProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
