//! The repository, the shared target directory, and cargo run in them.
//!
//! Builds of this workspace go to one target directory outside the tree, shared by every clone, so that
//! the thousand dependencies of the local chain are compiled once a machine: `PINAIVU_TARGET_DIR`, else
//! `CARGO_TARGET_DIR`, else `~/.cache/pinaivu/target`.

#![expect(
    clippy::disallowed_methods,
    reason = "the build tool has the real environment and the real clock, here and nowhere else"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// Where everything that survives a clone is kept: builds, tools, models.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("PINAIVU_CACHE_DIR") {
        return Ok(PathBuf::from(directory));
    }
    let home = std::env::home_dir().context("no home directory; set PINAIVU_CACHE_DIR")?;
    Ok(home.join(".cache/pinaivu"))
}

/// The target directory that clones share.
pub(crate) fn target_dir() -> Result<PathBuf> {
    for name in ["PINAIVU_TARGET_DIR", "CARGO_TARGET_DIR"] {
        if let Some(directory) = std::env::var_os(name).filter(|name| !name.is_empty()) {
            return Ok(PathBuf::from(directory));
        }
    }
    Ok(cache()?.join("target"))
}

/// `cargo` in the repository, building into the shared target directory.
pub(crate) fn cargo() -> Result<Command> {
    tool(Path::new(&std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// The compiler of our own crates for the rest of this process: clippy's.
static LINTING: OnceLock<String> = OnceLock::new();

/// From now on our own crates are compiled by clippy's driver, which is the compiler with more to say, and
/// warnings are errors. What is linted is then what is run, compiled once, with the very dependencies that
/// everything else uses; `cargo clippy` would compile all of them a second time.
pub(crate) fn lint_what_is_built() {
    LINTING.get_or_init(|| {
        let driver = Command::new("rustup").args(["which", "clippy-driver"]).output();
        match driver {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).trim().to_owned()
            }
            _ => "clippy-driver".to_owned(),
        }
    });
}

/// A program that runs cargo, set up the same way.
pub(crate) fn tool(program: &Path) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(root()).env("CARGO_TARGET_DIR", target_dir()?);
    if let Some(driver) = LINTING.get() {
        command
            .env("RUSTC_WORKSPACE_WRAPPER", driver)
            .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__");
    }
    // The cargo that runs this tool describes the tool's own package in the environment. Build scripts
    // that look at such variables would run again, and with them everything that depends on them.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"]
            .iter()
            .any(|prefix| name_text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    Ok(command)
}

/// Makes cargo look at this clone's sources, whoever built into the shared directory before.
///
/// Cargo names what it builds of a workspace by path within it, so two clones share those names, and it
/// decides by modification times whether something is out of date. Sources of an older clone would pass
/// for unchanged. So when another clone was here last, all of ours are made newer than what it built.
pub(crate) fn claim_target_dir() -> Result<()> {
    let (directory, root) = (target_dir()?, root());
    std::fs::create_dir_all(&directory)?;
    let stamp = directory.join("last-checkout");
    let here = root.as_os_str().as_encoded_bytes();
    if std::fs::read(&stamp).is_ok_and(|last| last == here) {
        return Ok(());
    }
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output()?;
    let now = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now());
    for name in listed.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let path = root.join(String::from_utf8_lossy(name).as_ref());
        // A file that is listed and gone, or not ours to touch, changes nothing here.
        if let Ok(file) = std::fs::File::options().append(true).open(path) {
            file.set_times(now).ok();
        }
    }
    Ok(std::fs::write(&stamp, here)?)
}

/// This tool's own program, to start it again. Where it was built into the directory that the workspace is
/// built into, a build has put a new one of the same sources in its place, and the system calls the one that
/// runs deleted.
pub(crate) fn this_tool() -> Result<PathBuf> {
    let path = std::env::current_exe().context("cannot find this tool's own path")?;
    let name = path.to_string_lossy();
    Ok(name.strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}

/// Runs a command whose output the person should see; `what` names it when it fails.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{what}: cannot start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Builds the programs that make up the product and gives the directory they lie in.
pub(crate) fn build_binaries() -> Result<PathBuf> {
    claim_target_dir()?;
    // The whole workspace, so that no dependency is compiled a second time. In a run of everything also
    // the tests, because with them come features that programs alone are built without.
    let what = if LINTING.get().is_some() { "--all-targets" } else { "--bins" };
    run(cargo()?.args(["build", "--workspace", what, "--locked"]), "building the product")?;
    Ok(target_dir()?.join("debug"))
}
