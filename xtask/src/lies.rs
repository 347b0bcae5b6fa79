//! `cargo xtask lies`: every lie a coordinator can tell, told to the audit and to a node that was promised
//! a place in the auction.
//!
//! The lies are `crates/log/examples/lies` and `crates/auction/examples/lies`; this only builds and runs them.

use std::process::Command;

use anyhow::Result;

use crate::workspace;

/// About the log and about auctions.
const ALL: [&str; 2] = ["lies", "auction-lies"];

/// Builds and runs the lies; fails when one is not found.
pub(crate) fn run() -> Result<()> {
    workspace::claim_target_dir()?;
    // Of the whole workspace, so that features are the ones everything else is built with.
    let mut build = workspace::cargo()?;
    build.args(["build", "--workspace", "--locked"]);
    for lies in ALL {
        build.args(["--example", lies]);
    }
    workspace::run(&mut build, "building the lies")?;
    for lies in ALL {
        let lies = workspace::target_dir()?.join("debug/examples").join(lies);
        workspace::run(&mut Command::new(lies), "telling lies")?;
    }
    Ok(())
}
