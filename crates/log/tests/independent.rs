//! Another implementation of RFC 6962, the `ct-merkle` crate, accepts our roots, inclusion paths and
//! consistency proofs, ours made from tiles, and rejects them when anything is changed. And we accept its.
#![expect(clippy::unwrap_used, reason = "tests")]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, HashableLeaf, InclusionProof, RootHash};
use pinaivu_log::tile::{Resource, TileTree, consistency_tiles, inclusion_tiles, tiles_of};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    MemoryTree, NodeSource as _, consistency_proof, inclusion_proof, leaf_hash, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;
use sha2_next::Sha256;
use sha2_next::digest::Update;

/// What a leaf is made of; the other crate puts the zero byte before it.
#[derive(Clone)]
struct Leaf(Vec<u8>);

impl HashableLeaf for Leaf {
    fn hash<H: Update>(&self, hasher: &mut H) {
        hasher.update(&self.0);
    }
}

fn leaf(index: u64) -> Leaf {
    Leaf([b"entry ".as_slice(), &index.to_le_bytes()].concat())
}

/// The same leaves in both.
fn trees(size: u64) -> (MemoryTree, MemoryBackedTree<Sha256, Leaf>) {
    let (mut ours, mut theirs) = (MemoryTree::new(), MemoryBackedTree::new());
    for index in 0..size {
        ours.push(leaf_hash(&leaf(index).0)).unwrap();
        theirs.push(leaf(index));
    }
    (ours, theirs)
}

fn their_root(root: &Hash32, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

fn bytes(path: &[Hash32]) -> Vec<u8> {
    path.iter().flat_map(|hash| hash.0).collect()
}

fn their_hashes(bytes: &[u8]) -> Vec<Hash32> {
    bytes.as_chunks::<32>().0.iter().map(|hash| Hash32(*hash)).collect()
}

/// All tiles of a tree, as they are served.
fn tiles(tree: &MemoryTree) -> TileTree {
    let mut tiles = TileTree::new(tree.size());
    for resource in tiles_of(tree.size()) {
        let Resource::Tile { level, span } = resource else { continue };
        let nodes = span.start()..span.start() + u64::from(span.width);
        let hashes: Vec<Hash32> = nodes.map(|n| tree.node(level * 8, n).unwrap()).collect();
        assert!(tiles.insert(level, span, &bytes(&hashes)));
    }
    tiles
}

fn accepts_inclusion(root: &RootHash<Sha256>, index: u64, path: &[u8]) -> bool {
    InclusionProof::<Sha256>::try_from_bytes(path.to_vec())
        .is_ok_and(|proof| root.verify_inclusion(&leaf(index), index, &proof).is_ok())
}

fn accepts_consistency(new: &RootHash<Sha256>, old: &RootHash<Sha256>, path: &[u8]) -> bool {
    ConsistencyProof::<Sha256>::try_from_bytes(path.to_vec())
        .is_ok_and(|proof| new.verify_consistency(old, &proof).is_ok())
}

/// Every change of one bit a hash, every hash left out, and one too many.
fn tampered(path: &[u8]) -> Vec<Vec<u8>> {
    let count = path.len() / 32;
    let mut changed: Vec<Vec<u8>> = (0..count)
        .flat_map(|at| {
            let mut flipped = path.to_vec();
            flipped[at * 32 + at % 32] ^= 1 << (at % 8);
            let mut missing = path.to_vec();
            missing.drain(at * 32..at * 32 + 32);
            [flipped, missing]
        })
        .collect();
    changed.push([path, &[7; 32]].concat());
    changed
}

#[test]
fn roots_and_inclusion_paths_from_tiles_are_accepted_and_changed_ones_are_not() {
    for size in [1, 2, 3, 7, 8, 255, 256, 257, 300, 600] {
        let (ours, theirs) = trees(size);
        let root = their_root(&ours.root(), size);
        assert_eq!(theirs.root().as_bytes().as_slice(), ours.root().as_bytes(), "{size}");
        let tiles = tiles(&ours);
        for index in [0, size / 2, size - 1] {
            let path = inclusion_proof(&tiles, index, size).unwrap();
            assert_eq!(path, inclusion_proof(&ours, index, size).unwrap());
            let path = bytes(&path);
            assert!(accepts_inclusion(&root, index, &path), "{index} of {size}");
            for changed in tampered(&path) {
                assert!(!accepts_inclusion(&root, index, &changed), "{index} of {size}");
            }
            if size > 1 {
                assert!(!accepts_inclusion(&root, (index + 1) % size, &path));
            }
        }
    }
}

#[test]
fn consistency_proofs_from_tiles_are_accepted_and_changed_ones_are_not() {
    for (first, second) in
        [(1, 2), (1, 3), (3, 7), (4, 7), (6, 8), (255, 256), (256, 257), (256, 600), (300, 599)]
    {
        let (ours, _) = trees(second);
        let (before, _) = trees(first);
        let path = consistency_proof(&tiles(&ours), first, second).unwrap();
        verify_consistency(first, &before.root(), second, &ours.root(), &path).unwrap();
        let (new, old) = (their_root(&ours.root(), second), their_root(&before.root(), first));
        let path = bytes(&path);
        assert!(accepts_consistency(&new, &old, &path), "{first} to {second}");
        for changed in tampered(&path) {
            assert!(!accepts_consistency(&new, &old, &changed), "{first} to {second}");
        }
        let forked = their_root(&leaf_hash(b"another history"), first);
        assert!(!accepts_consistency(&new, &forked, &path));
    }
}

#[test]
fn proofs_need_no_more_tiles_than_they_say() {
    let (ours, _) = trees(600);
    let all = tiles(&ours);
    for index in [0, 255, 256, 599] {
        let mut few = TileTree::new(600);
        for resource in inclusion_tiles(index, 600).unwrap() {
            insert(&mut few, &ours, resource);
        }
        assert_eq!(inclusion_proof(&few, index, 600), inclusion_proof(&all, index, 600));
    }
    for first in [1, 255, 256, 300, 599, 600] {
        let mut few = TileTree::new(600);
        for resource in consistency_tiles(first, 600).unwrap() {
            insert(&mut few, &ours, resource);
        }
        assert_eq!(consistency_proof(&few, first, 600), consistency_proof(&all, first, 600));
    }
}

fn insert(tiles: &mut TileTree, tree: &MemoryTree, resource: Resource) {
    let Resource::Tile { level, span } = resource else { return };
    let nodes = span.start()..span.start() + u64::from(span.width);
    let hashes: Vec<Hash32> = nodes.map(|n| tree.node(level * 8, n).unwrap()).collect();
    assert!(!tiles.insert(level, span, &bytes(&hashes)[1..]));
    assert!(tiles.insert(level, span, &bytes(&hashes)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_two_sizes_prove_each_other_both_ways(first in 1_u64..700, more in 1_u64..200, at: u64) {
        let second = first + more;
        let (ours, theirs) = trees(second);
        let (before, _) = trees(first);
        let index = at % second;
        let inclusion = theirs.prove_inclusion(usize::try_from(index).unwrap());
        let path = their_hashes(inclusion.as_bytes());
        let leaf = leaf_hash(&leaf(index).0);
        prop_assert!(verify_inclusion(&leaf, index, second, &path, &ours.root()).is_ok());
        let consistency = theirs.prove_consistency(usize::try_from(more).unwrap());
        let path = their_hashes(consistency.as_bytes());
        let (old, new) = (before.root(), ours.root());
        prop_assert!(verify_consistency(first, &old, second, &new, &path).is_ok());
        prop_assert_eq!(path, consistency_proof(&tiles(&ours), first, second).unwrap());
    }
}
