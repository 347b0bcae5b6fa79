//! One digest over every source that a program is compiled from.
//!
//! What counts: the program crate and the crates it reaches by path (their `src`, their build
//! script, and of their manifests the tables that reach the compiler), what they inherit from the
//! workspace, the inputs in `tools/sbf`, and the part of this tool that calls the compiler and
//! links. What does not: tests, examples, benches, lints and
//! dev-dependencies. Only names and contents enter, in order of name: neither time stamps nor the
//! order in which a directory lists its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::target::{Target, manifest};

/// Files of the repository that decide what the compiler is and how it is called.
const TOOL_INPUTS: [&str; 8] = [
    "tools/sbf/recipe.toml",
    "tools/sbf/sbpf-solana-solana.json",
    "tools/sbf/std-patches.toml",
    "tools/sbf/rt/Cargo.toml",
    "tools/sbf/rt/Cargo.lock",
    "xtask/src/program/link.rs",
    "xtask/src/program/registry.rs",
    "xtask/src/program/std_patch.rs",
];

/// Run-time support that is linked into every program.
const TOOL_SOURCES: &str = "tools/sbf/rt/src";

/// Tables of a manifest that never reach the compiled library.
const IRRELEVANT: [&str; 7] =
    ["dev-dependencies", "lints", "test", "example", "bench", "bin", "workspace"];

/// Everything a program is compiled from, by name, ready to be hashed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    entries: BTreeMap<String, Vec<u8>>,
}

impl Sources {
    /// Collects the sources of `target`; the tools are those of `repository`.
    pub(crate) fn collect(target: &Target, repository: &Path) -> Result<Self> {
        let mut sources = Self::default();
        let workspace = manifest(&target.workspace)?;
        for dir in path_crates(target, &workspace)? {
            sources.add_crate(&dir, &workspace, &target.workspace)?;
        }
        for input in TOOL_INPUTS {
            sources.add_file(&repository.join(input), &format!("tool {input}"))?;
        }
        sources.add_tree(&repository.join(TOOL_SOURCES), &format!("tool {TOOL_SOURCES}"))?;
        Ok(sources)
    }

    /// SHA-256 over every name and content, each preceded by its length.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, content) in &self.entries {
            for part in [name.as_bytes(), content] {
                hasher.update((part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
        }
        hex::encode(hasher.finalize())
    }

    fn add_crate(&mut self, dir: &Path, workspace: &Table, root: &Path) -> Result<()> {
        let name = relative(dir, root);
        let manifest = manifest(dir)?;
        self.entries
            .insert(format!("{name}/Cargo.toml"), compiled_part(manifest, workspace).into_bytes());
        self.add_tree(&dir.join("src"), &format!("{name}/src"))?;
        let build_script = dir.join("build.rs");
        if build_script.exists() {
            self.add_file(&build_script, &format!("{name}/build.rs"))?;
        }
        Ok(())
    }

    fn add_tree(&mut self, dir: &Path, name: &str) -> Result<()> {
        let entries =
            fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
        for entry in entries {
            let entry = entry?;
            let file_name = entry.file_name();
            let file_name = file_name.to_string_lossy();
            // Editors and systems leave hidden files lying about.
            if file_name.starts_with('.') {
                continue;
            }
            let name = format!("{name}/{file_name}");
            if entry.path().is_dir() {
                self.add_tree(&entry.path(), &name)?;
            } else {
                self.add_file(&entry.path(), &name)?;
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path, name: &str) -> Result<()> {
        let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.entries.insert(name.to_owned(), content);
        Ok(())
    }
}

/// The target's own crate and every crate it depends on by path, in order of path.
pub(crate) fn path_crates(target: &Target, workspace: &Table) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![target.dir.clone()];
    while let Some(dir) = open.pop() {
        if !found.insert(dir.clone()) {
            continue;
        }
        for (name, dependency) in compiled_dependencies(&manifest(&dir)?) {
            let (from, dependency) = if is_inherited(&dependency) {
                (&target.workspace, inherited(workspace, &name).cloned().unwrap_or(dependency))
            } else {
                (&dir, dependency)
            };
            if let Some(path) = dependency.get("path").and_then(Value::as_str) {
                open.push(normalised(&from.join(path)));
            }
        }
    }
    Ok(found)
}

/// Dependencies that end up in the library, its build scripts and its macros, on any platform.
pub(crate) fn compiled_dependencies(manifest: &Table) -> Vec<(String, Value)> {
    let platforms = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(platforms)
        .flat_map(|tables| ["dependencies", "build-dependencies"].map(|kind| tables.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .flatten()
        .map(|(name, dependency)| (name.clone(), dependency.clone()))
        .collect()
}

/// What the workspace says about a dependency.
pub(crate) fn inherited<'a>(workspace: &'a Table, name: &str) -> Option<&'a Value> {
    workspace.get("workspace")?.get("dependencies")?.get(name)
}

/// Whether a key says `workspace = true`.
pub(crate) fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// The part of a manifest that reaches the compiler, with what it inherits, as text in which every
/// table is in order of key.
fn compiled_part(mut manifest: Table, workspace: &Table) -> String {
    for key in IRRELEVANT {
        manifest.remove(key);
    }
    if let Some(platforms) = manifest.get_mut("target").and_then(Value::as_table_mut) {
        for platform in platforms.iter_mut().filter_map(|(_, value)| value.as_table_mut()) {
            platform.remove("dev-dependencies");
        }
    }
    let mut inherits = Table::new();
    for (name, dependency) in compiled_dependencies(&manifest) {
        if is_inherited(&dependency)
            && let Some(value) = inherited(workspace, &name)
        {
            inherits.insert(format!("dependency {name}"), value.clone());
        }
    }
    let package = workspace.get("workspace").and_then(|workspace| workspace.get("package"));
    for (name, value) in manifest.get("package").and_then(Value::as_table).into_iter().flatten() {
        if is_inherited(value)
            && let Some(value) = package.and_then(|package| package.get(name))
        {
            inherits.insert(format!("package {name}"), value.clone());
        }
    }
    let mut text = String::new();
    write_sorted(&Value::Table(manifest), &mut text);
    write_sorted(&Value::Table(inherits), &mut text);
    text
}

fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Table(table) => {
            let sorted: BTreeMap<&String, &Value> = table.iter().collect();
            text.push('{');
            for (key, value) in sorted {
                text.push_str(&format!("{key:?}:"));
                write_sorted(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                write_sorted(value, text);
                text.push(',');
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// A path below the root with forward slashes; one that is not below it keeps only its last name,
/// so that the digest does not depend on where the repository lies.
fn relative(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).ok();
    let below = below.or_else(|| path.file_name().map(Path::new)).unwrap_or(path);
    if below.as_os_str().is_empty() { ".".to_owned() } else { below.to_string_lossy().into_owned() }
}

/// Removes `.` and `..` without asking the file system.
fn normalised(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A workspace with a program, a library it uses by path, and the inputs of the tools.
    struct Fixture {
        root: tempfile::TempDir,
    }

    impl Fixture {
        /// Writes the same files, in the given order.
        fn new(reversed: bool) -> Self {
            let fixture = Self { root: tempfile::tempdir().unwrap() };
            let mut files = vec![
                (
                    "Cargo.toml",
                    "[workspace]\nmembers = []\n[workspace.package]\nversion = \"0.1.0\"\n\
                     [workspace.dependencies]\nrules = { path = \"crates/rules\" }\nother = \"1\"\n",
                ),
                (
                    "program/Cargo.toml",
                    "[package]\nname = \"program\"\nversion.workspace = true\n\
                     [dependencies]\nrules.workspace = true\n[dev-dependencies]\nother.workspace = true\n",
                ),
                ("program/src/lib.rs", "mod one;\n"),
                ("program/src/one/mod.rs", "// one\n"),
                ("program/tests/all.rs", "// test\n"),
                ("crates/rules/Cargo.toml", "[package]\nname = \"rules\"\nversion = \"0.1.0\"\n"),
                ("crates/rules/src/lib.rs", "// rules\n"),
                ("tools/sbf/rt/src/lib.rs", "// rt\n"),
            ];
            files.extend(TOOL_INPUTS.map(|input| (input, "input\n")));
            if reversed {
                files.reverse();
            }
            for (name, content) in files {
                fixture.write(name, content);
            }
            fixture
        }

        fn write(&self, name: &str, content: &str) {
            let path = self.root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        fn append(&self, name: &str, content: &str) {
            let before = fs::read_to_string(self.root.path().join(name)).unwrap();
            self.write(name, &(before + content));
        }

        fn digest(&self) -> String {
            let target = Target::from_dir(&self.root.path().join("program")).unwrap();
            Sources::collect(&target, self.root.path()).unwrap().digest()
        }
    }

    #[test]
    fn order_and_place_of_files_do_not_change_the_digest() {
        assert_eq!(Fixture::new(false).digest(), Fixture::new(true).digest());
    }

    #[test]
    fn one_byte_of_any_source_changes_the_digest() {
        let sources = [
            "program/src/lib.rs",
            "program/src/one/mod.rs",
            "crates/rules/src/lib.rs",
            "tools/sbf/rt/src/lib.rs",
        ];
        for name in sources.into_iter().chain(TOOL_INPUTS) {
            let fixture = Fixture::new(false);
            let before = fixture.digest();
            fixture.append(name, "\n");
            assert_ne!(fixture.digest(), before, "{name}");
        }
    }

    #[test]
    fn added_moved_and_removed_files_change_the_digest() {
        let fixture = Fixture::new(false);
        let before = fixture.digest();
        fixture.write("program/src/two.rs", "// one\n");
        let added = fixture.digest();
        assert_ne!(added, before);
        fs::remove_file(fixture.root.path().join("program/src/one/mod.rs")).unwrap();
        assert_ne!(fixture.digest(), added);
        assert_ne!(fixture.digest(), before);
    }

    #[test]
    fn what_is_compiled_of_a_manifest_changes_the_digest() {
        for (name, addition) in [
            ("program/Cargo.toml", "[features]\ndefault = []\n"),
            ("crates/rules/Cargo.toml", "[dependencies]\nother = \"1\"\n"),
        ] {
            let fixture = Fixture::new(false);
            let before = fixture.digest();
            fixture.append(name, addition);
            assert_ne!(fixture.digest(), before, "{name}");
        }
        let fixture = Fixture::new(false);
        let before = fixture.digest();
        let workspace = fixture.root.path().join("Cargo.toml");
        let text = fs::read_to_string(&workspace).unwrap();
        fs::write(&workspace, text.replace("0.1.0", "0.2.0")).unwrap();
        assert_ne!(fixture.digest(), before, "an inherited value");
    }

    #[test]
    fn tests_lints_and_other_crates_do_not_change_the_digest() {
        let fixture = Fixture::new(false);
        let before = fixture.digest();
        fixture.append("program/tests/all.rs", "// more\n");
        fixture.append("program/Cargo.toml", "third = \"1\"\n[lints]\nworkspace = true\n");
        fixture.append(
            "Cargo.toml",
            "third = \"1\"\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n",
        );
        fixture.write("crates/unrelated/src/lib.rs", "// unrelated\n");
        assert_eq!(fixture.digest(), before);
    }
}
