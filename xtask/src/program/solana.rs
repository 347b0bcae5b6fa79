//! Builds a program crate with the Solana toolchain, where it is installed.

use std::fs;

use anyhow::{Context, Result};

use super::environment::{command, output, run};
use super::places::Places;
use super::target::Target;
use super::toolchain::{Built, Versions};

/// What `cargo build-sbf` says it is, or nothing when it is not installed.
pub(crate) fn version() -> Option<String> {
    let said = output(command("cargo-build-sbf").arg("--version"), "cargo build-sbf").ok()?;
    let words: Vec<&str> = said.split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Compiles one crate for SBPF v3, the version that the registry way builds too.
pub(crate) fn build(places: &Places, target: &Target) -> Result<Built> {
    let out = places.build_dir(target).join("solana");
    fs::create_dir_all(&out)?;
    run(
        command("cargo-build-sbf")
            .args(["--arch", "v3"])
            .arg("--manifest-path")
            .arg(target.dir.join("Cargo.toml"))
            .arg("--sbf-out-dir")
            .arg(&out),
        &format!("building {} with the Solana toolchain", target.package),
    )?;
    let file = out.join(format!("{}.so", target.library));
    Ok(Built {
        bytes: fs::read(&file).with_context(|| format!("the build left no {}", file.display()))?,
        versions: Versions::Solana {
            cargo_build_sbf: version().context("cargo build-sbf is gone")?,
        },
    })
}
