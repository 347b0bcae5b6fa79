//! Compact ranges that grow by whole subtrees.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    CompactRange, MerkleError, Subtree, extend_with_subtrees, subtree_decomposition, subtree_hashes,
};

use super::{LARGEST, flipped, leaves, rfc, tree};

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
