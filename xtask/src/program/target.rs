//! A program crate as the build sees it: its package, its library and the workspace it lies in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::places::Places;

/// One crate to compile to SBF.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The crate's directory.
    pub(crate) dir: PathBuf,
    /// The root of its workspace, which may be the crate itself.
    pub(crate) workspace: PathBuf,
    /// Package name.
    pub(crate) package: String,
    /// Library name, as in `lib` of the artifact's file name.
    pub(crate) library: String,
}

impl Target {
    /// Pinaivu's program.
    pub(crate) fn program(places: &Places) -> Result<Self> {
        Self::from_dir(&places.repository().join("programs/pinaivu"))
    }

    /// The differential guard's program.
    pub(crate) fn guard(places: &Places) -> Result<Self> {
        Self::from_dir(&places.tools().join("guard"))
    }

    /// Any crate with a library.
    pub(crate) fn from_dir(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().with_context(|| format!("no crate at {}", dir.display()))?;
        let manifest = manifest(&dir)?;
        let package = text(&manifest, "package", "name")
            .with_context(|| format!("{} is no package", dir.display()))?;
        let library = text(&manifest, "lib", "name").unwrap_or_else(|| package.replace('-', "_"));
        let workspace = workspace_root(&dir)?;
        Ok(Self { dir, workspace, package, library })
    }

    /// The crate's directory relative to its workspace; empty when they are the same.
    pub(crate) fn in_workspace(&self) -> &Path {
        self.dir.strip_prefix(&self.workspace).unwrap_or(&self.dir)
    }
}

/// Reads a crate's `Cargo.toml`.
pub(crate) fn manifest(dir: &Path) -> Result<toml::Table> {
    let path = dir.join("Cargo.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("{} is not TOML", path.display()))
}

/// The nearest directory at or above `dir` whose manifest opens a workspace; `dir` itself if none
/// does.
fn workspace_root(dir: &Path) -> Result<PathBuf> {
    for ancestor in dir.ancestors() {
        if ancestor.join("Cargo.toml").exists() && manifest(ancestor)?.contains_key("workspace") {
            return Ok(ancestor.to_owned());
        }
    }
    Ok(dir.to_owned())
}

fn text(manifest: &toml::Table, table: &str, key: &str) -> Option<String> {
    manifest.get(table)?.get(key)?.as_str().map(str::to_owned)
}
