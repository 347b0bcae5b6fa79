//! `cargo xtask lies`: every lie a coordinator can tell, told to the audit.
//!
//! The lies are `crates/log/examples/lies`; this only builds and runs them.

use std::process::Command;

use anyhow::Result;

use crate::workspace;

/// Builds and runs the lies; fails when one is not found.
pub(crate) fn run() -> Result<()> {
    workspace::claim_target_dir()?;
    // Of the whole workspace, so that features are the ones everything else is built with.
    workspace::run(
        workspace::cargo()?.args(["build", "--workspace", "--example", "lies", "--locked"]),
        "building the lies",
    )?;
    let lies = workspace::target_dir()?.join("debug/examples/lies");
    workspace::run(&mut Command::new(lies), "telling lies")
}
