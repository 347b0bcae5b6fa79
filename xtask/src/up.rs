//! `cargo xtask up`: builds what is missing and runs the whole product on this machine.
//!
//! The running itself is `pinaivu up`, so that people without a checkout have the same.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::{app, system, workspace};

/// Runs the whole product on this machine.
///
/// Builds the programs (the first time this compiles about a thousand crates, 10 to 20 minutes on two
/// cores), then starts a local chain, a coordinator, two nodes over a real model, and a funded wallet,
/// and prints a key and a request that works when pasted. Ctrl-C stops everything.
///
/// All options are those of `pinaivu up`; see `cargo xtask up --help` and `pinaivu up --help`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct UpArgs {
    /// Passed on to `pinaivu up`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

/// Builds and then becomes `pinaivu up`.
pub(crate) fn run(arguments: UpArgs) -> Result<()> {
    let built = workspace::target_dir()?.join("debug/pinaivu");
    let asks_help = arguments.options.iter().any(|option| option == "--help" || option == "-h");
    if asks_help && !built.exists() {
        eprintln!("not built yet; run `cargo xtask up` once. Options are listed in the README.");
        return Ok(());
    }
    system::ensure_packages()?;
    eprintln!("building what is missing …");
    let binaries = workspace::build_binaries()?;
    let program = binaries.join("pinaivu");
    let mut command = Command::new(&program);
    command.arg("up").args(arguments.options);
    if let Some(directory) = app::build() {
        command.env("PINAIVU_APP", directory);
    }
    // Replaces this process, so that signals and the exit code are the product's own.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
