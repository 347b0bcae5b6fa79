//! Refuses a committed artifact that does not belong to the sources beside it.
//!
//! Without `--rebuild` only digests are compared, which takes no compiler. With it the IDL is
//! generated anew, and the `.so` too where the toolchain that made it can be had; bytes are
//! compared when every recorded version is the same.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::artifact::{Manifest, Origin, guard_dir, sha256};
use super::idl;
use super::places::Places;
use super::recipe::Recipe;
use super::target::Target;
use super::toolchain::{self, Compiler, Versions};

const WAY_OUT: &str = "run `cargo xtask program build` and commit what it writes";

/// Checks the program's artifact and the guard's.
pub(crate) fn run(places: &Places, rebuild: bool) -> Result<()> {
    let mut problems = Vec::new();
    let program = Target::program(places)?;
    let guard = Target::guard(places)?;
    let artifacts = [(&program, places.artifact_dir()), (&guard, guard_dir(places))];
    for (target, dir) in &artifacts {
        let manifest = Manifest::read(dir).context(WAY_OUT)?;
        compare(target, dir, &manifest, &Origin::of(places, target)?, &mut problems)?;
        if let Some(recorded) = &manifest.idl_sha256 {
            let committed = fs::read(places.idl_file())
                .with_context(|| format!("cannot read {}", places.idl_file().display()))?;
            if sha256(&committed) != *recorded {
                problems.push(
                    "idls/pinaivu.json is not the IDL that was built with the program".to_owned(),
                );
            }
        }
    }
    if rebuild && problems.is_empty() {
        let recipe = Recipe::load(places)?;
        if idl::generate(places, &recipe, &program)? != fs::read_to_string(places.idl_file())? {
            problems.push("idls/pinaivu.json differs from the IDL of the sources".to_owned());
        }
        for (target, dir) in &artifacts {
            compare_rebuilt(places, &recipe, target, dir, &mut problems)?;
        }
    }
    if problems.is_empty() {
        println!("the committed artifacts belong to the sources");
        return Ok(());
    }
    bail!("{}\n{WAY_OUT}", problems.join("\n"))
}

fn compare(
    target: &Target,
    dir: &Path,
    manifest: &Manifest,
    origin: &Origin,
    problems: &mut Vec<String>,
) -> Result<()> {
    let file = dir.join(&manifest.file);
    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let package = &target.package;
    if sha256(&bytes) != manifest.sha256 || bytes.len() as u64 != manifest.bytes {
        problems.push(format!("{} is not the file its manifest describes", manifest.file));
    }
    if origin.source_digest != manifest.source_digest {
        problems.push(format!("{package}: the sources changed after {} was built", manifest.file));
    }
    if origin.dependency_digest != manifest.dependency_digest {
        problems.push(format!(
            "{package}: the packages it is compiled with changed after {} was built",
            manifest.file
        ));
    }
    Ok(())
}

fn compare_rebuilt(
    places: &Places,
    recipe: &Recipe,
    target: &Target,
    dir: &Path,
    problems: &mut Vec<String>,
) -> Result<()> {
    let manifest = Manifest::read(dir)?;
    let compiler = match manifest.toolchain {
        Versions::Registry { .. } => Compiler::Registry,
        Versions::Solana { .. } => Compiler::Solana,
    };
    if let Err(error) = toolchain::ready(places, recipe, compiler) {
        println!("{}: not rebuilt, its toolchain cannot be had here: {error:#}", target.package);
        return Ok(());
    }
    let built = toolchain::build(places, recipe, target, compiler)?;
    if built.versions != manifest.toolchain {
        println!(
            "{}: rebuilt, bytes not compared: made by {:?}, rebuilt by {:?}",
            target.package, manifest.toolchain, built.versions
        );
    } else if sha256(&built.bytes) != manifest.sha256 {
        problems.push(format!(
            "{}: the same toolchain builds other bytes than {}",
            target.package, manifest.file
        ));
    } else {
        println!("{}: rebuilt to the same bytes", target.package);
    }
    Ok(())
}
