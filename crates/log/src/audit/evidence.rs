//! What somebody brings to an audit beside the log and the chain.
//!
//! Invariant: only the coordinator's own word counts against it. A document whose signatures do not hold is
//! refused as a whole; one under a key that nobody knows is set aside, and the report says so.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, PublicKey};
use pinaivu_protocol::receipt::{Receipt, ReceiptError};

use super::owner::OwnerRecord;
use crate::bundle::{Document, Entry};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{Note, NoteError};
use crate::origin;

/// What somebody brings along beside the log and the chain.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// Signed receipts that people or nodes hold: each must be in the log, at its place.
    pub held: Vec<Receipt>,
    /// Keys the coordinator signed with before today's, as the chain has a record of them.
    pub signers: Vec<PublicKey>,
    /// Heads that were shown before or to others: epoch, leaves, root, and where they are from. Nobody
    /// checks them again.
    pub heads: Vec<(u32, u64, Hash32, String)>,
    /// An owner's own records with their salts.
    pub owner: Vec<OwnerRecord>,
    /// What was brought along and cannot be used, and why; the report says so.
    pub unused: Vec<String>,
}

/// Whose word counts.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// On which cluster and program.
    pub deployment: DeploymentId,
    /// The coordinator that is audited.
    pub coordinator: CoordinatorId,
    /// The key on chain.
    pub signer: PublicKey,
    /// Former keys that the chain has a record of.
    pub former: Vec<PublicKey>,
}

impl Issuer {
    fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        [&self.signer].into_iter().chain(&self.former)
    }
}

/// Why a document is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// A receipt is about somebody else.
    #[error(
        "receipt {number} is of coordinator {coordinator} in another deployment or of another one"
    )]
    Party {
        /// Which receipt of the document, from 0.
        number: usize,
        /// Whose it says it is.
        coordinator: CoordinatorId,
    },
    /// A receipt is not what was signed.
    #[error("receipt {number}: {error}")]
    Receipt {
        /// Which receipt of the document, from 0.
        number: usize,
        /// What does not hold.
        error: ReceiptError,
    },
    /// A checkpoint is not the coordinator's, of the receipt's log.
    #[error("the checkpoint of receipt {number}: {error}")]
    Checkpoint {
        /// Which receipt of the document, from 0.
        number: usize,
        /// What does not hold.
        error: CheckpointError,
    },
}

impl Evidence {
    /// Takes the receipts of a document, and the heads in its proofs. `from` names it in findings.
    ///
    /// A receipt that the coordinator signed is taken whatever it says: that its amounts or its node's
    /// statement are wrong is for the audit to find.
    ///
    /// # Errors
    /// [`HeldError`] when a part of it is somebody else's, or under a known key and not what was signed;
    /// nothing of it is taken.
    pub fn hold(
        &mut self,
        document: Document,
        issuer: &Issuer,
        from: &str,
    ) -> Result<(), HeldError> {
        // A document that names a key the chain knows, or no key, is held to the known ones.
        let stranger = document.signer.filter(|key| !issuer.keys().any(|known| known == key));
        let mut taken = Self::default();
        for (number, entry) in document.entries.into_iter().enumerate() {
            taken.hold_one(number, entry, issuer, stranger, from)?;
        }
        self.held.append(&mut taken.held);
        self.heads.append(&mut taken.heads);
        self.unused.append(&mut taken.unused);
        for key in &issuer.former {
            if !self.signers.contains(key) {
                self.signers.push(*key);
            }
        }
        Ok(())
    }

    fn hold_one(
        &mut self,
        number: usize,
        entry: Entry,
        issuer: &Issuer,
        stranger: Option<PublicKey>,
        from: &str,
    ) -> Result<(), HeldError> {
        let head = entry.receipt.head.record;
        if (head.coordinator, head.deployment) != (issuer.coordinator, issuer.deployment) {
            return Err(HeldError::Party { number, coordinator: head.coordinator });
        }
        if entry.receipt.body.hash() != head.body {
            return Err(HeldError::Receipt { number, error: ReceiptError::Body });
        }
        let unknown = |what: &str, key: PublicKey| {
            format!(
                "{what} {number} in {from} is under {key}, which the chain does not know as the coordinator's"
            )
        };
        if let Some(proof) = &entry.proof {
            let origin = origin(issuer.coordinator, head.epoch);
            match (open_head(&proof.checkpoint, &origin, issuer), stranger) {
                (Ok(seen), _) => {
                    let from = format!("the checkpoint in {from}");
                    self.heads.push((head.epoch, seen.size, seen.root, from));
                }
                (Err(CheckpointError::Note(NoteError::Unsigned(_))), Some(key)) => {
                    self.unused.push(unknown("the checkpoint of receipt", key));
                }
                (Err(error), _) => return Err(HeldError::Checkpoint { number, error }),
            }
        }
        match (signed_by(&entry.receipt, issuer), stranger) {
            (Ok(()), _) => self.held.push(entry.receipt),
            (Err(_), Some(key)) => self.unused.push(unknown("receipt", key)),
            (Err(error), None) => return Err(HeldError::Receipt { number, error }),
        }
        Ok(())
    }
}

/// Opens a head under any of the coordinator's keys; the error is that of today's.
fn open_head(note: &Note, origin: &str, issuer: &Issuer) -> Result<Checkpoint, CheckpointError> {
    let first = Checkpoint::open(note, origin, issuer.signer);
    let mut former = issuer.former.iter();
    first.or_else(|error| {
        former.find_map(|key| Checkpoint::open(note, origin, *key).ok()).ok_or(error)
    })
}

/// Whether one of the coordinator's keys signed it; the error is that of today's.
fn signed_by(receipt: &Receipt, issuer: &Issuer) -> Result<(), ReceiptError> {
    let first = receipt.head.verify(&issuer.signer).map(drop).map_err(ReceiptError::Signature);
    let mut former = issuer.former.iter();
    first.or_else(|error| {
        former.any(|key| receipt.head.verify(key).is_ok()).then_some(()).ok_or(error)
    })
}
