//! Inclusion and consistency, for all sizes up to [`LARGEST`].

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    MemoryTree, MerkleError, MissingNode, ProofError, consistency_proof, inclusion_proof,
    root_from_inclusion_path, tree_root, verify_consistency, verify_inclusion,
};

use super::{LARGEST, flipped, leaves, rfc, tree};

fn hashes(from: Vec<rfc::Hash>) -> Vec<Hash32> {
    from.into_iter().map(Hash32).collect()
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
                assert_eq!(
                    result.is_ok(),
                    expected == Some(root),
                    "{index} of {size}/{other_size}"
                );
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
