//! `cargo xtask program cu`: writes the committed table of what instructions cost, which a test of the
//! program keeps true.

use anyhow::Result;
use clap::Args;

use crate::workspace;

/// Arguments of `cu`.
#[derive(Debug, Args)]
pub(crate) struct CuArgs {
    /// Only compare the committed table, as CI does.
    #[arg(long)]
    check: bool,
}

/// Measures the committed program.
pub(crate) fn run(args: &CuArgs) -> Result<()> {
    workspace::claim_target_dir()?;
    // The whole workspace, so that features are the ones that everything else is built with.
    let mut test = workspace::cargo()?;
    test.args(["test", "--workspace", "--locked", "--test", "program", "--"])
        .args(["--exact", "costs::costs_are_the_committed_ones"]);
    if !args.check {
        test.env("PINAIVU_WRITE_COSTS", "1");
    }
    workspace::run(&mut test, "measuring the program")
}
