//! `tools/sbf/recipe.toml`: versions, packages and flags of the registry toolchain, as data, so
//! that the artifact's digest covers them and a reader finds them in one place.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::places::Places;

/// The whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    pub(crate) rust: Rust,
    pub(crate) debian: Debian,
    pub(crate) linker: Linker,
    pub(crate) compiler: Compiler,
    /// `[profile.release]` of the wrapper crate, passed on as it is.
    pub(crate) profile: toml::Table,
}

/// The compiler's release.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rust {
    pub(crate) version: String,
}

/// What comes as Debian packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Debian {
    pub(crate) suites: Vec<String>,
    pub(crate) rust_source: String,
    pub(crate) llvm: Llvm,
    pub(crate) runtime: Vec<String>,
}

/// The LLVM that the linker loads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Llvm {
    pub(crate) package: String,
    pub(crate) suite: String,
    pub(crate) major: String,
}

/// sbpf-linker and how it is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Linker {
    #[serde(rename = "crate")]
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) frame_bytes: u32,
    pub(crate) frame_limit_bytes: u32,
    pub(crate) args: Vec<String>,
    pub(crate) keep_symbols: Vec<String>,
}

/// rustc's flags.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compiler {
    pub(crate) flags: Vec<String>,
    pub(crate) build_std: String,
}

/// One change to the standard library's source, from `tools/sbf/std-patches.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdPatch {
    pub(crate) why: String,
    pub(crate) file: String,
    pub(crate) find: String,
    pub(crate) replace: String,
}

impl Recipe {
    /// Reads the repository's recipe.
    pub(crate) fn load(places: &Places) -> Result<Self> {
        let path = places.tools().join("recipe.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not a recipe", path.display()))
    }
}

/// Reads the patches to the standard library.
pub(crate) fn std_patches(places: &Places) -> Result<Vec<StdPatch>> {
    let path = places.tools().join("std-patches.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let mut file: BTreeMap<String, Vec<StdPatch>> = toml::from_str(&text)
        .with_context(|| format!("{} is not a list of patches", path.display()))?;
    file.remove("patch").with_context(|| format!("{} has no [[patch]]", path.display()))
}
