//! Tiles (C2SP `tlog-tiles`): the Merkle tree in files of 256 hashes, and where they lie.
//!
//! Tile `n` of level `l` holds the roots of 256 neighbouring subtrees of `256^l` leaves. A tile at the
//! right edge is partial and says how many hashes it has. Every path has one spelling; another one is
//! refused, so that caches hold each tile once.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    CompactRange, MerkleError, MissingNode, NodeSource, ProofError, consistency_proof,
    inclusion_proof, tree_root,
};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Levels of the Merkle tree in one tile.
pub const TILE_HEIGHT: u8 = 8;

/// A run of hashes or of entries: `width` of them from `index × 256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which run, from 0.
    pub index: u64,
    /// How many, 1 to [`TILE_WIDTH`].
    pub width: u16,
}

impl Span {
    /// The first element's position.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH as u64)
    }

    /// The runs that hold `count` elements, the partial one last.
    pub fn covering(count: u64) -> impl Iterator<Item = Self> {
        let width = u64::from(TILE_WIDTH);
        (0..count.div_ceil(width)).map(move |index| {
            let rest = count.saturating_sub(index.saturating_mul(width)).min(width);
            Self { index, width: u16::try_from(rest).unwrap_or(TILE_WIDTH) }
        })
    }

    /// The run of `index` among `count` elements; nothing when it is beyond them.
    #[must_use]
    pub fn at(index: u64, count: u64) -> Option<Self> {
        let start = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = count.checked_sub(start)?.min(u64::from(TILE_WIDTH));
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { index, width })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.index.to_string();
        // To whole groups of three.
        let padded = digits.len().div_ceil(3).saturating_mul(3);
        let digits = format!("{digits:0>padded$}");
        let mut rest = digits.as_str();
        while let Some((group, more)) =
            rest.split_at_checked(3).filter(|(_, more)| !more.is_empty())
        {
            write!(f, "x{group}/")?;
            rest = more;
        }
        f.write_str(rest)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// What lies under `tile/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `tile/<level>/<span>`: hashes.
    Tile {
        /// Tile level, 0 for leaves; the Merkle tree's level divided by eight.
        level: u8,
        /// Which hashes.
        span: Span,
    },
    /// `tile/entries/<span>`: what the leaves are hashes of.
    Entries(Span),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile { level, span } => write!(f, "tile/{level}/{span}"),
            Self::Entries(span) => write!(f, "tile/entries/{span}"),
        }
    }
}

/// The path names no tile and no bundle, or not in the one spelling it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile or of an entry bundle")]
pub struct PathError;

impl std::str::FromStr for Resource {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let rest = path.strip_prefix("tile/").ok_or(PathError)?;
        let (kind, span) = rest.split_once('/').ok_or(PathError)?;
        let (index, width) = match span.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| PathError)?),
            None => (span, TILE_WIDTH),
        };
        if width == 0 || width > TILE_WIDTH || path.len() > 64 {
            return Err(PathError);
        }
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let span = Span { index: digits.parse().map_err(|_| PathError)?, width };
        let resource = match kind {
            "entries" => Self::Entries(span),
            level => Self::Tile { level: level.parse().map_err(|_| PathError)?, span },
        };
        // Whatever is not what we would have written is another spelling.
        let canonical = resource.to_string() == path;
        match resource {
            Self::Tile { level, .. } if level > 63 => Err(PathError),
            _ if canonical => Ok(resource),
            _ => Err(PathError),
        }
    }
}

/// How many hashes a tree of `size` leaves has at a tile level: `⌊size / 256^level⌋`.
#[must_use]
pub const fn hashes_at(level: u8, size: u64) -> u64 {
    match size.checked_shr((level as u32).saturating_mul(TILE_HEIGHT as u32)) {
        Some(count) => count,
        None => 0,
    }
}

/// The tiles that a tree of `size` leaves consists of, lowest level first; the partial one of a level
/// last.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Resource> {
    (0_u8..=7).map(move |level| (level, hashes_at(level, size))).flat_map(|(level, count)| {
        Span::covering(count).map(move |span| Resource::Tile { level, span })
    })
}

/// The tile that holds the node of a tree of `size` leaves; nothing when the tree has no such node.
fn tile_of(level: u8, index: u64, size: u64) -> Option<(u8, Span, usize, usize)> {
    let tile_level = level.checked_div(TILE_HEIGHT)?;
    let inner = u32::from(level.checked_rem(TILE_HEIGHT)?);
    let first = index.checked_shl(inner).filter(|first| first.checked_shr(inner) == Some(index))?;
    let count = 1_u64.checked_shl(inner)?;
    let available = hashes_at(tile_level, size);
    if first.checked_add(count)? > available {
        return None;
    }
    let span = Span::at(first >> TILE_HEIGHT, available)?;
    let offset = usize::try_from(first & u64::from(TILE_WIDTH.saturating_sub(1))).ok()?;
    Some((tile_level, span, offset, usize::try_from(count).ok()?))
}

/// Tiles that were fetched, as a source of the nodes that proofs are made of.
///
/// Nothing here says that the tiles are genuine. A proof made from them is checked against a root like
/// any other.
#[derive(Clone, Debug)]
pub struct TileTree {
    size: u64,
    tiles: HashMap<(u8, Span), Vec<Hash32>>,
}

impl TileTree {
    /// No tiles yet, of a tree of `size` leaves.
    #[must_use]
    pub fn new(size: u64) -> Self {
        Self { size, tiles: HashMap::new() }
    }

    /// Adds a tile as it was served. False when it has another length than its path says.
    pub fn insert(&mut self, level: u8, span: Span, bytes: &[u8]) -> bool {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() != usize::from(span.width) {
            return false;
        }
        self.tiles.insert((level, span), hashes.iter().map(|hash| Hash32(*hash)).collect());
        true
    }
}

impl NodeSource for TileTree {
    type Error = MissingNode;

    fn node(&self, level: u8, index: u64) -> Result<Hash32, MissingNode> {
        let missing = MissingNode { level, index };
        let (tile, span, offset, count) = tile_of(level, index, self.size).ok_or(missing)?;
        let hashes = self.tiles.get(&(tile, span)).ok_or(missing)?;
        let hashes = hashes.iter().skip(offset).take(count);
        let mut subtree = CompactRange::new();
        for hash in hashes {
            subtree.push(*hash).map_err(|_| missing)?;
        }
        match subtree.peaks() {
            [root] => Ok(*root),
            _ => Err(missing),
        }
    }
}

/// Remembers which tiles the nodes of a proof lie in; the hashes it gives mean nothing.
struct Needs {
    size: u64,
    tiles: RefCell<BTreeSet<Resource>>,
}

impl NodeSource for Needs {
    type Error = MissingNode;

    fn node(&self, level: u8, index: u64) -> Result<Hash32, MissingNode> {
        let (tile, span, ..) =
            tile_of(level, index, self.size).ok_or(MissingNode { level, index })?;
        self.tiles.borrow_mut().insert(Resource::Tile { level: tile, span });
        Ok(Hash32::ZERO)
    }
}

fn needs(
    size: u64,
    make: impl FnOnce(&Needs) -> Result<Vec<Hash32>, ProofError<MissingNode>>,
) -> Result<BTreeSet<Resource>, MerkleError> {
    let needs = Needs { size, tiles: RefCell::default() };
    match make(&needs) {
        Ok(_) => Ok(needs.tiles.into_inner()),
        Err(ProofError::Tree(error)) => Err(error),
        // Proofs ask only for nodes of the tree they are in.
        Err(ProofError::Source(missing)) => {
            Err(MerkleError::NoSuchLeaf { index: missing.index, size })
        }
    }
}

/// The tiles an inclusion proof in the tree of `size` leaves is made from.
///
/// # Errors
/// [`MerkleError::NoSuchLeaf`].
pub fn inclusion_tiles(index: u64, size: u64) -> Result<BTreeSet<Resource>, MerkleError> {
    needs(size, |needs| inclusion_proof(needs, index, size))
}

/// The tiles of a tree of `second` leaves that a consistency proof with its first `first` is made from.
///
/// # Errors
/// [`MerkleError::NoSuchConsistency`].
pub fn consistency_tiles(first: u64, second: u64) -> Result<BTreeSet<Resource>, MerkleError> {
    needs(second, |needs| consistency_proof(needs, first, second))
}

/// The tiles of a tree of `second` leaves that the root over its first `first` is made from.
///
/// # Errors
/// [`MerkleError`] when the tree has no such leaves.
pub fn root_tiles(first: u64, second: u64) -> Result<BTreeSet<Resource>, MerkleError> {
    needs(second, |needs| tree_root(needs, first).map(|root| vec![root]))
}
