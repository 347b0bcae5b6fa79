//! The direction of dependencies, read from `cargo metadata` and from module imports.
//!
//! `protocol` depends on nothing of ours; `rules` and `auction` on `protocol`; the program on `protocol`
//! and `rules`; `chain` on `protocol`; the services on the libraries and never on each other; nothing on
//! a binary; the embedded chain stays out of the services' trees. A new crate must be listed here with
//! what it may use, or this fails.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every crate of ours and which others its normal dependencies may name.
const ALLOWED: &[(&str, &[&str])] = &[
    ("pinaivu-protocol", &[]),
    ("pinaivu-rules", &["pinaivu-protocol"]),
    ("pinaivu-auction", &["pinaivu-protocol"]),
    ("pinaivu-openai", &["pinaivu-protocol"]),
    ("pinaivu-chain", &["pinaivu-protocol"]),
    ("pinaivu-log", &["pinaivu-protocol"]),
    ("pinaivu-attestation", &["pinaivu-protocol"]),
    ("pinaivu-tokenizer", &[]),
    ("pinaivu-tunnel", &[]),
    ("pinaivu-program", &["pinaivu-protocol", "pinaivu-rules"]),
    ("pinaivu-localnet", &["pinaivu-protocol", "pinaivu-chain"]),
    (
        "pinaivu-fuzz-targets",
        &[
            "pinaivu-protocol",
            "pinaivu-auction",
            "pinaivu-openai",
            "pinaivu-log",
            "pinaivu-attestation",
            "pinaivu-program",
            "pinaivu-tunnel",
        ],
    ),
    ("pinaivu-testkit", &["pinaivu-protocol", "pinaivu-openai", "pinaivu-attestation"]),
    (
        "pinaivu-coordinator",
        &[
            "pinaivu-protocol",
            "pinaivu-rules",
            "pinaivu-auction",
            "pinaivu-openai",
            "pinaivu-chain",
            "pinaivu-log",
            "pinaivu-attestation",
            "pinaivu-tokenizer",
            "pinaivu-tunnel",
        ],
    ),
    (
        "pinaivu-node-client",
        &[
            "pinaivu-protocol",
            "pinaivu-openai",
            "pinaivu-chain",
            "pinaivu-attestation",
            "pinaivu-tunnel",
        ],
    ),
    (
        "pinaivu-cli",
        &[
            "pinaivu-protocol",
            "pinaivu-auction",
            "pinaivu-chain",
            "pinaivu-log",
            "pinaivu-attestation",
            "pinaivu-node-client",
        ],
    ),
    ("pinaivu-system-tests", &["pinaivu-protocol", "pinaivu-chain"]),
    ("xtask", &[]),
];

/// Crates that only tests may use.
const TEST_ONLY: &[&str] = &["pinaivu-testkit", "pinaivu-fuzz-targets"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata(arguments: &[&str]) -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Our crates with the names of our crates they depend on, by kind (`null` is normal).
fn ours() -> BTreeMap<String, BTreeSet<(Option<String>, String)>> {
    let metadata = metadata(&["--no-deps"]);
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|p| p["name"].as_str().unwrap()).collect();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|d| names.contains(d["name"].as_str().unwrap()))
                .map(|d| {
                    let kind = d["kind"].as_str().map(str::to_owned);
                    (kind, d["name"].as_str().unwrap().to_owned())
                })
                .collect();
            (package["name"].as_str().unwrap().to_owned(), dependencies)
        })
        .collect()
}

#[test]
fn crates_depend_only_on_what_the_design_allows() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, list)| (*name, list.iter().copied().collect())).collect();
    for (name, dependencies) in ours() {
        let may = allowed.get(name.as_str()).unwrap_or_else(|| {
            panic!("{name} is not listed: say here what it may depend on");
        });
        for (kind, dependency) in dependencies {
            match kind.as_deref() {
                None => assert!(
                    may.contains(dependency.as_str()),
                    "{name} must not depend on {dependency}"
                ),
                Some("dev") => {}
                Some(other) => panic!("{name} has a {other}-dependency on {dependency}"),
            }
        }
    }
}

#[test]
fn test_support_is_only_a_dev_dependency() {
    for (name, dependencies) in ours() {
        for test_only in TEST_ONLY {
            assert!(
                !dependencies.contains(&(None, (*test_only).to_owned())),
                "{name} ships {test_only}"
            );
        }
    }
}

#[test]
fn embedded_chain_stays_out_of_the_services() {
    for service in ["pinaivu-coordinator", "pinaivu-node-client", "pinaivu-cli"] {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
            .args(["--package", service])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8(output.stdout).unwrap();
        assert!(tree.contains("tokio v"), "the tree of {service} looks wrong:\n{tree}");
        for heavy in ["surfpool", "litesvm", "solana-runtime v", "solana-program-runtime v"] {
            assert!(!tree.contains(heavy), "{service} pulls in {heavy}");
        }
    }
}

/// Sources under `directory`, with their text. Unit tests may look at whom they like.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("directory exists") {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

#[test]
fn coordinator_modules_follow_the_layers() {
    let source = root().join("coordinator/src");
    // Who must not be imported by whom, within the coordinator.
    let forbidden = [
        ("engine", "crate::http"),
        ("tunnel", "crate::http"),
        ("accounts", "crate::http"),
        ("receipts", "crate::http"),
        ("receipts", "crate::engine"),
        ("settlement", "crate::http"),
        ("settlement", "crate::engine"),
        ("store", "crate::http"),
        ("store", "crate::engine"),
        ("store", "crate::receipts"),
        ("store", "crate::settlement"),
    ];
    for (module, import) in forbidden {
        for (path, text) in sources(&source.join(module)) {
            assert!(!text.contains(import), "{} imports {import}", path.display());
        }
    }
    // Only the store knows SQL.
    for (path, text) in sources(&source) {
        if !path.starts_with(source.join("store")) {
            assert!(!text.contains("rusqlite"), "{} knows SQL", path.display());
        }
    }
}
