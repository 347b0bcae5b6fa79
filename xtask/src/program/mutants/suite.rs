//! The program's tests as one executable that takes the program it tests from the environment.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::workspace;

/// Tests that pin the committed file itself and say nothing about its behaviour.
const ABOUT_THE_FILE: &str = "costs::";

/// The tests that an instruction has of its own, without those that are made for every instruction.
const OF_INSTRUCTIONS: [&str; 7] = [
    "instructions::",
    "--skip",
    "tampered_with",
    "--skip",
    "with_its_bytes_cut",
    "--skip",
    "out_of_compute_units",
];

/// The test executable, copied to where no other build replaces it.
pub(super) struct Suite {
    executable: PathBuf,
    _directory: TempDir,
}

impl Suite {
    /// Compiles it, or takes one that was compiled before.
    pub(super) fn build(given: Option<&Path>) -> Result<Self> {
        let executable = given.map_or_else(compile, |given| Ok(given.to_owned()))?;
        let directory = tempfile::tempdir()?;
        let own = directory.path().join("program-tests");
        std::fs::copy(executable, &own)?;
        Ok(Self { executable: own, _directory: directory })
    }

    /// Whether all tests pass on a program.
    pub(super) fn passes(&self, program: &Path) -> Result<bool> {
        self.run(program, &[])
    }

    /// Whether any test fails on a program whose fault is in `file`. The likeliest and quickest come
    /// first, and the first that fails ends it; only what nothing notices costs all of them.
    pub(super) fn notices(&self, program: &Path, file: &str) -> Result<bool> {
        let name = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs");
        let (own, tampered) = (format!("instructions::{name}::"), format!("tampered_with::{name}"));
        let of_an_instruction = file.starts_with("instructions/");
        let first: &[&str] = if of_an_instruction { &[&own] } else { &OF_INSTRUCTIONS };
        let then: &[&str] = if of_an_instruction { &[&tampered, "versions::"] } else { &[] };
        let stages = [first, then, &["model::"], &[]];
        // Without names a stage is all tests, which comes last.
        let last = stages.len() - 1;
        let run = |(place, names): &(usize, &[&str])| *place == last || !names.is_empty();
        for (_, filters) in stages.into_iter().enumerate().filter(run) {
            if !self.run(program, filters)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the tests with these names pass; the first that fails ends it.
    fn run(&self, program: &Path, filters: &[&str]) -> Result<bool> {
        let mut tests = Command::new(&self.executable)
            .args(filters)
            .args(["--skip", ABOUT_THE_FILE])
            .current_dir(workspace::root().join("programs/pinaivu"))
            .env("PINAIVU_PROGRAM_SO", program)
            .env("INSTA_UPDATE", "no")
            .env("INSTA_WORKSPACE_ROOT", workspace::root())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = tests.stdout.take().context("the tests' output")?;
        for line in BufReader::new(output).lines() {
            if line?.ends_with("... FAILED") {
                tests.kill()?;
                tests.wait()?;
                return Ok(false);
            }
        }
        Ok(tests.wait()?.success())
    }
}

/// Compiles the tests; gives the executable.
fn compile() -> Result<PathBuf> {
    workspace::claim_target_dir()?;
    let output = workspace::cargo()?
        .args(["test", "--workspace", "--locked", "--test", "program", "--no-run"])
        .arg("--message-format=json")
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "the tests do not compile");
    let executables = String::from_utf8(output.stdout)?;
    executables
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "program")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo names no test executable")
}
