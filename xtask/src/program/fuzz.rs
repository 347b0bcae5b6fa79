//! `cargo xtask program fuzz`: random sequences of all instructions on the committed program, against
//! the reference ledger of its tests.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::workspace;

/// Arguments of `fuzz`.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Run at least so many instructions.
    #[arg(long, default_value_t = 1_000_000)]
    instructions: u64,
    /// Where the numbers come from; the same seed gives the same sequences.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; by default one for each processor.
    #[arg(long)]
    threads: Option<usize>,
    /// Write the few sequences that reach most to this file, in the form of the committed corpus.
    #[arg(long, value_name = "FILE")]
    corpus: Option<PathBuf>,
    /// Run only this sequence, which a failure printed.
    #[arg(long, value_name = "SEED:STEPS+…")]
    recipe: Option<String>,
}

/// Runs the long test that CI leaves out.
pub(crate) fn run(args: &FuzzArgs) -> Result<()> {
    workspace::claim_target_dir()?;
    // The whole workspace, so that features are the ones that everything else is built with.
    let mut test = workspace::cargo()?;
    test.args(["test", "--workspace", "--locked", "--test", "program", "--"])
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("model::long_run_agrees_with_the_reference_ledger")
        .env("PINAIVU_FUZZ_INSTRUCTIONS", args.instructions.to_string())
        .env("PINAIVU_FUZZ_SEED", args.seed.to_string());
    if let Some(threads) = args.threads {
        test.env("PINAIVU_FUZZ_THREADS", threads.to_string());
    }
    if let Some(corpus) = &args.corpus {
        test.env("PINAIVU_FUZZ_CORPUS", std::path::absolute(corpus)?);
    }
    if let Some(recipe) = &args.recipe {
        test.env("PINAIVU_FUZZ_RECIPE", recipe);
    }
    workspace::run(&mut test, "the fuzzer")
}
