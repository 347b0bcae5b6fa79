//! RFC 9162 section 2.1, as written: recursive, and over whole lists of leaves.

use sha2::{Digest, Sha256};

pub(crate) type Hash = [u8; 32];

pub(crate) fn leaf(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

pub(crate) fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The largest power of two smaller than `n`.
pub(crate) fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

pub(crate) fn root(leaves: &[Hash]) -> Hash {
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
pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
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
pub(crate) fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
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
pub(crate) fn root_of_path(leaf: &Hash, m: usize, n: usize, path: &[Hash]) -> Option<Hash> {
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
pub(crate) fn roots_of_proof(
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
