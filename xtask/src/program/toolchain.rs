//! Which compiler builds, and what a build yields.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::environment::{command, output};
use super::places::Places;
use super::recipe::Recipe;
use super::target::Target;
use super::{ToolchainChoice, registry, setup, solana};

/// A compiler that can be used on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// From package registries.
    Registry,
    /// Solana's own.
    Solana,
}

/// What made an artifact, recorded with it: equal values promise equal bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Versions {
    /// The registry way.
    Registry {
        /// `rustc --version`.
        rustc: String,
        /// Debian version of the standard library's source.
        rust_source: String,
        /// Debian version of LLVM.
        llvm: String,
        /// Release of sbpf-linker.
        sbpf_linker: String,
    },
    /// Solana's toolchain.
    Solana {
        /// `cargo build-sbf --version`, with the platform tools and rustc it names.
        cargo_build_sbf: String,
    },
}

/// A finished build.
pub(crate) struct Built {
    /// The `.so`.
    pub(crate) bytes: Vec<u8>,
    /// What made it.
    pub(crate) versions: Versions,
}

/// Settles on a compiler; with `Auto`, Solana's where it is installed.
pub(crate) fn choose(choice: ToolchainChoice) -> Result<Compiler> {
    match choice {
        ToolchainChoice::Registry => Ok(Compiler::Registry),
        ToolchainChoice::Solana if solana::version().is_none() => {
            bail!(
                "`cargo build-sbf` is not installed: install the Solana toolchain, or use `--toolchain registry`"
            )
        }
        ToolchainChoice::Solana => Ok(Compiler::Solana),
        ToolchainChoice::Auto if solana::version().is_some() => Ok(Compiler::Solana),
        ToolchainChoice::Auto => Ok(Compiler::Registry),
    }
}

/// Makes a compiler ready to use, or says why it cannot be had on this machine.
pub(crate) fn ready(places: &Places, recipe: &Recipe, compiler: Compiler) -> Result<()> {
    match compiler {
        Compiler::Registry => {
            Rustc::find(&recipe.rust.version)?;
            setup::ensure(places, recipe, false).map(|_| ())
        }
        Compiler::Solana => choose(ToolchainChoice::Solana).map(|_| ()),
    }
}

/// Compiles one crate.
pub(crate) fn build(
    places: &Places,
    recipe: &Recipe,
    target: &Target,
    compiler: Compiler,
) -> Result<Built> {
    match compiler {
        Compiler::Registry => registry::build(places, recipe, target),
        Compiler::Solana => solana::build(places, target),
    }
}

/// An installed Rust toolchain of exactly one release.
#[derive(Clone, Debug)]
pub(crate) struct Rustc {
    /// The toolchain's directory, with `bin/rustc` and `bin/cargo`.
    pub(crate) sysroot: PathBuf,
    /// `rustc --version`.
    pub(crate) version: String,
}

impl Rustc {
    /// Looks for a toolchain of `release` whatever its name: the one in `PATH` first, then rustup's.
    pub(crate) fn find(release: &str) -> Result<Self> {
        let mut ways = vec![vec!["rustc".to_owned()]];
        if let Ok(list) = output(command("rustup").args(["toolchain", "list", "--quiet"]), "rustup")
        {
            let names = list.lines().filter_map(|line| line.split_whitespace().next());
            ways.extend(
                names.map(|name| ["rustup", "run", name, "rustc"].map(str::to_owned).to_vec()),
            );
        }
        ways.iter().find_map(|way| Self::probe(way, release)).with_context(|| {
            format!(
                "rustc {release} is not installed: run \
                     `rustup toolchain install {release} --profile minimal`"
            )
        })
    }

    /// Asks one rustc, called in one `way`, whether it is the release.
    fn probe(way: &[String], release: &str) -> Option<Self> {
        let (program, arguments) = way.split_first()?;
        let ask = |question: &[&str]| {
            let answer = output(command(program).args(arguments).args(question), "rustc").ok()?;
            Some(answer.trim().to_owned())
        };
        let version = ask(&["--version"])?;
        if version.split_whitespace().nth(1) != Some(release) {
            return None;
        }
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
        let complete = sysroot.join("bin/cargo").exists();
        complete.then_some(Self { sysroot, version })
    }

    /// This toolchain's cargo, with this toolchain's rustc whatever is in `PATH`.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = command(self.sysroot.join("bin/cargo"));
        cargo.env("RUSTC", self.sysroot.join("bin/rustc"));
        cargo
    }
}
