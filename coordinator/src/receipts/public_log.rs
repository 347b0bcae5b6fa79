//! The log as strangers read it: signed heads, tiles, entries, proofs.
//!
//! Everything shown is durable: heads are signed over what a read of the store found, and a smaller head
//! than one that was shown is never signed again by this process. After a crash the store holds at least
//! what was shown, because nothing is shown before it is on disk. Tiles and entries never change, so they
//! are cut from the store when they are asked for; memory is bounded by one chunk a reader.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use pinaivu_log::checkpoint::{Checkpoint, CheckpointError};
use pinaivu_log::entry;
use pinaivu_log::note::{Note, NoteError, NoteKey, SignatureType};
use pinaivu_log::origin;
use pinaivu_log::proof::LogProof;
use pinaivu_log::tile::{Span, TILE_HEIGHT, hashes_at};
use pinaivu_protocol::hash::Hash32;

use super::witnessed::Cosignatures;
use super::{EpochTree, Signer};
use crate::store::{Identity, LogHead, Store, StoreError};

/// Entries that are read from the store at once.
const CHUNK: u16 = 16;

/// Why a part of the log is not shown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A head cannot be signed. Origins are made of addresses, so this cannot be.
    #[error("the head cannot be signed")]
    Checkpoint(#[from] CheckpointError),
    /// A receipt does not fit the log's format. None is made that way.
    #[error("an entry cannot be shown")]
    Entry(#[from] entry::EntryError),
}

/// Why a cosignature is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CosignatureError {
    /// The note is not a head of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// This log never had that head.
    #[error("the log has another root for {0} leaves, or fewer leaves")]
    NotOurs(u64),
    /// No line is of a listed witness and verifies.
    #[error("no listed witness signed this head")]
    Unknown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Shows the log. Clones are the same one.
#[derive(Clone, Debug)]
pub struct PublicLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    identity: Identity,
    signer: Arc<Signer>,
    store: Store,
    /// The largest head shown of each epoch, signed.
    shown: Mutex<HashMap<u32, Shown>>,
    witnesses: Vec<NoteKey>,
    cosigned: Mutex<Cosignatures>,
}

#[derive(Clone, Debug)]
struct Shown {
    size: u64,
    note: Note,
}

impl PublicLog {
    /// Over an open store, with the witnesses whose cosignatures are taken.
    #[must_use]
    pub fn new(
        identity: Identity,
        signer: Arc<Signer>,
        store: Store,
        witnesses: Vec<NoteKey>,
    ) -> Self {
        let (shown, cosigned) = (Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { identity, signer, store, shown, witnesses, cosigned }) }
    }

    /// The head of an epoch; nothing when there is no such epoch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head(&self, epoch: u32) -> Result<Option<LogHead>, StoreError> {
        self.inner.store.read(move |state| state.epoch_head(epoch)).await
    }

    /// The open epoch's head.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest(&self) -> Result<LogHead, StoreError> {
        self.inner.store.read(|state| state.log_head()).await
    }

    /// Name and key of an epoch's log, in the usual text form.
    ///
    /// # Errors
    /// [`NoteError`]; origins are names, so this cannot be.
    pub fn key(&self, epoch: u32) -> Result<NoteKey, NoteError> {
        let origin = origin(self.inner.identity.coordinator, epoch);
        NoteKey::new(origin, self.inner.signer.public(), SignatureType::Ed25519)
    }

    /// The newest checkpoint of an epoch. Never of fewer leaves than one that was given before.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn checkpoint(&self, epoch: u32) -> Result<Option<Note>, LogError> {
        let Some(head) = self.head(epoch).await? else { return Ok(None) };
        let mut shown = self.inner.shown.lock();
        let known = shown.get(&epoch).filter(|known| known.size >= head.size).cloned();
        let newest = match known {
            // Another reader saw a newer state first.
            Some(known) => known,
            None => {
                let newest = Shown { size: head.size, note: self.sign(&head)? };
                shown.insert(epoch, newest.clone());
                newest
            }
        };
        drop(shown);
        Ok(Some(self.with_cosignatures(epoch, newest.size, newest.note)))
    }

    /// The largest head of an epoch that a witness has cosigned, with all cosignatures on it.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn witnessed(&self, epoch: u32) -> Result<Option<Note>, LogError> {
        // Size and lines at once: a witness that signs a larger head meanwhile takes its line away from this.
        let Some((size, lines)) = self.inner.cosigned.lock().largest(epoch) else {
            return Ok(None);
        };
        let root = self.root(epoch, size).await?;
        let Some(root) = root else { return Ok(None) };
        let mut note = self.sign(&LogHead { epoch, size, root })?;
        note.signatures.extend(lines);
        Ok(Some(note))
    }

    /// The newest head of an epoch, signed, with the proof that it extends the first `old_size` leaves;
    /// nothing when there are fewer.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn extension(
        &self,
        epoch: u32,
        old_size: u64,
    ) -> Result<Option<(Vec<Hash32>, Note)>, LogError> {
        let found = self
            .inner
            .store
            .read(move |state| {
                let Some(head) = state.epoch_head(epoch)?.filter(|head| old_size <= head.size)
                else {
                    return Ok(None);
                };
                let proof = match old_size {
                    0 => Vec::new(),
                    old => EpochTree::new(state, epoch).consistency(old, head.size)?,
                };
                Ok(Some((head, proof)))
            })
            .await
            .map_err(|error: StoreError| LogError::Store(error))?;
        let Some((head, proof)) = found else { return Ok(None) };
        Ok(Some((proof, self.sign(&head)?)))
    }

    /// Takes cosignatures of listed witnesses on a head of this log; gives how many lines were theirs.
    ///
    /// # Errors
    /// [`CosignatureError`].
    pub async fn cosigned(&self, epoch: u32, note: &Note) -> Result<usize, CosignatureError> {
        let checkpoint = Checkpoint::from_text(note.text())?;
        let expected = origin(self.inner.identity.coordinator, epoch);
        if checkpoint.origin != expected {
            let found = checkpoint.origin;
            return Err(CheckpointError::Origin { expected, found }.into());
        }
        if self.root(epoch, checkpoint.size).await? != Some(checkpoint.root) {
            return Err(CosignatureError::NotOurs(checkpoint.size));
        }
        let mut cosigned = self.inner.cosigned.lock();
        match cosigned.take(epoch, note, &checkpoint, &self.inner.witnesses) {
            0 => Err(CosignatureError::Unknown),
            taken => Ok(taken),
        }
    }

    /// The root over the first `size` leaves of an epoch; nothing when there are fewer.
    async fn root(&self, epoch: u32, size: u64) -> Result<Option<Hash32>, StoreError> {
        self.inner
            .store
            .read(move |state| match state.epoch_head(epoch)? {
                Some(head) if size <= head.size => {
                    EpochTree::new(state, epoch).root(size).map(Some)
                }
                _ => Ok(None),
            })
            .await
    }

    fn with_cosignatures(&self, epoch: u32, size: u64, mut note: Note) -> Note {
        note.signatures.extend(self.inner.cosigned.lock().over(epoch, size));
        note
    }

    fn sign(&self, head: &LogHead) -> Result<Note, CheckpointError> {
        self.inner.signer.sign_checkpoint(&Checkpoint {
            origin: origin(self.inner.identity.coordinator, head.epoch),
            size: head.size,
            root: head.root,
        })
    }

    /// A tile; nothing when the log is too small for it.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn tile(&self, epoch: u32, level: u8, span: Span) -> Result<Option<Bytes>, LogError> {
        let Some(tree_level) = level.checked_mul(TILE_HEIGHT) else { return Ok(None) };
        let hashes = self
            .inner
            .store
            .read(move |state| {
                let head = state.epoch_head(epoch)?;
                let there = head.map_or(0, |head| hashes_at(level, head.size));
                if span.start().saturating_add(span.width.into()) > there {
                    return Ok(None);
                }
                state.epoch_nodes(epoch, tree_level, span.start(), span.width).map(Some)
            })
            .await
            .map_err(|error: StoreError| LogError::Store(error))?;
        Ok(hashes.map(|hashes| hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>().into()))
    }

    /// An entry bundle, chunk by chunk; nothing when the log is too small for it.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn entries(&self, epoch: u32, span: Span) -> Result<Option<EntryChunks>, LogError> {
        let size = self.head(epoch).await?.map_or(0, |head| head.size);
        let end = span.start().saturating_add(span.width.into());
        let chunks = EntryChunks {
            store: self.inner.store.clone(),
            epoch,
            next: span.start(),
            left: span.width,
        };
        Ok((end <= size).then_some(chunks))
    }

    /// The proof file of an entry, under the head of `size` leaves or, when that does not cover it or is
    /// not given, under the newest; nothing when there is no such entry.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn proof(
        &self,
        epoch: u32,
        index: u64,
        size: Option<u64>,
    ) -> Result<Option<LogProof>, LogError> {
        let found = self
            .inner
            .store
            .read(move |state| {
                let Some(head) = state.epoch_head(epoch)?.filter(|head| index < head.size) else {
                    return Ok(None);
                };
                let tree = EpochTree::new(state, epoch);
                let size = size.filter(|size| index < *size && *size <= head.size);
                let head = match size {
                    Some(size) => LogHead { epoch, size, root: tree.root(size)? },
                    None => head,
                };
                Ok(Some((head, tree.inclusion(index, head.size)?)))
            })
            .await
            .map_err(|error: StoreError| LogError::Store(error))?;
        let Some((head, path)) = found else { return Ok(None) };
        let checkpoint = self.with_cosignatures(epoch, head.size, self.sign(&head)?);
        Ok(Some(LogProof { extra: None, index, path, checkpoint }))
    }
}

/// An entry bundle on its way out.
#[derive(Debug)]
pub struct EntryChunks {
    store: Store,
    epoch: u32,
    next: u64,
    left: u16,
}

impl EntryChunks {
    /// The next part; nothing at the end.
    ///
    /// # Errors
    /// [`LogError`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, LogError> {
        let count = self.left.min(CHUNK);
        if count == 0 {
            return Ok(None);
        }
        let (epoch, first) = (self.epoch, self.next);
        let receipts = self
            .store
            .read(move |state| state.receipt_run(epoch, first, count))
            .await
            .map_err(|error: StoreError| LogError::Store(error))?;
        let mut chunk = Vec::new();
        for receipt in &receipts {
            entry::push(&mut chunk, &entry::of_stored(receipt)?)?;
        }
        self.next = self.next.saturating_add(count.into());
        self.left = self.left.saturating_sub(count);
        Ok(Some(chunk.into()))
    }
}
