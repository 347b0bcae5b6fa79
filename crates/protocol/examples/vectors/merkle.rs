//! Roots, peaks, proofs and extensions of two trees: the eight leaves that other implementations of
//! RFC 9162 are tested with, and a thousand made-up ones.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    MemoryTree, MerkleError, consistency_proof, extend_with_subtrees, inclusion_proof, leaf_hash,
    subtree_decomposition, subtree_hashes, tree_root, verify_consistency, verify_inclusion,
};
use serde_json::{Value, json};

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

pub(super) fn vectors() -> Value {
    let leaves: Vec<_> = LEAVES.iter().map(|leaf| hex::decode(leaf).unwrap()).collect();
    let small = tree(leaves.iter().map(Vec::as_slice));
    let numbered: Vec<_> = (0..1000_u32).map(|i| i.to_be_bytes()).collect();
    let large = tree(numbered.iter().map(<[u8; 4]>::as_slice));
    let some_sizes = [9, 63, 64, 65, 500, 777, 1000];
    let all_leaves = (1..=8).flat_map(|size| (0..size).map(move |index| (index, size)));
    let some_leaves = [(0, 1000), (511, 1000), (512, 1000), (999, 1000), (600, 777), (64, 65)];
    let all_pairs = (1..=8).flat_map(|second| (1..=second).map(move |first| (first, second)));
    let some_pairs = [(1, 1000), (512, 1000), (513, 1000), (999, 1000), (64, 777), (777, 777)];
    let small_steps = [(0, 1), (0, 8), (1, 2), (1, 8), (3, 7), (5, 6), (7, 8)];
    let large_steps = [(0, 1000), (1, 1000), (100, 777), (511, 513), (777, 1000), (999, 1000)];
    json!({
        "about": "RFC 9162 section 2.1 over SHA-256. The tree `small` has the leaves below; leaf i of `large` is i as 4 bytes, big endian.",
        "leaves": LEAVES,
        "leaf_hashes": leaves.iter().map(|leaf| leaf_hash(leaf).to_string()).collect::<Vec<_>>(),
        "roots": {
            "small": (0..=8).map(|size| root(&small, size)).collect::<Vec<_>>(),
            "large": some_sizes.map(|size| root(&large, size)),
        },
        "inclusion": {
            "small": all_leaves.map(|(at, size)| inclusion(&small, at, size)).collect::<Vec<_>>(),
            "large": some_leaves.map(|(at, size)| inclusion(&large, at, size)),
        },
        "consistency": {
            "small": all_pairs.map(|(old, new)| consistency(&small, old, new)).collect::<Vec<_>>(),
            "large": some_pairs.map(|(old, new)| consistency(&large, old, new)),
        },
        "log_extend": {
            "small": small_steps.map(|(old, new)| extension(&small, old, new)),
            "large": large_steps.map(|(old, new)| extension(&large, old, new)),
        },
        "rejected": {
            "inclusion": rejected_inclusions(&small),
            "consistency": rejected_consistencies(&small),
            "log_extend": rejected_extensions(&small),
        },
    })
}

fn tree<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> MemoryTree {
    let mut tree = MemoryTree::new();
    for leaf in leaves {
        tree.push(leaf_hash(leaf)).unwrap();
    }
    tree
}

fn texts(hashes: &[Hash32]) -> Vec<String> {
    hashes.iter().map(Hash32::to_string).collect()
}

fn root(tree: &MemoryTree, size: u64) -> Value {
    json!({
        "size": size.to_string(),
        "peaks": texts(&subtree_hashes(tree, 0, size).unwrap()),
        "root": tree_root(tree, size).unwrap().to_string(),
    })
}

fn leaf(tree: &MemoryTree, index: u64) -> Hash32 {
    subtree_hashes(tree, index, index + 1).unwrap()[0]
}

fn inclusion(tree: &MemoryTree, index: u64, size: u64) -> Value {
    json!({
        "index": index.to_string(),
        "size": size.to_string(),
        "leaf_hash": leaf(tree, index).to_string(),
        "path": texts(&inclusion_proof(tree, index, size).unwrap()),
        "root": tree_root(tree, size).unwrap().to_string(),
    })
}

fn consistency(tree: &MemoryTree, first: u64, second: u64) -> Value {
    json!({
        "first": first.to_string(),
        "second": second.to_string(),
        "first_root": tree_root(tree, first).unwrap().to_string(),
        "second_root": tree_root(tree, second).unwrap().to_string(),
        "path": texts(&consistency_proof(tree, first, second).unwrap()),
    })
}

fn extension(tree: &MemoryTree, old: u64, new: u64) -> Value {
    let subtrees: Vec<_> = subtree_decomposition(old, new)
        .unwrap()
        .map(|subtree| json!({"level": subtree.level, "index": subtree.index.to_string()}))
        .collect();
    let old_peaks = subtree_hashes(tree, 0, old).unwrap();
    let hashes = subtree_hashes(tree, old, new).unwrap();
    json!({
        "old_size": old.to_string(),
        "old_peaks": texts(&old_peaks),
        "new_size": new.to_string(),
        "subtrees": subtrees,
        "hashes": texts(&hashes),
        "new_peaks": texts(&extend_with_subtrees(old, &old_peaks, new, &hashes).unwrap()),
        "root": tree_root(tree, new).unwrap().to_string(),
    })
}

/// Names of errors that any implementation can use.
fn code(error: MerkleError) -> &'static str {
    match error {
        MerkleError::NotGrowing { .. } => "not_growing",
        MerkleError::PeakCount { .. } => "peak_count",
        MerkleError::HashCount { .. } => "hash_count",
        MerkleError::Full => "full",
        MerkleError::NoSuchLeaf { .. } => "no_such_leaf",
        MerkleError::NoSuchConsistency { .. } => "no_such_consistency",
        MerkleError::PathLength { .. } => "path_length",
        MerkleError::RootMismatch => "root_mismatch",
    }
}

fn flipped(hash: Hash32) -> Hash32 {
    let mut bytes = hash.0;
    bytes[0] ^= 1;
    Hash32(bytes)
}

fn rejected_inclusions(tree: &MemoryTree) -> Vec<Value> {
    let (size, at) = (7, 5);
    let (leaf, root) = (leaf(tree, at), tree_root(tree, size).unwrap());
    let path = inclusion_proof(tree, at, size).unwrap();
    let mut changed = path.clone();
    changed[1] = flipped(changed[1]);
    let mut longer = path.clone();
    longer.push(root);
    let shorter = path[..path.len() - 1].to_vec();
    [
        ("another leaf", flipped(leaf), at, size, path.clone(), root),
        ("another root", leaf, at, size, path.clone(), flipped(root)),
        ("another index", leaf, 4, size, path.clone(), root),
        ("another size", leaf, at, 6, path.clone(), root),
        ("a changed hash in the path", leaf, at, size, changed, root),
        ("a hash too many", leaf, at, size, longer, root),
        ("a hash too few", leaf, at, size, shorter, root),
        ("an index beyond the tree", leaf, 7, size, path.clone(), root),
        ("an empty tree", leaf, 0, 0, Vec::new(), root),
        ("the largest index", leaf, u64::MAX, u64::MAX, path, root),
    ]
    .into_iter()
    .map(|(why, leaf, index, size, path, root)| {
        let error = verify_inclusion(&leaf, index, size, &path, &root).unwrap_err();
        json!({
            "why": why,
            "index": index.to_string(),
            "size": size.to_string(),
            "leaf_hash": leaf.to_string(),
            "path": texts(&path),
            "root": root.to_string(),
            "error": code(error),
        })
    })
    .collect()
}

fn rejected_consistencies(tree: &MemoryTree) -> Vec<Value> {
    let roots = [3, 7].map(|size| tree_root(tree, size).unwrap());
    let path = consistency_proof(tree, 3, 7).unwrap();
    let mut changed = path.clone();
    changed[0] = flipped(changed[0]);
    let mut longer = path.clone();
    longer.push(roots[0]);
    let shorter = path[..path.len() - 1].to_vec();
    [
        ("another first root", 3, 7, path.clone(), [flipped(roots[0]), roots[1]]),
        ("another second root", 3, 7, path.clone(), [roots[0], flipped(roots[1])]),
        ("roots changed over", 3, 7, path.clone(), [roots[1], roots[0]]),
        ("a changed hash in the path", 3, 7, changed, roots),
        ("a hash too many", 3, 7, longer, roots),
        ("a hash too few", 3, 7, shorter, roots),
        ("no path at all", 4, 7, Vec::new(), roots),
        ("another first size", 2, 7, path.clone(), roots),
        ("an empty first tree", 0, 7, path.clone(), roots),
        ("a first tree larger than the second", 7, 3, path.clone(), roots),
        ("equal sizes and a path", 7, 7, path, [roots[1], roots[1]]),
        ("equal sizes and different roots", 7, 7, Vec::new(), roots),
    ]
    .into_iter()
    .map(|(why, first, second, path, [first_root, second_root])| {
        let error =
            verify_consistency(first, &first_root, second, &second_root, &path).unwrap_err();
        json!({
            "why": why,
            "first": first.to_string(),
            "second": second.to_string(),
            "first_root": first_root.to_string(),
            "second_root": second_root.to_string(),
            "path": texts(&path),
            "error": code(error),
        })
    })
    .collect()
}

fn rejected_extensions(tree: &MemoryTree) -> Vec<Value> {
    let peaks = subtree_hashes(tree, 0, 3).unwrap();
    let hashes = subtree_hashes(tree, 3, 7).unwrap();
    let mut longer = hashes.clone();
    longer.push(hashes[0]);
    let shorter = hashes[..hashes.len() - 1].to_vec();
    [
        ("the same size", 3, peaks.clone(), 3, Vec::new()),
        ("a smaller size", 3, peaks.clone(), 2, Vec::new()),
        ("a hash too many", 3, peaks.clone(), 7, longer),
        ("a hash too few", 3, peaks.clone(), 7, shorter),
        ("hashes for another size", 3, peaks.clone(), 5, hashes.clone()),
        ("a peak too few", 3, peaks[..1].to_vec(), 7, hashes.clone()),
        ("peaks of an empty tree", 0, peaks, 7, hashes),
    ]
    .into_iter()
    .map(|(why, old_size, old_peaks, new_size, hashes)| {
        let error = extend_with_subtrees(old_size, &old_peaks, new_size, &hashes).unwrap_err();
        json!({
            "why": why,
            "old_size": old_size.to_string(),
            "old_peaks": texts(&old_peaks),
            "new_size": new_size.to_string(),
            "hashes": texts(&hashes),
            "error": code(error),
        })
    })
    .collect()
}
