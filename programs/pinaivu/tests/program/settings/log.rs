//! The receipt log's head. The expected roots come from RFC 9162's recursive definition, written out
//! here, not from the program's compact ranges.

use pinaivu_protocol::hash::{Hash32, sha256};

use crate::harness::*;

pub(crate) type Hash = [u8; 32];

/// Hashes of the leaves 0, 1, 2, …
pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| sha256(&[&[0], &index.to_be_bytes()]).0).collect()
}

/// MTH of RFC 9162, section 2.1.1, over leaf hashes.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]).0,
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            sha256(&[&[1], &root(left), &root(right)]).0
        }
    }
}

/// PATH of RFC 9162, section 2.1.3.1.
pub(crate) fn path(leaves: &[Hash], index: usize) -> Vec<Hash32> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (self::path(left, index), root(right))
    } else {
        (self::path(right, index - split), root(left))
    };
    path.push(Hash32(sibling));
    path
}

/// The root that a path gives a leaf of a tree; none when the path has another length.
pub(crate) fn rebuilt(leaf: Hash, index: usize, size: usize, path: &[Hash32]) -> Option<Hash> {
    if size == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (Hash32(sibling), rest) = path.split_last()?;
    let split = size.next_power_of_two() / 2;
    let root = if index < split {
        sha256(&[&[1], &rebuilt(leaf, index, split, rest)?, sibling])
    } else {
        sha256(&[&[1], sibling, &rebuilt(leaf, index - split, size - split, rest)?])
    };
    Some(root.0)
}

/// Where the complete subtree begins that covers a leaf, among those that a log of some size consists
/// of, and how many leaves it has.
pub(crate) fn covering(index: usize, size: usize) -> (usize, usize) {
    let (mut start, mut rest) = (0, size);
    loop {
        let peak = 1 << rest.ilog2();
        if index < start + peak {
            return (start, peak);
        }
        start += peak;
        rest -= peak;
    }
}

/// The extension of a log of these leaves: at each position the largest aligned complete subtree.
pub(crate) fn extension(
    epoch: u32,
    leaves: &[Hash],
    old_size: usize,
    new_size: usize,
) -> Extension {
    let (mut position, mut hashes) = (old_size, Vec::new());
    while position < new_size {
        let fitting = (0..63).rev().map(|level| 1_usize << level);
        let size = fitting
            .into_iter()
            .find(|size| position % size == 0 && position + size <= new_size)
            .unwrap();
        hashes.push(root(&leaves[position..position + size]));
        position += size;
    }
    Extension {
        epoch,
        old_size: old_size as u64,
        new_size: new_size as u64,
        hashes,
        expected_root: root(&leaves[..new_size]),
    }
}

pub(crate) fn setting() -> (World, Coordinator) {
    let mut world = World::new();
    let coordinator = world.coordinator();
    (world, coordinator)
}
