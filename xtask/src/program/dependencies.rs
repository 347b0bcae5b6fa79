//! One digest over the registry packages that a program is compiled with.
//!
//! Read from the lockfile and the manifests alone, without asking cargo: from the program's and its
//! path crates' compiled dependencies, follow the lockfile. It says nothing about kinds below the
//! first step and holds every platform and every feature that anything in the workspace turns on,
//! so that the result may contain a package more than is compiled, never one less. Packages that
//! only other crates use do not change it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::sources::{compiled_dependencies, inherited, is_inherited, path_crates};
use super::target::{Target, manifest};

/// A `Cargo.lock`.
#[derive(Debug, Deserialize)]
struct Lockfile {
    package: Vec<Package>,
}

/// One resolved package.
#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// Digest of the packages in `target`'s compiled closure.
pub(crate) fn digest(target: &Target) -> Result<String> {
    let path = target.workspace.join("Cargo.lock");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let workspace = manifest(&target.workspace)?;
    let mut roots = BTreeMap::new();
    for dir in path_crates(target, &workspace)? {
        let manifest = manifest(&dir)?;
        let name = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(Value::as_str)
            .with_context(|| format!("{} is no package", dir.display()))?
            .to_owned();
        roots.insert(name, compiled_names(&manifest, &workspace));
    }
    closure_digest(&text, &roots).with_context(|| format!("cannot follow {}", path.display()))
}

/// Package names that a manifest compiles with, renames undone.
fn compiled_names(manifest: &Table, workspace: &Table) -> BTreeSet<String> {
    compiled_dependencies(manifest)
        .into_iter()
        .map(|(name, dependency)| {
            let entry = if is_inherited(&dependency) {
                inherited(workspace, &name)
            } else {
                Some(&dependency)
            };
            entry
                .and_then(|entry| entry.get("package"))
                .and_then(Value::as_str)
                .map_or_else(|| name.clone(), str::to_owned)
        })
        .collect()
}

/// `roots` are crates of our own with the names they compile with; their other dependencies in the
/// lockfile are for tests.
fn closure_digest(lockfile: &str, roots: &BTreeMap<String, BTreeSet<String>>) -> Result<String> {
    let lockfile: Lockfile = toml::from_str(lockfile)?;
    let mut by_name: BTreeMap<&str, Vec<&Package>> = BTreeMap::new();
    for package in &lockfile.package {
        by_name.entry(&package.name).or_default().push(package);
    }
    // A dependency is written "name", "name version" or "name version (source)", as short as it is
    // unambiguous.
    let find = |reference: &str| -> Result<&Package> {
        let mut words = reference.split_whitespace();
        let name = words.next().unwrap_or_default();
        let version = words.next();
        let candidates = by_name.get(name).map(Vec::as_slice).unwrap_or_default();
        match candidates
            .iter()
            .filter(|package| version.is_none_or(|version| package.version == version))
            .collect::<Vec<_>>()
            .as_slice()
        {
            [package] => Ok(package),
            [] => bail!("the lockfile has no {reference}: it is out of date"),
            _ => bail!("the lockfile is ambiguous about {reference}"),
        }
    };
    let mut closure = BTreeSet::new();
    let mut open = Vec::new();
    for (name, compiled) in roots {
        for reference in &find(name)?.dependencies {
            let name = reference.split_whitespace().next().unwrap_or_default();
            if compiled.contains(name) {
                open.push(find(reference)?);
            }
        }
    }
    while let Some(package) = open.pop() {
        // Our own crates are covered by the source digest, and are roots themselves.
        if roots.contains_key(&package.name) {
            continue;
        }
        let checksum = package.checksum.as_deref().unwrap_or("no checksum");
        if closure.insert(format!("{} {} {checksum}\n", package.name, package.version)) {
            for reference in &package.dependencies {
                open.push(find(reference)?);
            }
        }
    }
    let mut hasher = Sha256::new();
    for line in &closure {
        hasher.update(line);
    }
    Ok(hex::encode(hasher.finalize()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const LOCKFILE: &str = r#"
version = 4

[[package]]
name = "program"
version = "0.1.0"
dependencies = ["anchor", "hash 1.0.0", "testing"]

[[package]]
name = "anchor"
version = "1.2.0"
checksum = "aa"
dependencies = ["hash 2.0.0"]

[[package]]
name = "hash"
version = "1.0.0"
checksum = "b1"

[[package]]
name = "hash"
version = "2.0.0"
checksum = "b2"

[[package]]
name = "testing"
version = "3.0.0"
checksum = "cc"
dependencies = ["anchor"]
"#;

    fn digest_of(lockfile: &str) -> String {
        let compiled = BTreeSet::from(["anchor".to_owned(), "hash".to_owned()]);
        closure_digest(lockfile, &BTreeMap::from([("program".to_owned(), compiled)])).unwrap()
    }

    #[test]
    fn checksum_of_any_compiled_package_changes_the_digest() {
        for checksum in ["aa", "b1", "b2"] {
            let changed = LOCKFILE.replace(&format!("\"{checksum}\""), "\"dd\"");
            assert_ne!(digest_of(&changed), digest_of(LOCKFILE), "{checksum}");
        }
    }

    #[test]
    fn packages_for_tests_or_other_crates_do_not_change_the_digest() {
        let changed = LOCKFILE.replace("3.0.0", "3.0.1").replace("\"cc\"", "\"dd\"");
        let extended = format!("{changed}\n[[package]]\nname = \"other\"\nversion = \"1.0.0\"\n");
        assert_eq!(digest_of(&extended), digest_of(LOCKFILE));
    }

    #[test]
    fn order_of_packages_does_not_change_the_digest() {
        let (head, packages) = LOCKFILE.split_once("\n[[package]]").unwrap();
        let mut packages: Vec<&str> = packages.split("\n[[package]]").collect();
        packages.reverse();
        let reversed = format!("{head}\n[[package]]{}", packages.join("\n[[package]]"));
        assert_eq!(digest_of(&reversed), digest_of(LOCKFILE));
    }

    #[test]
    fn lockfile_without_the_package_is_refused() {
        let roots = BTreeMap::from([("missing".to_owned(), BTreeSet::new())]);
        assert!(closure_digest(LOCKFILE, &roots).is_err());
    }
}
