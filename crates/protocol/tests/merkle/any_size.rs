//! Trees up to the largest size, and input of any kind.

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{
    CompactRange, MAX_PEAKS, MerkleError, MissingNode, NodeSource, Subtree, consistency_proof,
    extend_with_subtrees, inclusion_proof, leaf_hash, node_hash, root_of_peaks,
    subtree_decomposition, subtree_hashes, tree_root, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use super::{leaves, rfc, tree};

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
