//! `merkle.json` by the recursive definitions of RFC 9162 section 2.1.

use serde_json::Value;

use super::{Fields, read, sha256};

type Hash = [u8; 32];

fn leaf(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

fn peaks(leaves: &[Hash]) -> Vec<String> {
    let mut peaks = Vec::new();
    let mut rest = leaves;
    while !rest.is_empty() {
        let complete = if rest.len().is_power_of_two() { rest.len() } else { split(rest.len()) };
        let (first, others) = rest.split_at(complete);
        peaks.push(hex::encode(root(first)));
        rest = others;
    }
    peaks
}

fn path_root(leaf: Hash, m: usize, n: usize, path: &[Hash]) -> Option<Hash> {
    if n == 1 {
        return (m == 0 && path.is_empty()).then_some(leaf);
    }
    let (top, rest) = path.split_last()?;
    let k = split(n);
    if m < k {
        Some(node(&path_root(leaf, m, k, rest)?, top))
    } else {
        Some(node(top, &path_root(leaf, m - k, n - k, rest)?))
    }
}

fn proof_roots(old: Hash, m: usize, n: usize, whole: bool, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if m == n {
        return match (whole, proof) {
            (true, []) => Some((old, old)),
            (false, [only]) => Some((*only, *only)),
            _ => None,
        };
    }
    let (top, rest) = proof.split_last()?;
    let k = split(n);
    if m <= k {
        let (first, second) = proof_roots(old, m, k, whole, rest)?;
        Some((first, node(&second, top)))
    } else {
        let (first, second) = proof_roots(old, m - k, n - k, false, rest)?;
        Some((node(top, &first), node(top, &second)))
    }
}

fn hash(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn hashes(list: &[Value]) -> Vec<Hash> {
    list.iter().map(|text| hash(text.as_str().unwrap())).collect()
}

fn strings(list: &[Value]) -> Vec<String> {
    list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn size(case: &Value, name: &str) -> usize {
    usize::try_from(case.integer(name)).unwrap()
}

fn trees(vectors: &Value) -> [(&'static str, Vec<Hash>); 2] {
    let small = vectors
        .list("leaves")
        .iter()
        .map(|text| leaf(&hex::decode(text.as_str().unwrap()).unwrap()));
    let large = (0..1000_u32).map(|i| leaf(&i.to_be_bytes()));
    [("small", small.collect()), ("large", large.collect())]
}

/// The eight leaves and their roots as certificate-transparency implementations are tested with them.
#[test]
fn roots_of_the_well_known_leaves_are_the_well_known_roots() {
    let vectors = read("merkle.json");
    let expected = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let roots = vectors["roots"].list("small");
    assert_eq!(roots.len(), expected.len());
    for (size, (case, expected)) in roots.iter().zip(expected).enumerate() {
        assert_eq!((case.text("size"), case.text("root")), (size.to_string().as_str(), expected));
    }
}

#[test]
fn leaf_hashes_roots_and_peaks_follow_the_definition() {
    let vectors = read("merkle.json");
    let [small, large] = trees(&vectors);
    assert_eq!(hashes(vectors.list("leaf_hashes")), small.1);
    for (name, leaves) in [small, large] {
        for case in vectors["roots"].list(name) {
            let leaves = &leaves[..size(case, "size")];
            assert_eq!(hash(case.text("root")), root(leaves));
            assert_eq!(strings(case.list("peaks")), peaks(leaves));
        }
    }
}

#[test]
fn inclusion_paths_lead_from_leaf_to_root() {
    let vectors = read("merkle.json");
    for (name, leaves) in trees(&vectors) {
        for case in vectors["inclusion"].list(name) {
            let (index, size) = (size(case, "index"), size(case, "size"));
            assert_eq!(hash(case.text("leaf_hash")), leaves[index]);
            assert_eq!(hash(case.text("root")), root(&leaves[..size]));
            assert_eq!(
                path_root(leaves[index], index, size, &hashes(case.list("path"))),
                Some(root(&leaves[..size])),
                "{case}"
            );
        }
    }
    let rejected = vectors["rejected"].list("inclusion");
    assert_eq!(rejected.len(), 10);
    for case in rejected {
        let (index, size) = (case.integer("index"), case.integer("size"));
        if index < size {
            let reached = path_root(
                hash(case.text("leaf_hash")),
                usize::try_from(index).unwrap(),
                usize::try_from(size).unwrap(),
                &hashes(case.list("path")),
            );
            assert_ne!(reached, Some(hash(case.text("root"))), "{case}");
            let expected = if reached.is_none() { "path_length" } else { "root_mismatch" };
            assert_eq!(case.text("error"), expected, "{case}");
        } else {
            assert_eq!(case.text("error"), "no_such_leaf", "{case}");
        }
    }
}

#[test]
fn consistency_paths_lead_to_both_roots() {
    let vectors = read("merkle.json");
    for (name, leaves) in trees(&vectors) {
        for case in vectors["consistency"].list(name) {
            let (first, second) = (size(case, "first"), size(case, "second"));
            let roots = (root(&leaves[..first]), root(&leaves[..second]));
            assert_eq!(hash(case.text("first_root")), roots.0);
            assert_eq!(hash(case.text("second_root")), roots.1);
            let path = hashes(case.list("path"));
            assert_eq!(proof_roots(roots.0, first, second, true, &path), Some(roots), "{case}");
        }
    }
    let rejected = vectors["rejected"].list("consistency");
    assert_eq!(rejected.len(), 12);
    for case in rejected {
        let (first, second) = (size(case, "first"), size(case, "second"));
        if first == 0 || first > second {
            assert_eq!(case.text("error"), "no_such_consistency", "{case}");
            continue;
        }
        let roots = (hash(case.text("first_root")), hash(case.text("second_root")));
        let path = hashes(case.list("path"));
        let reached = proof_roots(roots.0, first, second, true, &path);
        assert_ne!(reached, Some(roots), "{case}");
        let expected = if reached.is_none() { "path_length" } else { "root_mismatch" };
        assert_eq!(case.text("error"), expected, "{case}");
    }
}

#[test]
fn extensions_hold_the_largest_aligned_subtrees_and_give_the_new_tree() {
    let vectors = read("merkle.json");
    for (name, leaves) in trees(&vectors) {
        for case in vectors["log_extend"].list(name) {
            let (old, new) = (size(case, "old_size"), size(case, "new_size"));
            assert_eq!(strings(case.list("old_peaks")), peaks(&leaves[..old]));
            assert_eq!(strings(case.list("new_peaks")), peaks(&leaves[..new]));
            assert_eq!(hash(case.text("root")), root(&leaves[..new]));
            let mut position = old;
            let given = case.list("subtrees").iter().zip(hashes(case.list("hashes")));
            for (subtree, hash) in given {
                let mut leaves_in_it = 1;
                while position.is_multiple_of(leaves_in_it * 2)
                    && position + leaves_in_it * 2 <= new
                {
                    leaves_in_it *= 2;
                }
                assert_eq!(subtree["level"].as_u64(), Some(u64::from(leaves_in_it.ilog2())));
                assert_eq!(size(subtree, "index"), position / leaves_in_it);
                assert_eq!(hash, root(&leaves[position..position + leaves_in_it]), "{case}");
                position += leaves_in_it;
            }
            assert_eq!(position, new);
            assert_eq!(case.list("subtrees").len(), case.list("hashes").len());
        }
    }
    for case in vectors["rejected"].list("log_extend") {
        let (old, new) = (case.integer("old_size"), case.integer("new_size"));
        let expected = if new <= old {
            "not_growing"
        } else if case.list("old_peaks").len() as u64 != u64::from(old.count_ones()) {
            "peak_count"
        } else {
            "hash_count"
        };
        assert_eq!(case.text("error"), expected, "{case}");
    }
}
