//! The committed artifact: a `.so`, the manifest saying what it is and what it came from, and for
//! the program its IDL.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::places::Places;
use super::recipe::Recipe;
use super::sources::Sources;
use super::target::Target;
use super::toolchain::{self, Built, Compiler, Versions};
use super::{dependencies, idl};

/// `manifest.json` beside a committed `.so`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Address that the program declares; absent for a program without an IDL.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) program_id: Option<String>,
    /// The `.so` beside the manifest.
    pub(crate) file: String,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256 in hexadecimal.
    pub(crate) sha256: String,
    /// SHA-256 of the IDL file; absent for a program without one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) idl_sha256: Option<String>,
    /// Digest of the sources, see `sources.rs`.
    pub(crate) source_digest: String,
    /// Digest of the registry packages, see `dependencies.rs`.
    pub(crate) dependency_digest: String,
    /// What compiled it.
    pub(crate) toolchain: Versions,
}

/// What a program is compiled from, as two digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) source_digest: String,
    pub(crate) dependency_digest: String,
}

impl Origin {
    /// The sources as they are now.
    pub(crate) fn of(places: &Places, target: &Target) -> Result<Self> {
        Ok(Self {
            source_digest: Sources::collect(target, places.repository())?.digest(),
            dependency_digest: dependencies::digest(target)?,
        })
    }
}

impl Manifest {
    /// Reads the manifest in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = file(dir);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is not an artifact's manifest", path.display()))
    }

    /// Whether the artifact came from these sources.
    pub(crate) fn is_from(&self, origin: &Origin) -> bool {
        self.source_digest == origin.source_digest
            && self.dependency_digest == origin.dependency_digest
    }
}

fn file(dir: &Path) -> PathBuf {
    dir.join("manifest.json")
}

/// Hexadecimal SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Builds the program and writes its `.so`, IDL and manifest.
pub(crate) fn build_program(places: &Places, recipe: &Recipe, compiler: Compiler) -> Result<()> {
    let target = Target::program(places)?;
    let origin = Origin::of(places, &target)?;
    let built = toolchain::build(places, recipe, &target, compiler)?;
    let idl = idl::generate(places, recipe, &target)?;
    idl::write(places, &idl)?;
    write(
        &places.artifact_dir(),
        &target,
        built,
        origin,
        Some((idl::address(&idl)?, sha256(idl.as_bytes()))),
    )
}

/// Builds the guard's program when it is stale, or when asked to.
pub(crate) fn build_guard(places: &Places, recipe: &Recipe, force: bool) -> Result<()> {
    let target = Target::guard(places)?;
    let origin = Origin::of(places, &target)?;
    let dir = guard_dir(places);
    let fresh = Manifest::read(&dir).is_ok_and(|manifest| manifest.is_from(&origin));
    if fresh && !force {
        return Ok(());
    }
    // The guard judges the registry toolchain; Solana's own needs no judge.
    let built = toolchain::build(places, recipe, &target, Compiler::Registry)?;
    write(&dir, &target, built, origin, None)
}

/// Where the guard's committed program lies.
pub(crate) fn guard_dir(places: &Places) -> PathBuf {
    places.tools().join("guard/artifact")
}

fn write(
    dir: &Path,
    target: &Target,
    built: Built,
    origin: Origin,
    idl: Option<(String, String)>,
) -> Result<()> {
    fs::create_dir_all(dir)?;
    let name = format!("{}.so", target.library);
    fs::write(dir.join(&name), &built.bytes)?;
    let (program_id, idl_sha256) = idl.unzip();
    let manifest = Manifest {
        program_id,
        file: name,
        bytes: built.bytes.len() as u64,
        sha256: sha256(&built.bytes),
        idl_sha256,
        source_digest: origin.source_digest,
        dependency_digest: origin.dependency_digest,
        toolchain: built.versions,
    };
    let text = serde_json::to_string_pretty(&manifest)? + "\n";
    fs::write(file(dir), text)?;
    println!(
        "wrote {} ({} bytes, sha256 {})",
        dir.join(&manifest.file).display(),
        manifest.bytes,
        manifest.sha256
    );
    Ok(())
}
