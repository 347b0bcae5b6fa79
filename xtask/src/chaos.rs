//! `cargo xtask chaos`: nodes killed every few seconds under load, for minutes.
//!
//! The run itself is `tests/system/chaos.rs`; this builds what it needs and says for how long.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::{system, workspace};

/// A tenth of the nodes killed every three seconds under load; fails when requests are lost before their
/// first token, when money is lost or doubled, or when memory grows.
#[derive(Debug, Args)]
pub(crate) struct ChaosArgs {
    /// For how long.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Over llama.cpp and the small model instead of a scripted, paced stream.
    #[arg(long)]
    real: bool,
    /// Write the report here as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn run(arguments: &ChaosArgs) -> Result<()> {
    system::ensure_packages()?;
    let binaries = workspace::build_binaries()?;
    let mut command = workspace::cargo()?;
    // The whole workspace, so that no dependency is compiled a second time.
    command
        .args(["test", "--workspace", "--locked", "--test", "chaos", "--"])
        .args(["--ignored", "--nocapture"])
        .env("PINAIVU_BINARIES", binaries)
        .env("PINAIVU_CHAOS_MINUTES", arguments.minutes.to_string());
    if arguments.real {
        command.env("PINAIVU_CHAOS_REAL", "1");
    }
    if let Some(file) = &arguments.json {
        command.env("PINAIVU_CHAOS_REPORT", std::path::absolute(file).context("the report")?);
    }
    workspace::run(&mut command, "chaos")
}
