//! Prepares the toolroot: the standard library's source, LLVM, sbpf-linker and the shim that rustc
//! calls as its linker.
//!
//! The toolroot is complete exactly when its stamp exists and names the recipe it was made from;
//! the stamp is removed first and written last, so that an interrupted set-up is done again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::debian::Archive;
use super::environment::run;
use super::places::Places;
use super::recipe::{Recipe, std_patches};
use super::std_patch;
use super::toolchain::Rustc;

/// The environment variable through which the shim finds this tool again.
pub(crate) const LINK_WITH: &str = "PINAIVU_SBF_LINK_WITH";

/// What a finished toolroot was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    recipe: String,
    rust_source: String,
    llvm: String,
    sbpf_linker: String,
    runtime: BTreeMap<String, String>,
}

/// A toolroot that is ready to build with. Holds the lock: one build at a time.
pub(crate) struct Toolroot {
    root: PathBuf,
    stamp: Stamp,
    _lock: File,
}

impl Toolroot {
    /// Package version of the standard library's source.
    pub(crate) fn rust_source(&self) -> &str {
        &self.stamp.rust_source
    }

    /// Package version of LLVM.
    pub(crate) fn llvm(&self) -> &str {
        &self.stamp.llvm
    }

    /// What the toolroot was made from, as one text: equal texts, equal contents.
    pub(crate) fn identity(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.stamp)?)
    }

    /// The patched `library/` of the Rust source.
    pub(crate) fn library(&self) -> PathBuf {
        library(&self.root)
    }

    /// What rustc calls as its linker.
    pub(crate) fn linker_shim(&self) -> PathBuf {
        self.root.join("bin/sbpf-linker")
    }

    /// Places the target specification inside the toolroot: its path is part of the bytes too.
    pub(crate) fn install_target(&self, tools: &Path) -> Result<PathBuf> {
        let path = self.root.join("target").join(TARGET_FILE);
        fs::create_dir_all(self.root.join("target"))?;
        fs::copy(tools.join(TARGET_FILE), &path).context("cannot install the target")?;
        Ok(path)
    }
}

/// The target specification's file name; its stem names cargo's output directory.
pub(crate) const TARGET_FILE: &str = "sbpf-solana-solana.json";

fn library(root: &Path) -> PathBuf {
    root.join("rust-src/library")
}

/// Makes the toolroot ready, doing only what is missing unless `force`.
pub(crate) fn ensure(places: &Places, recipe: &Recipe, force: bool) -> Result<Toolroot> {
    let root = places.toolroot.clone();
    fs::create_dir_all(&root)
        .with_context(|| format!("cannot create the toolroot {}", root.display()))?;
    let lock = File::create(root.join("lock"))?;
    lock.lock().context("cannot lock the toolroot")?;
    let wanted = recipe_digest(places, recipe)?;
    let stamp_file = root.join("toolroot.json");
    if !force
        && let Ok(text) = fs::read_to_string(&stamp_file)
        && let Ok(stamp) = serde_json::from_str::<Stamp>(&text)
        && stamp.recipe == wanted
    {
        return Ok(Toolroot { root, stamp, _lock: lock });
    }
    remove_if_there(&stamp_file, |path| fs::remove_file(path))?;
    let stamp = prepare(&root, places, recipe, wanted)?;
    fs::write(&stamp_file, serde_json::to_string_pretty(&stamp)?)?;
    Ok(Toolroot { root, stamp, _lock: lock })
}

fn prepare(root: &Path, places: &Places, recipe: &Recipe, wanted: String) -> Result<Stamp> {
    let mut steps = Steps::new(6);
    steps.next("find rustc")?;
    let rustc = Rustc::find(&recipe.rust.version)?;

    steps.next("read Debian's package lists")?;
    let archive = Archive::open(root.join("apt"), recipe, places.debian_mirror.as_deref())?;
    let pins = archive.resolve(recipe)?;

    steps.next(&format!(
        "fetch and patch the standard library ({} {})",
        recipe.debian.rust_source, pins.rust_source
    ))?;
    let unpacked = root.join("unpack");
    remove_if_there(&unpacked, |path| fs::remove_dir_all(path))?;
    archive.unpack(
        [(recipe.debian.rust_source.as_str(), pins.rust_source.as_str())].into_iter(),
        &unpacked,
    )?;
    let source = only_entry(&unpacked.join("usr/src"))?;
    let library = library(root);
    remove_if_there(&library, |path| fs::remove_dir_all(path))?;
    fs::create_dir_all(root.join("rust-src"))?;
    fs::rename(source.join("library"), &library)
        .context("the Rust source package has no library/")?;
    fs::remove_dir_all(&unpacked)?;
    std_patch::apply(&library, &std_patches(places)?)?;

    steps.next(&format!("fetch LLVM ({} {})", recipe.debian.llvm.package, pins.llvm))?;
    let llvm_root = root.join("llvm-root");
    remove_if_there(&llvm_root, |path| fs::remove_dir_all(path))?;
    let llvm = (recipe.debian.llvm.package.as_str(), pins.llvm.as_str());
    let runtime =
        pins.runtime.iter().map(|(package, version)| (package.as_str(), version.as_str()));
    archive.unpack(std::iter::once(llvm).chain(runtime), &llvm_root)?;
    name_llvm(root, &recipe.debian.llvm.major)?;

    steps.next(&format!("build {} {}", recipe.linker.package, recipe.linker.version))?;
    install_linker(root, recipe, &rustc)?;

    steps.next("write the linker's shim")?;
    write_shim(root)?;
    steps.done(&format!("toolroot ready at {}", root.display()))?;
    Ok(Stamp {
        recipe: wanted,
        rust_source: pins.rust_source,
        llvm: pins.llvm,
        sbpf_linker: recipe.linker.version.clone(),
        runtime: pins.runtime,
    })
}

/// Gives libLLVM the name that sbpf-linker looks for, in a directory with nothing else.
fn name_llvm(root: &Path, major: &str) -> Result<()> {
    let libraries = root.join("llvm-root/usr/lib/x86_64-linux-gnu");
    let prefix = format!("libLLVM.so.{major}.");
    let library = fs::read_dir(&libraries)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(&prefix))
        })
        .with_context(|| format!("no {prefix}* in {}", libraries.display()))?;
    let dir = root.join("llvm");
    remove_if_there(&dir, |path| fs::remove_dir_all(path))?;
    fs::create_dir_all(&dir)?;
    symlink(library, dir.join(format!("libLLVM-{major}.so")))?;
    Ok(())
}

fn install_linker(root: &Path, recipe: &Recipe, rustc: &Rustc) -> Result<()> {
    let tools = root.join("tools");
    let marker = tools.join("sbpf-linker.version");
    if fs::read_to_string(&marker).is_ok_and(|version| version == recipe.linker.version)
        && tools.join("bin/sbpf-linker").exists()
    {
        return Ok(());
    }
    run(
        rustc
            .cargo()
            .args(["install", &recipe.linker.package, "--locked", "--force"])
            .args(["--version", &recipe.linker.version])
            .arg("--root")
            .arg(&tools)
            .arg("--target-dir")
            .arg(tools.join("target")),
        "building sbpf-linker",
    )?;
    remove_if_there(&tools.join("target"), |path| fs::remove_dir_all(path))?;
    fs::write(marker, &recipe.linker.version)?;
    Ok(())
}

/// rustc runs its linker by one path, which is part of the bytes; the work is done by whichever
/// build of this tool started rustc.
fn write_shim(root: &Path) -> Result<()> {
    let path = root.join("bin/sbpf-linker");
    fs::create_dir_all(root.join("bin"))?;
    fs::write(&path, format!("#!/bin/sh\nexec \"${{{LINK_WITH}:?}}\" program link -- \"$@\"\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Digest of everything that decides what the toolroot contains.
fn recipe_digest(places: &Places, recipe: &Recipe) -> Result<String> {
    let debian = &recipe.debian;
    let mut hasher = Sha256::new();
    let inputs = [
        "toolroot layout 1",
        &recipe.rust.version,
        &debian.suites.join(","),
        &debian.rust_source,
        &debian.llvm.package,
        &debian.llvm.suite,
        &debian.llvm.major,
        &debian.runtime.join(","),
        &recipe.linker.package,
        &recipe.linker.version,
    ];
    for input in inputs {
        hasher.update(input);
        hasher.update([0]);
    }
    hasher.update(fs::read(places.tools().join("std-patches.toml"))?);
    Ok(hex::encode(hasher.finalize()))
}

fn only_entry(dir: &Path) -> Result<PathBuf> {
    let entries: Vec<PathBuf> = fs::read_dir(dir)
        .with_context(|| format!("{} is missing", dir.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect();
    ensure!(
        entries.len() == 1,
        "expected one directory in {}, found {}",
        dir.display(),
        entries.len()
    );
    entries.into_iter().next().context("no entry")
}

fn remove_if_there(path: &Path, remove: impl Fn(&Path) -> std::io::Result<()>) -> Result<()> {
    match remove(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Names each step on standard error, with what the one before took.
struct Steps {
    total: usize,
    current: usize,
    started: Instant,
}

impl Steps {
    fn new(total: usize) -> Self {
        Self { total, current: 0, started: Instant::now() }
    }

    fn next(&mut self, name: &str) -> Result<()> {
        self.current += 1;
        let mut out = std::io::stderr().lock();
        writeln!(
            out,
            "[{}/{} {:>4}s] {name}",
            self.current,
            self.total,
            self.started.elapsed().as_secs()
        )?;
        Ok(())
    }

    fn done(&self, message: &str) -> Result<()> {
        let mut out = std::io::stderr().lock();
        writeln!(out, "[done {:>4}s] {message}", self.started.elapsed().as_secs())?;
        Ok(())
    }
}
