//! The tree against a second implementation, written from RFC 9162's recursive definitions with the
//! `sha2` crate: same roots, same proofs, same verdicts.
#![cfg(feature = "std")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    CompactRange, MAX_PEAKS, MemoryTree, MerkleError, MissingNode, NodeSource, ProofError, Subtree,
    consistency_proof, empty_root, extend_with_subtrees, inclusion_proof, leaf_hash, node_hash,
    root_from_inclusion_path, root_of_peaks, subtree_decomposition, subtree_hashes, tree_root,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// RFC 9162 section 2.1, as written.
mod rfc {
    use super::{Digest, Sha256};

    pub(super) type Hash = [u8; 32];

    pub(super) fn leaf(data: &[u8]) -> Hash {
        Sha256::new().chain_update([0]).chain_update(data).finalize().into()
    }

    pub(super) fn node(left: &Hash, right: &Hash) -> Hash {
        Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
    }

    /// The largest power of two smaller than `n`.
    pub(super) fn split(n: usize) -> usize {
        let mut k = 1;
        while k * 2 < n {
            k *= 2;
        }
        k
    }

    pub(super) fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node(&root(left), &root(right))
            }
        }
    }

    /// PATH(m, D).
    pub(super) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) =
            if m < k { (path(m, left), root(right)) } else { (path(m - k, right), root(left)) };
        path.push(sibling);
        path
    }

    /// PROOF(m, D) is SUBPROOF(m, D, true).
    pub(super) fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut proof, sibling) = if m <= k {
            (subproof(m, left, whole), root(right))
        } else {
            (subproof(m - k, right, false), root(left))
        };
        proof.push(sibling);
        proof
    }

    /// The root an audit path leads to, top down; nothing when its length is wrong.
    pub(super) fn root_of_path(leaf: &Hash, m: usize, n: usize, path: &[Hash]) -> Option<Hash> {
        if m >= n {
            return None;
        }
        if n == 1 {
            return path.is_empty().then_some(*leaf);
        }
        let (top, rest) = path.split_last()?;
        let k = split(n);
        if m < k {
            Some(node(&root_of_path(leaf, m, k, rest)?, top))
        } else {
            Some(node(top, &root_of_path(leaf, m - k, n - k, rest)?))
        }
    }

    /// The two roots a consistency proof leads to, top down; nothing when its length is wrong.
    pub(super) fn roots_of_proof(
        first_root: &Hash,
        m: usize,
        n: usize,
        whole: bool,
        proof: &[Hash],
    ) -> Option<(Hash, Hash)> {
        if m == n {
            return match (whole, proof) {
                (true, []) => Some((*first_root, *first_root)),
                (false, [only]) => Some((*only, *only)),
                _ => None,
            };
        }
        let (top, rest) = proof.split_last()?;
        let k = split(n);
        if m <= k {
            let (old, new) = roots_of_proof(first_root, m, k, whole, rest)?;
            Some((old, node(&new, top)))
        } else {
            let (old, new) = roots_of_proof(first_root, m - k, n - k, false, rest)?;
            Some((node(top, &old), node(top, &new)))
        }
    }
}

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

fn hashes(from: Vec<rfc::Hash>) -> Vec<Hash32> {
    from.into_iter().map(Hash32).collect()
}

fn flipped(hash: &Hash32, byte: usize) -> Hash32 {
    let mut bytes = hash.0;
    bytes[byte % 32] ^= 1 << (byte % 8);
    Hash32(bytes)
}

/// Every way to spoil a path by one step: each hash changed, taken out, doubled, or one added.
fn spoiled(path: &[Hash32]) -> Vec<Vec<Hash32>> {
    let mut all = Vec::new();
    for place in 0..path.len() {
        let mut changed = path.to_vec();
        changed[place] = flipped(&changed[place], place);
        all.push(changed);
        let mut shorter = path.to_vec();
        shorter.remove(place);
        all.push(shorter);
        let mut longer = path.to_vec();
        longer.insert(place, path[place]);
        all.push(longer);
    }
    let mut longer = path.to_vec();
    longer.push(Hash32([7; 32]));
    all.push(longer);
    all
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
fn inclusion_proofs_of_all_leaves_and_sizes_equal_the_recursive_definition() {
    let all = leaves(LARGEST);
    let tree = tree(LARGEST);
    for size in 1..=LARGEST {
        let root = Hash32(rfc::root(&all[..size]));
        for index in 0..size {
            let path = inclusion_proof(&tree, index as u64, size as u64).unwrap();
            assert_eq!(path, hashes(rfc::path(index, &all[..size])), "{index} of {size}");
            let leaf = Hash32(all[index]);
            verify_inclusion(&leaf, index as u64, size as u64, &path, &root).unwrap();
        }
    }
}

#[test]
fn inclusion_with_one_thing_changed_is_rejected() {
    let all = leaves(LARGEST);
    let tree = tree(LARGEST);
    for size in 1..=LARGEST {
        let root = Hash32(rfc::root(&all[..size]));
        for (index, leaf) in all[..size].iter().enumerate() {
            let (at, of, leaf) = (index as u64, size as u64, Hash32(*leaf));
            let path = inclusion_proof(&tree, at, of).unwrap();
            let wrong = Err(MerkleError::RootMismatch);
            assert_eq!(verify_inclusion(&flipped(&leaf, index), at, of, &path, &root), wrong);
            assert_eq!(verify_inclusion(&leaf, at, of, &path, &flipped(&root, size)), wrong);
            for bad in spoiled(&path) {
                let error = verify_inclusion(&leaf, at, of, &bad, &root).unwrap_err();
                let expected = if bad.len() == path.len() {
                    MerkleError::RootMismatch
                } else {
                    MerkleError::PathLength { actual: bad.len() }
                };
                assert_eq!(error, expected, "{index} of {size}");
            }
            for other in (0..of + 2).filter(|other| *other != at) {
                assert!(
                    verify_inclusion(&leaf, other, of, &path, &root).is_err(),
                    "leaf {index} of {size} accepted as {other}"
                );
            }
        }
    }
}

/// A path does not fix the size by itself (leaf 0 of 3 and of 4 have paths of one shape), so a wrong
/// size is judged by the recursive definition.
#[test]
fn inclusion_under_any_index_and_size_gets_the_recursive_verdict() {
    let all = leaves(40);
    let tree = tree(40);
    let mut accepted_elsewhere = 0;
    for size in 1..=40 {
        let root = rfc::root(&all[..size]);
        for (index, leaf) in all[..size].iter().enumerate() {
            let path = inclusion_proof(&tree, index as u64, size as u64).unwrap();
            let plain: Vec<_> = path.iter().map(|hash| hash.0).collect();
            for other_size in 0..=44 {
                let expected = rfc::root_of_path(leaf, index, other_size, &plain);
                let result = verify_inclusion(
                    &Hash32(*leaf),
                    index as u64,
                    other_size as u64,
                    &path,
                    &Hash32(root),
                );
                assert_eq!(result.is_ok(), expected == Some(root), "{index} of {size}/{other_size}");
                accepted_elsewhere += usize::from(result.is_ok() && other_size != size);
            }
        }
    }
    assert!(accepted_elsewhere > 0, "the test reached no path that fits two sizes");
}

#[test]
fn consistency_proofs_of_all_sizes_equal_the_recursive_definition() {
    let all = leaves(LARGEST);
    let tree = tree(LARGEST);
    for second in 1..=LARGEST {
        let second_root = Hash32(rfc::root(&all[..second]));
        for first in 1..=second {
            let first_root = Hash32(rfc::root(&all[..first]));
            let path = consistency_proof(&tree, first as u64, second as u64).unwrap();
            let expected = hashes(rfc::subproof(first, &all[..second], true));
            assert_eq!(path, expected, "{first} in {second}");
            verify_consistency(first as u64, &first_root, second as u64, &second_root, &path)
                .unwrap();
        }
    }
}

#[test]
fn consistency_with_one_thing_changed_is_rejected() {
    let all = leaves(LARGEST);
    let tree = tree(LARGEST);
    for second in 1..=LARGEST {
        let new_root = Hash32(rfc::root(&all[..second]));
        for first in 1..=second {
            let old_root = Hash32(rfc::root(&all[..first]));
            let (old, new) = (first as u64, second as u64);
            let path = consistency_proof(&tree, old, new).unwrap();
            let wrong = Err(MerkleError::RootMismatch);
            let changed = flipped(&old_root, first);
            assert_eq!(verify_consistency(old, &changed, new, &new_root, &path), wrong);
            let changed = flipped(&new_root, second);
            assert_eq!(verify_consistency(old, &old_root, new, &changed, &path), wrong);
            for bad in spoiled(&path) {
                let error = verify_consistency(old, &old_root, new, &new_root, &bad).unwrap_err();
                let expected = if bad.len() == path.len() {
                    MerkleError::RootMismatch
                } else {
                    MerkleError::PathLength { actual: bad.len() }
                };
                assert_eq!(error, expected, "{first} in {second}");
            }
        }
    }
}

#[test]
fn consistency_under_any_sizes_gets_the_recursive_verdict() {
    const MOST: usize = 18;
    let all = leaves(MOST);
    let tree = tree(MOST);
    for second in 1..=MOST {
        let new_root = rfc::root(&all[..second]);
        for first in 1..=second {
            let old_root = rfc::root(&all[..first]);
            let path = consistency_proof(&tree, first as u64, second as u64).unwrap();
            let plain: Vec<_> = path.iter().map(|hash| hash.0).collect();
            for m in 0..=MOST + 2 {
                for n in 0..=MOST + 2 {
                    let expected = m > 0
                        && m <= n
                        && rfc::roots_of_proof(&old_root, m, n, true, &plain)
                            == Some((old_root, new_root));
                    let result = verify_consistency(
                        m as u64,
                        &Hash32(old_root),
                        n as u64,
                        &Hash32(new_root),
                        &path,
                    );
                    assert_eq!(result.is_ok(), expected, "{first} in {second} as {m} in {n}");
                }
            }
        }
    }
}

#[test]
fn a_history_that_was_rewritten_has_no_consistency_proof() {
    // The honest proof of either history fails against the other's old root.
    let mut rewritten = leaves(20);
    rewritten[3] = rfc::leaf(b"another leaf");
    let mut other = MemoryTree::new();
    for leaf in &rewritten {
        other.push(Hash32(*leaf)).unwrap();
    }
    let old_root = Hash32(rfc::root(&leaves(10)));
    let path = consistency_proof(&other, 10, 20).unwrap();
    assert_eq!(
        verify_consistency(10, &old_root, 20, &other.root(), &path),
        Err(MerkleError::RootMismatch)
    );
}

#[test]
fn proofs_that_do_not_exist_are_refused_by_maker_and_verifier() {
    let tree = tree(5);
    let root = tree.root();
    for (index, size) in [(5, 5), (6, 5), (0, 0), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
        let error = MerkleError::NoSuchLeaf { index, size };
        assert_eq!(inclusion_proof(&tree, index, size), Err(ProofError::Tree(error)));
        assert_eq!(root_from_inclusion_path(&root, index, size, &[]), Err(error));
    }
    for (first, second) in [(0, 5), (0, 0), (6, 5), (u64::MAX, 5)] {
        let error = MerkleError::NoSuchConsistency { first, second };
        assert_eq!(consistency_proof(&tree, first, second), Err(ProofError::Tree(error)));
        assert_eq!(verify_consistency(first, &root, second, &root, &[]), Err(error));
    }
    assert_eq!(
        inclusion_proof(&tree, 0, 8),
        Err(ProofError::Source(MissingNode { level: 2, index: 1 }))
    );
    assert_eq!(tree_root(&tree, 6), Err(ProofError::Source(MissingNode { level: 1, index: 2 })));
}

#[test]
fn decomposition_of_every_range_tiles_it_with_the_largest_aligned_subtrees() {
    for old in 0..=LARGEST as u64 {
        for new in old..=LARGEST as u64 {
            let mut position = old;
            for Subtree { level, index } in subtree_decomposition(old, new).unwrap() {
                let mut k = 0;
                while position.is_multiple_of(1 << (k + 1)) && position + (1 << (k + 1)) <= new {
                    k += 1;
                }
                assert_eq!((level, index), (k, position >> k), "at {position} of {old}..{new}");
                position += 1 << k;
            }
            assert_eq!(position, new);
        }
    }
    assert_eq!(
        subtree_decomposition(3, 2).err(),
        Some(MerkleError::NotGrowing { old_size: 3, new_size: 2 })
    );
}

#[test]
fn extension_between_any_two_sizes_equals_pushing_leaves() {
    const MOST: u64 = 70;
    let tree = tree(MOST as usize);
    let all = leaves(MOST as usize);
    let mut before = CompactRange::new();
    for old in 0..MOST {
        let mut pushed = before.clone();
        for new in old + 1..=MOST {
            pushed.push(Hash32(all[new as usize - 1])).unwrap();
            let hashes = subtree_hashes(&tree, old, new).unwrap();
            let mut extended = before.clone();
            extended.extend(new, &hashes).unwrap();
            assert_eq!(extended, pushed, "{old} to {new}");
            let mut wrong = hashes.clone();
            let place = wrong.len() / 2;
            wrong[place] = flipped(&wrong[place], 5);
            let mut extended = before.clone();
            extended.extend(new, &wrong).unwrap();
            assert_ne!(extended.root(), pushed.root(), "{old} to {new}");
        }
        before.push(Hash32(all[old as usize])).unwrap();
    }
}

#[test]
fn extension_with_wrong_counts_is_refused_and_changes_nothing() {
    let tree = tree(40);
    for old in 0..20 {
        for new in old + 1..=40 {
            let mut range = CompactRange::new();
            if old > 0 {
                range.extend(old, &subtree_hashes(&tree, 0, old).unwrap()).unwrap();
            }
            let right = subtree_hashes(&tree, old, new).unwrap();
            let mut longer = right.clone();
            longer.push(Hash32::ZERO);
            for wrong in [&right[..right.len() - 1], &longer, &[]] {
                let before = range.clone();
                assert_eq!(
                    range.extend(new, wrong),
                    Err(MerkleError::HashCount {
                        old_size: old,
                        new_size: new,
                        actual: wrong.len()
                    })
                );
                assert_eq!(range, before);
            }
            let mut peaks = range.peaks().to_vec();
            peaks.push(Hash32::ZERO);
            assert_eq!(
                extend_with_subtrees(old, &peaks, new, &right),
                Err(MerkleError::PeakCount { size: old, actual: peaks.len() })
            );
        }
    }
    for (old_size, new_size) in [(0, 0), (5, 5), (5, 4), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
        let peaks = vec![Hash32::ZERO; old_size.count_ones() as usize];
        assert_eq!(
            extend_with_subtrees(old_size, &peaks, new_size, &[]),
            Err(MerkleError::NotGrowing { old_size, new_size })
        );
    }
    assert_eq!(
        CompactRange::from_peaks(6, vec![Hash32::ZERO]),
        Err(MerkleError::PeakCount { size: 6, actual: 1 })
    );
}

#[test]
fn stored_subtrees_are_exactly_the_complete_ones() {
    let all = leaves(33);
    let mut range = CompactRange::new();
    let mut stored = Vec::new();
    for leaf in &all {
        range.push_with(Hash32(*leaf), |subtree, hash| stored.push((subtree, *hash))).unwrap();
    }
    let mut expected = Vec::new();
    for end in 1..=all.len() {
        for level in 0..=end.trailing_zeros() as u8 {
            let start = end - (1 << level);
            let subtree = Subtree { level, index: (start >> level) as u64 };
            expected.push((subtree, Hash32(rfc::root(&all[start..end]))));
        }
    }
    assert_eq!(stored, expected);
}

/// A tree of any size in which every leaf is the same, so that a node depends on its level only.
struct Uniform;

impl NodeSource for Uniform {
    type Error = MissingNode;

    fn node(&self, level: u8, _: u64) -> Result<Hash32, MissingNode> {
        let leaf = leaf_hash(b"the same");
        Ok((0..level).fold(leaf, |child, _| node_hash(&child, &child)))
    }
}

#[test]
fn the_largest_tree_works_and_does_not_grow() {
    let max = u64::MAX;
    assert_eq!(subtree_decomposition(0, max).unwrap().count(), MAX_PEAKS);
    assert_eq!(subtree_decomposition(1, max).unwrap().count(), 126);
    assert_eq!(subtree_decomposition(max, max).unwrap().count(), 0);
    assert_eq!(
        subtree_decomposition(max - 1, max).unwrap().collect::<Vec<_>>(),
        [Subtree { level: 0, index: max - 1 }]
    );

    let peaks = subtree_hashes(&Uniform, 0, max).unwrap();
    let mut full = CompactRange::new();
    full.extend(max, &peaks).unwrap();
    assert_eq!(full.peaks(), peaks);
    let before = full.clone();
    assert_eq!(full.push(Hash32::ZERO), Err(MerkleError::Full));
    assert_eq!(full, before);

    let mut stepwise = CompactRange::new();
    stepwise.extend(1, &subtree_hashes(&Uniform, 0, 1).unwrap()).unwrap();
    stepwise.extend(max, &subtree_hashes(&Uniform, 1, max).unwrap()).unwrap();
    assert_eq!(stepwise, full);

    for index in [0, 1, max / 2, max - 2, max - 1] {
        let path = inclusion_proof(&Uniform, index, max).unwrap();
        verify_inclusion(&leaf_hash(b"the same"), index, max, &path, &full.root()).unwrap();
    }
    let almost = tree_root(&Uniform, max - 1).unwrap();
    let path = consistency_proof(&Uniform, max - 1, max).unwrap();
    verify_consistency(max - 1, &almost, max, &full.root(), &path).unwrap();
    assert_eq!(
        verify_inclusion(&leaf_hash(b"the same"), max, max, &[], &full.root()),
        Err(MerkleError::NoSuchLeaf { index: max, size: max })
    );
}

fn any_hash() -> impl Strategy<Value = Hash32> {
    any::<[u8; 32]>().prop_map(Hash32)
}

proptest! {
    #[test]
    fn any_sequence_of_extensions_equals_pushing_leaves(
        steps in prop::collection::vec(1_usize..300, 1..12),
    ) {
        let total = steps.iter().sum();
        let tree = tree(total);
        let all = leaves(total);
        let mut extended = CompactRange::new();
        let mut pushed = CompactRange::new();
        for step in steps {
            let (old, new) = (extended.size(), extended.size() + step as u64);
            extended.extend(new, &subtree_hashes(&tree, old, new).unwrap()).unwrap();
            for leaf in &all[old as usize..new as usize] {
                pushed.push(Hash32(*leaf)).unwrap();
            }
            prop_assert_eq!(&extended, &pushed);
            prop_assert_eq!(extended.root(), Hash32(rfc::root(&all[..new as usize])));
        }
        prop_assert_eq!(root_of_peaks(extended.peaks()), tree.root());
    }

    #[test]
    fn proofs_in_trees_of_any_size_verify(a in any::<u64>(), b in any::<u64>(), at in any::<u64>()) {
        let (first, second) = (a.min(b).max(1), a.max(b).max(1));
        let roots = [first, second].map(|size| tree_root(&Uniform, size).unwrap());
        let path = consistency_proof(&Uniform, first, second).unwrap();
        prop_assert_eq!(verify_consistency(first, &roots[0], second, &roots[1], &path), Ok(()));
        let index = at % second;
        let path = inclusion_proof(&Uniform, index, second).unwrap();
        let leaf = leaf_hash(b"the same");
        prop_assert_eq!(verify_inclusion(&leaf, index, second, &path, &roots[1]), Ok(()));
    }

    #[test]
    fn arbitrary_input_gives_errors_and_no_panic(
        a in any::<u64>(),
        b in any::<u64>(),
        hash in any_hash(),
        path in prop::collection::vec(any_hash(), 0..130),
    ) {
        prop_assert!(verify_inclusion(&hash, a, b, &path, &hash).is_err() || (b == 1 && path.is_empty()));
        prop_assert!(verify_consistency(a, &hash, b, &hash, &path).is_err() || (a == b && path.is_empty()));
        let outcome = extend_with_subtrees(a, &path, b, &path);
        prop_assert!(outcome.is_err() || path.len() == a.count_ones() as usize);
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
