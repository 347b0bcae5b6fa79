//! The tree against a second implementation, written from RFC 9162's recursive definitions with the
//! `sha2` crate: same roots, same proofs, same verdicts.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod any_size;
mod extensions;
mod proofs;
mod rfc;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    CompactRange, MemoryTree, MerkleError, MissingNode, ProofError, empty_root, leaf_hash,
    node_hash, tree_root,
};
use sha2::{Digest, Sha256};

const LARGEST: usize = 130;

fn leaves(count: usize) -> Vec<rfc::Hash> {
    (0..count).map(|i| rfc::leaf(format!("leaf {i}").as_bytes())).collect()
}

fn tree(count: usize) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for leaf in leaves(count) {
        tree.push(Hash32(leaf)).unwrap();
    }
    tree
}

fn flipped(hash: &Hash32, byte: usize) -> Hash32 {
    let mut bytes = hash.0;
    bytes[byte % 32] ^= 1 << (byte % 8);
    Hash32(bytes)
}

#[test]
fn hashes_of_rfc_9162_are_domain_separated() {
    assert_eq!(leaf_hash(b"ab"), Hash32(Sha256::digest(b"\x00ab").into()));
    let (left, right) = (leaf_hash(b"l"), leaf_hash(b"r"));
    assert_eq!(node_hash(&left, &right).0, rfc::node(&left.0, &right.0));
    assert_eq!(empty_root(), Hash32(Sha256::digest(b"").into()));
    assert_eq!(
        empty_root().to_string(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn roots_of_all_sizes_equal_the_recursive_definition() {
    let all = leaves(LARGEST);
    let tree = tree(LARGEST);
    let mut range = CompactRange::new();
    for size in 0..=LARGEST {
        let expected = Hash32(rfc::root(&all[..size]));
        assert_eq!(range.root(), expected, "range of {size}");
        assert_eq!(tree_root(&tree, size as u64).unwrap(), expected, "tree of {size}");
        assert_eq!(range.peaks().len(), size.count_ones() as usize);
        let again = CompactRange::from_peaks(size as u64, range.peaks().to_vec()).unwrap();
        assert_eq!(again, range);
        if let Some(leaf) = all.get(size) {
            range.push(Hash32(*leaf)).unwrap();
        }
    }
}

#[test]
fn errors_say_what_was_wrong() {
    let error = MerkleError::HashCount { old_size: 3, new_size: 9, actual: 1 };
    assert_eq!(error.to_string(), "1 subtree hashes do not take a tree from 3 to 9 leaves");
    let error: ProofError<MissingNode> = ProofError::Source(MissingNode { level: 1, index: 2 });
    assert_eq!(
        std::error::Error::source(&error).expect("has a source").to_string(),
        "there is no complete subtree 2 at level 1"
    );
}
