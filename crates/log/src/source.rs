//! Where the files of a log come from: a coordinator over HTTP, a directory, or a test.
//!
//! What comes is nobody's word: every function here checks it against a checkpoint that the caller
//! opened under a key it trusts.

use std::future::Future;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, PublicKey};
use pinaivu_protocol::merkle::{
    MerkleError, consistency_proof, inclusion_proof, tree_root, verify_consistency,
};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::note::{Note, NoteError};
use crate::origin;
use crate::tile::{Resource, TileTree, consistency_tiles, inclusion_tiles, root_tiles};

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The source says that there is none.
    #[error("{0} is not served")]
    Missing(String),
    /// Nothing is known.
    #[error("{path} could not be fetched: {reason}")]
    Unreachable {
        /// Which file.
        path: String,
        /// What went wrong.
        reason: String,
    },
}

/// Files of one coordinator's logs.
pub trait LogSource: Sync {
    /// The bytes of `path` below the prefix of an epoch's log.
    fn fetch(
        &self,
        epoch: u32,
        path: &str,
    ) -> impl Future<Output = Result<Vec<u8>, SourceError>> + Send;
}

/// Why a log's files are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The checkpoint.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A tile has another length than it must have.
    #[error("{0} is not a tile of that width")]
    Tile(Resource),
    /// The tiles are not those of the newer checkpoint: they show nothing of either.
    #[error("the tiles are not those of the checkpoint: {0}")]
    Tiles(#[from] MerkleError),
    /// The newer checkpoint, whose tiles these are, does not extend the older one.
    #[error("the first {size} entries have the root {now}, before it was {before}")]
    Forked {
        /// Leaves of the older head.
        size: u64,
        /// Its root.
        before: Hash32,
        /// The root over as many leaves of the newer one.
        now: Hash32,
    },
    /// The log became smaller.
    #[error("the log had {before} leaves and now has {now}")]
    Shrunk {
        /// Seen before.
        before: u64,
        /// Served now.
        now: u64,
    },
}

impl ReadError {
    /// Whether two heads contradict each other. Files that are missing, broken or of another tree show nothing.
    #[must_use]
    pub const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Forked { .. } | Self::Shrunk { .. })
    }
}

/// Fetches and opens the newest checkpoint of an epoch.
///
/// # Errors
/// [`ReadError`].
pub async fn checkpoint(
    source: &impl LogSource,
    coordinator: CoordinatorId,
    epoch: u32,
    key: PublicKey,
) -> Result<(Note, Checkpoint), ReadError> {
    let bytes = source.fetch(epoch, "checkpoint").await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CheckpointError::Note(NoteError::Format))?;
    let note = Note::parse(text).map_err(CheckpointError::from)?;
    let checkpoint = Checkpoint::open(&note, &origin(coordinator, epoch), key)?;
    Ok((note, checkpoint))
}

async fn tiles(
    source: &impl LogSource,
    epoch: u32,
    size: u64,
    needed: impl IntoIterator<Item = Resource>,
) -> Result<TileTree, ReadError> {
    let mut tree = TileTree::new(size);
    for resource in needed {
        let Resource::Tile { level, span } = resource else { continue };
        let bytes = source.fetch(epoch, &resource.to_string()).await?;
        if !tree.insert(level, span, &bytes) {
            return Err(ReadError::Tile(resource));
        }
    }
    Ok(tree)
}

/// Makes the proof that `newer` extends `older`, from tiles, and checks it. Empty when `older` is, or when
/// they are the same.
///
/// # Errors
/// [`ReadError`]: [`ReadError::Shrunk`] and [`ReadError::Forked`] mean that the two heads contradict each
/// other, whoever served the tiles.
pub async fn consistency(
    source: &impl LogSource,
    epoch: u32,
    older: (u64, Hash32),
    newer: &Checkpoint,
) -> Result<Vec<Hash32>, ReadError> {
    let (size, root) = older;
    if size > newer.size {
        return Err(ReadError::Shrunk { before: size, now: newer.size });
    }
    let forked = |now: Hash32| ReadError::Forked { size, before: root, now };
    if size == newer.size {
        return if root == newer.root { Ok(Vec::new()) } else { Err(forked(newer.root)) };
    }
    if size == 0 {
        return Ok(Vec::new());
    }
    let mut needed = consistency_tiles(size, newer.size)?;
    needed.extend(root_tiles(size, newer.size)?);
    let tree = tiles(source, epoch, newer.size, needed).await?;
    let missing = MerkleError::NoSuchConsistency { first: size, second: newer.size };
    let path = consistency_proof(&tree, size, newer.size).map_err(|_| missing)?;
    let now = tree_root(&tree, size).map_err(|_| missing)?;
    // First that these are the newer head's tiles at all; only then do they say what it began with.
    verify_consistency(size, &now, newer.size, &newer.root, &path)?;
    if now == root { Ok(path) } else { Err(forked(now)) }
}

/// Makes the inclusion path of leaf `index` under a checkpoint, from tiles. The caller verifies it with
/// the leaf it holds.
///
/// # Errors
/// [`ReadError`].
pub async fn inclusion(
    source: &impl LogSource,
    epoch: u32,
    index: u64,
    checkpoint: &Checkpoint,
) -> Result<Vec<Hash32>, ReadError> {
    let size = checkpoint.size;
    let tree = tiles(source, epoch, size, inclusion_tiles(index, size)?).await?;
    Ok(inclusion_proof(&tree, index, size).map_err(|_| MerkleError::NoSuchLeaf { index, size })?)
}
