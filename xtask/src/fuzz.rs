//! `cargo xtask fuzz`: every decoder that meets the outside, under libFuzzer.
//!
//! The functions are `crates/fuzz-targets`; `fuzz/` is a workspace of its own that links them with
//! libFuzzer, built with the compiler's stable flags for coverage. What is found stays between runs in the
//! target directory; an input that breaks a target belongs into `crates/fuzz-targets/corpus/TARGET/`, where
//! every test run finds it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::workspace;

/// What the compiler adds so that libFuzzer sees which code an input reaches.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Memory a decoder may take, whatever it is given, in MiB, with libFuzzer's own.
const MEMORY: u32 = 1024;

/// Seconds one input may take.
const SLOWEST: u32 = 10;

/// How long, and what.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Seconds for each target.
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// Longest input in bytes.
    #[arg(long, default_value_t = 65_536)]
    max_length: u32,
}

/// What libFuzzer says at the end of a run.
struct Figures {
    executions: u64,
    coverage: u64,
    memory: u64,
}

/// Builds, runs every target for a while, and prints how often it was executed.
pub(crate) fn run(arguments: &FuzzArgs) -> Result<()> {
    let directory = workspace::target_dir()?.join("fuzz");
    let seeds = directory.join("seeds");
    let names = write_seeds(&seeds)?;
    let binary = build(&directory)?;
    let names: Vec<String> = match &arguments.target {
        Some(one) if names.contains(one) => vec![one.clone()],
        Some(one) => bail!("there is no target '{one}'; there are {}", names.join(", ")),
        None => names,
    };
    println!("{:18} {:>12} {:>10} {:>8} {:>8}", "target", "executions", "a second", "edges", "MiB");
    let mut broken = Vec::new();
    for name in &names {
        match fuzz(&binary, &directory, &seeds, name, arguments)? {
            Ok(figures) => println!(
                "{name:18} {:>12} {:>10} {:>8} {:>8}",
                figures.executions,
                figures.executions / u64::from(arguments.seconds.max(1)),
                figures.coverage,
                figures.memory,
            ),
            Err(artifacts) => {
                println!("{name:18} BROKEN: inputs are in {}", artifacts.display());
                broken.push(name.as_str());
            }
        }
    }
    if !broken.is_empty() {
        bail!("these targets break: {}", broken.join(", "));
    }
    Ok(())
}

/// The seeds of every target as files; gives the targets' names.
fn write_seeds(directory: &Path) -> Result<Vec<String>> {
    workspace::claim_target_dir()?;
    workspace::run(
        workspace::cargo()?.args(["build", "--workspace", "--example", "seeds", "--locked"]),
        "building the seeds",
    )?;
    let program = workspace::target_dir()?.join("debug/examples/seeds");
    let output = Command::new(&program).arg(directory).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{} failed ({})", program.display(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}

/// Builds `fuzz/` with coverage; build scripts and macros go without, because a target is named.
fn build(directory: &Path) -> Result<PathBuf> {
    let version = Command::new("rustc").arg("-vV").output().context("cannot start rustc")?;
    let version = String::from_utf8(version.stdout)?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc does not say which machine this is")?;
    workspace::run(
        workspace::cargo()?
            .args(["build", "--release", "--locked", "--target", host])
            .current_dir(workspace::root().join("fuzz"))
            .env("CARGO_TARGET_DIR", directory)
            .env("RUSTFLAGS", COVERAGE),
        "building the fuzzers",
    )?;
    Ok(directory.join(host).join("release/decoders"))
}

/// One target; its figures, or where the inputs are that break it.
fn fuzz(
    binary: &Path,
    directory: &Path,
    seeds: &Path,
    name: &str,
    arguments: &FuzzArgs,
) -> Result<Result<Figures, PathBuf>> {
    let (corpus, artifacts) =
        (directory.join("corpus").join(name), directory.join("artifacts").join(name));
    for folder in [&corpus, &artifacts] {
        std::fs::create_dir_all(folder)?;
    }
    let output = Command::new(binary)
        .env("PINAIVU_FUZZ_TARGET", name)
        .arg(&corpus)
        .arg(seeds.join(name))
        .arg(format!("-max_total_time={}", arguments.seconds))
        .arg(format!("-max_len={}", arguments.max_length))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-timeout={SLOWEST}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .stdout(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let log = artifacts.join("log");
        std::fs::write(&log, said.as_bytes())?;
        return Ok(Err(artifacts));
    }
    let figure = |label: &str| -> Result<u64> {
        let line = said.lines().rev().find_map(|line| line.strip_prefix(label));
        let number = line.with_context(|| format!("libFuzzer does not say '{label}'"))?;
        Ok(number.trim().parse()?)
    };
    let coverage = said.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once(" cov: ")?;
        rest.split_whitespace().next()?.parse().ok()
    });
    Ok(Ok(Figures {
        executions: figure("stat::number_of_executed_units:")?,
        coverage: coverage.unwrap_or_default(),
        memory: figure("stat::peak_rss_mb:")?,
    }))
}
