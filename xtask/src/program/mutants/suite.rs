//! The program's tests as one executable that takes the program it tests from the environment.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::workspace;

/// Tests that pin the committed file itself and say nothing about its behaviour.
const ABOUT_THE_FILE: &str = "costs::";

/// The test executable, copied to where no other build replaces it.
pub(super) struct Suite {
    executable: PathBuf,
    _directory: TempDir,
}

impl Suite {
    /// Compiles it.
    pub(super) fn build() -> Result<Self> {
        workspace::claim_target_dir()?;
        let output = workspace::cargo()?
            .args(["test", "--workspace", "--locked", "--test", "program", "--no-run"])
            .arg("--message-format=json")
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the tests do not compile");
        let executables = String::from_utf8(output.stdout)?;
        let executable = executables
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["target"]["name"] == "program")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .context("cargo names no test executable")?;
        let directory = tempfile::tempdir()?;
        let own = directory.path().join("program-tests");
        std::fs::copy(executable, &own)?;
        Ok(Self { executable: own, _directory: directory })
    }

    /// Whether all tests pass on a program.
    pub(super) fn passes(&self, program: &Path) -> Result<bool> {
        self.run(program, &[])
    }

    /// Whether any test fails on a program whose fault is in `file`: first the tests of that
    /// instruction, which are quick, then all.
    pub(super) fn notices(&self, program: &Path, file: &str) -> Result<bool> {
        let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs");
        let own = format!("::{name}");
        if file.starts_with("instructions/") && !self.run(program, &[own.as_str()])? {
            return Ok(true);
        }
        if !self.run(program, &["model::", "versions::"])? {
            return Ok(true);
        }
        Ok(!self.run(program, &[])?)
    }

    fn run(&self, program: &Path, filters: &[&str]) -> Result<bool> {
        let status = Command::new(&self.executable)
            .args(filters)
            .args(["--skip", ABOUT_THE_FILE])
            .current_dir(workspace::root().join("programs/pinaivu"))
            .env("PINAIVU_PROGRAM_SO", program)
            .env("INSTA_UPDATE", "no")
            .env("INSTA_WORKSPACE_ROOT", workspace::root())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        Ok(status.success())
    }
}
