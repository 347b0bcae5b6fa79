//! Builds a program crate with nothing but what package registries offer: the standard library is
//! compiled along with it and sbpf-linker links the whole.
//!
//! The program is built as a dependency of a generated wrapper crate, which adds the run-time
//! support of `tools/sbf/rt` and has its own profile. The wrapper reaches the workspace through a
//! symbolic link inside its own directory: cargo and rustc then see only paths relative to the
//! wrapper, so that the bytes do not depend on where the repository lies.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::environment::run;
use super::link;
use super::places::Places;
use super::recipe::Recipe;
use super::setup::{self, LINK_WITH, TARGET_FILE, Toolroot};
use super::target::Target;
use super::toolchain::{Built, Rustc, Versions};
use crate::workspace;

/// Compiles one crate.
pub(crate) fn build(places: &Places, recipe: &Recipe, target: &Target) -> Result<Built> {
    let rustc = Rustc::find(&recipe.rust.version)?;
    let toolroot = setup::ensure(places, recipe, false)?;
    let wrapper = Wrapper::write(places, recipe, target)?;
    let target_file = toolroot.install_target(&places.tools())?;
    let output_dir = wrapper.dir.join("target");
    let release = output_dir.join(TARGET_FILE.trim_end_matches(".json")).join("release");
    forget_older_toolroot(&wrapper.dir, &output_dir, &toolroot)?;
    forget_linked(&release.join("deps"))?;
    let this_tool = workspace::this_tool()?;

    // What the workspace's lockfile does not name (rt's one dependency, pinned there) must not ask
    // for a newer compiler.
    let resolver = ("CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS", "fallback");
    run(
        rustc
            .cargo()
            .current_dir(&wrapper.dir)
            .args(["fetch", "--quiet"])
            .env(resolver.0, resolver.1),
        &format!("fetching what {} depends on", target.package),
    )?;
    run(
        rustc
            .cargo()
            .current_dir(&wrapper.dir)
            .args(["build", "--release", "-Zjson-target-spec"])
            .arg(format!("-Zbuild-std={}", recipe.compiler.build_std))
            .arg("-Zbuild-std-features=")
            .arg("--target")
            .arg(target_file)
            .arg("--target-dir")
            .arg(&output_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", flags(places, recipe, &rustc, &toolroot, &wrapper)?)
            // A stable compiler takes nightly options, a standard library of our own, and a target
            // that it does not know.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC_BOOTSTRAP_SYNTHETIC_TARGET", "1")
            .env("__CARGO_TESTS_ONLY_SRC_ROOT", toolroot.library())
            .env(resolver.0, resolver.1)
            .env(LINK_WITH, this_tool)
            .env(link::TOOLROOT, &places.toolroot)
            .env(link::FRAME_BYTES, recipe.linker.frame_bytes.to_string())
            .env(link::FRAME_LIMIT_BYTES, recipe.linker.frame_limit_bytes.to_string()),
        &format!("building {} for SBF", target.package),
    )?;

    let file = format!("{}_sbf.so", target.library);
    let path = [release.join(format!("lib{file}")), release.join(&file)]
        .into_iter()
        .find(|path| path.exists())
        .with_context(|| format!("the build left no {file} in {}", release.display()))?;
    Ok(Built { bytes: fs::read(path)?, versions: versions(recipe, &rustc, &toolroot) })
}

/// Starts over when the toolroot was made anew: its files keep the dates of their packages, from
/// which cargo cannot tell that they changed.
fn forget_older_toolroot(wrapper: &Path, output_dir: &Path, toolroot: &Toolroot) -> Result<()> {
    let seen = wrapper.join("toolroot.json");
    let identity = toolroot.identity()?;
    if fs::read_to_string(&seen).is_ok_and(|seen| seen == identity) {
        return Ok(());
    }
    if output_dir.exists() {
        fs::remove_dir_all(output_dir)?;
    }
    fs::write(seen, identity)?;
    Ok(())
}

/// Cargo does not know that this tool and the toolroot take part in linking: without its output it
/// links again.
fn forget_linked(deps: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(deps) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(link::PROGRAM_SUFFIX) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What a build with this toolroot records.
fn versions(recipe: &Recipe, rustc: &Rustc, toolroot: &Toolroot) -> Versions {
    Versions::Registry {
        rustc: rustc.version.clone(),
        rust_source: toolroot.rust_source().to_owned(),
        llvm: toolroot.llvm().to_owned(),
        sbpf_linker: recipe.linker.version.clone(),
    }
}

/// All of rustc's flags, in cargo's encoding: one flag per field, separated by 0x1f.
fn flags(
    places: &Places,
    recipe: &Recipe,
    rustc: &Rustc,
    toolroot: &Toolroot,
    wrapper: &Wrapper,
) -> Result<OsString> {
    let linker = &recipe.linker;
    let mut flags: Vec<String> = recipe.compiler.flags.clone();
    flags.push(format!("-Clinker={}", toolroot.linker_shim().display()));
    flags.extend(linker.args.iter().map(|arg| format!("-Clink-arg={arg}")));
    flags.push(format!("-Clink-arg=--export={}", linker.keep_symbols.join(",")));
    // Paths end up in panic messages. Of several that match, the last one counts.
    let cargo_home = places.cargo_home();
    let mut remaps = vec![
        (cargo_home.clone(), "/cargo"),
        (rustc.sysroot.clone(), "/rust"),
        (toolroot.library(), "/rust/library"),
        (places.tools(), "/sbf"),
        (wrapper.dir.clone(), ""),
        (PathBuf::from("ws/"), ""),
    ];
    // The name of a registry's directory depends on how this machine reaches the registry. Without
    // one, nothing came from a registry.
    if let Ok(registries) = fs::read_dir(cargo_home.join("registry/src")) {
        for registry in registries {
            remaps.push((registry?.path(), "/cargo/registry"));
        }
    }
    // In this order a path comes after every path that it lies in.
    remaps.sort();
    for (from, to) in remaps {
        flags.push(format!("--remap-path-prefix={}={to}", from.display()));
    }
    Ok(OsString::from(flags.join("\u{1f}")))
}

/// The generated crate.
struct Wrapper {
    dir: PathBuf,
}

impl Wrapper {
    /// Writes the wrapper for `target`.
    fn write(places: &Places, recipe: &Recipe, target: &Target) -> Result<Self> {
        let dir = places.build_dir(target).join("sbf");
        fs::create_dir_all(dir.join("src"))?;
        let dir = dir.canonicalize()?;
        link_to(&target.workspace, &dir.join("ws"))?;
        link_to(&places.tools().join("rt"), &dir.join("rt"))?;
        write_if_changed(&dir.join("Cargo.toml"), &wrapper_manifest(recipe, target)?)?;
        write_if_changed(
            &dir.join("src/lib.rs"),
            "extern crate program as _;\nextern crate sbf_rt as _;\n",
        )?;
        copy_lockfile(&target.workspace.join("Cargo.lock"), &dir)?;
        Ok(Self { dir })
    }
}

fn wrapper_manifest(recipe: &Recipe, target: &Target) -> Result<String> {
    let Target { package, library, .. } = target;
    let path = Path::new("ws").join(target.in_workspace());
    let path = path.display();
    let profile = toml::to_string(&recipe.profile)?;
    Ok(format!(
        r#"[package]
name = "{package}-sbf"
version = "0.0.0"
edition = "2021"
publish = false

[lib]
name = "{library}_sbf"
crate-type = ["cdylib"]

[dependencies]
program = {{ package = "{package}", path = "{path}" }}
sbf-rt = {{ path = "rt" }}

[workspace]
exclude = ["ws", "rt"]

[profile.release]
{profile}"#
    ))
}

/// Starts from the workspace's lockfile whenever that has changed; cargo then drops what the
/// program does not use and adds rt's dependency.
fn copy_lockfile(lockfile: &Path, wrapper: &Path) -> Result<()> {
    let wanted = fs::read_to_string(lockfile)
        .with_context(|| format!("{} is missing: builds start from it", lockfile.display()))?;
    let seen = wrapper.join("workspace.lock");
    if fs::read_to_string(&seen).is_ok_and(|seen| seen == wanted)
        && wrapper.join("Cargo.lock").exists()
    {
        return Ok(());
    }
    fs::write(wrapper.join("Cargo.lock"), &wanted)?;
    fs::write(seen, wanted)?;
    Ok(())
}

fn link_to(original: &Path, link: &Path) -> Result<()> {
    if fs::read_link(link).is_ok_and(|target| target == original) {
        return Ok(());
    }
    match fs::remove_file(link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => symlink(original, link)?,
    }
    Ok(())
}

/// Keeps the modification time, by which cargo judges, when nothing changes.
fn write_if_changed(path: &Path, text: &str) -> Result<()> {
    if !fs::read_to_string(path).is_ok_and(|present| present == text) {
        fs::write(path, text)?;
    }
    Ok(())
}
