//! Being a witness and speaking to one (C2SP `tlog-witness`).
//!
//! [`Observed`] is everything a witness must remember of a log, and [`Observed::advance`] the only way
//! to change it: a head is taken only when it extends the last one. [`AddCheckpoint`] is the body of
//! `POST add-checkpoint`, [`judge`] what a witness answers to it; remembering durably and one request of a
//! log after the other is for whoever calls it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{MerkleError, empty_root, verify_consistency};

use crate::checkpoint::{Checkpoint, decimal, hash};
use crate::note::{MAX_NOTE_BYTES, Note, NoteError, NoteKey};

/// Most hashes of a consistency proof.
const MAX_PROOF: usize = 63;

/// The largest head of one log that a witness has cosigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash32,
}

impl Default for Observed {
    fn default() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Why a head is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistent {
    /// Smaller than what was seen.
    #[error("the log had {before} leaves and now shows {now}")]
    Shrunk {
        /// Seen before.
        before: u64,
        /// Shown now.
        now: u64,
    },
    /// Of the same size with another root: two histories under one signature.
    #[error("two roots for {0} leaves")]
    Split(u64),
    /// The proof does not show that it extends what was seen.
    #[error("the head does not extend the one seen before: {0}")]
    Proof(MerkleError),
}

impl Observed {
    /// Takes a head when `proof` shows that it extends this one. The same head again is fine.
    ///
    /// # Errors
    /// [`Inconsistent`]; nothing is changed.
    pub fn advance(
        &mut self,
        checkpoint: &Checkpoint,
        proof: &[Hash32],
    ) -> Result<(), Inconsistent> {
        if checkpoint.size < self.size {
            return Err(Inconsistent::Shrunk { before: self.size, now: checkpoint.size });
        }
        if checkpoint.size == self.size && checkpoint.root != self.root {
            return Err(Inconsistent::Split(self.size));
        }
        if self.size == 0 {
            if !proof.is_empty() {
                return Err(Inconsistent::Proof(MerkleError::PathLength { actual: proof.len() }));
            }
        } else {
            verify_consistency(self.size, &self.root, checkpoint.size, &checkpoint.root, proof)
                .map_err(Inconsistent::Proof)?;
        }
        *self = Self { size: checkpoint.size, root: checkpoint.root };
        Ok(())
    }
}

/// What is posted to a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Leaves of the head the witness cosigned last.
    pub old_size: u64,
    /// From there to the new head.
    pub proof: Vec<Hash32>,
    /// The new head.
    pub checkpoint: Note,
}

impl AddCheckpoint {
    /// Reads a request body. Verifies nothing.
    ///
    /// # Errors
    /// [`NoteError`].
    pub fn parse(body: &str) -> Result<Self, NoteError> {
        if body.len() > MAX_NOTE_BYTES.saturating_mul(2) {
            return Err(NoteError::TooLong);
        }
        let (proof, note) = body.split_once("\n\n").ok_or(NoteError::Format)?;
        let mut lines = proof.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old_size = old.ok_or(NoteError::Format)?;
        let proof: Option<Vec<Hash32>> =
            lines.take(MAX_PROOF.saturating_add(1)).map(hash).collect();
        let proof = proof.filter(|proof| proof.len() <= MAX_PROOF).ok_or(NoteError::Format)?;
        Ok(Self { old_size, proof, checkpoint: Note::parse(note)? })
    }
}

impl std::fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Content type of an answer that says which size the witness has.
pub const SIZE_TYPE: &str = "text/x.tlog.size";

/// Why a witness does not cosign, each with the status that the specification gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body is not a request.
    #[error("this is not an add-checkpoint request: {0}")]
    Format(String),
    /// No key is known for the checkpoint's origin.
    #[error("the log '{0}' is not known here")]
    UnknownLog(String),
    /// No known key of the log signed it.
    #[error("no known key of the log signed the checkpoint")]
    Unsigned,
    /// The old size is larger than the checkpoint's.
    #[error("the old size is larger than the checkpoint's")]
    OldSize,
    /// The witness has another size than the old one; it says which.
    #[error("the last cosigned head has {0} leaves")]
    Behind(u64),
    /// The same size with another root.
    #[error("the last cosigned head of {0} leaves has another root")]
    Split(u64),
    /// The proof does not show that the checkpoint extends what was cosigned.
    #[error("the consistency proof does not hold")]
    Proof,
    /// The log's chain has a head that the checkpoint does not extend.
    #[error("the checkpoint does not extend the head of {0} leaves on chain")]
    Chain(u64),
}

impl Refusal {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Format(_) | Self::OldSize => 400,
            Self::Unsigned => 403,
            Self::UnknownLog(_) => 404,
            Self::Behind(_) | Self::Split(_) => 409,
            Self::Proof | Self::Chain(_) => 422,
        }
    }

    /// Whether the request alone is evidence that the log showed two histories: both heads are signed by it
    /// and have one size. A proof that does not hold is none: whoever brings the request made the proof.
    #[must_use]
    pub const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Split(_))
    }
}

/// What a request asks to be cosigned, when the log's own signature on it holds under one of `keys`.
///
/// # Errors
/// [`Refusal::UnknownLog`] when there are no keys, [`Refusal::Unsigned`], or [`Refusal::Format`].
pub fn opened(request: &AddCheckpoint, keys: &[NoteKey]) -> Result<Checkpoint, Refusal> {
    let checkpoint = Checkpoint::from_text(request.checkpoint.text())
        .map_err(|error| Refusal::Format(error.to_string()))?;
    let mut known = keys.iter().filter(|key| key.name() == checkpoint.origin).peekable();
    if known.peek().is_none() {
        return Err(Refusal::UnknownLog(checkpoint.origin));
    }
    if known.any(|key| request.checkpoint.verify(key).is_ok()) {
        Ok(checkpoint)
    } else {
        Err(Refusal::Unsigned)
    }
}

/// What the witness has seen after this request; the caller makes that durable, and only then cosigns.
///
/// # Errors
/// [`Refusal`], in the order of the specification; nothing is changed.
pub fn judge(
    request: &AddCheckpoint,
    checkpoint: &Checkpoint,
    seen: Observed,
) -> Result<Observed, Refusal> {
    if request.old_size > checkpoint.size {
        return Err(Refusal::OldSize);
    }
    if request.old_size != seen.size {
        return Err(Refusal::Behind(seen.size));
    }
    let mut next = seen;
    match next.advance(checkpoint, &request.proof) {
        Ok(()) => Ok(next),
        Err(Inconsistent::Split(size)) => Err(Refusal::Split(size)),
        // It cannot be smaller here: the old size is the seen one and not larger than the new.
        Err(Inconsistent::Proof(_) | Inconsistent::Shrunk { .. }) => Err(Refusal::Proof),
    }
}
