//! `cargo xtask bench`: measures clearing, receipts, the whole path over a scripted upstream, memory, and
//! another gateway beside ours.
//!
//! Every figure is the median of interleaved rounds: what is compared alternates within one run, because
//! machines differ from minute to minute and only ratios within a run mean much. All load goes to this
//! machine and stops by itself.

mod gateway;
mod load;
mod network;
mod path;
mod processes;
mod smg;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::{system, workspace};

/// Measures the release build and prints tables for docs/benchmarks.md.
///
/// Load goes to this machine only and stops by itself.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    only: Option<Only>,
    #[command(flatten)]
    whole: path::PathArgs,
}

/// One measurement alone.
#[derive(Debug, Subcommand)]
enum Only {
    /// PyPI's `smg` as a plain pass-through beside ours, on the same scripted upstream.
    Gateway(gateway::GatewayArgs),
    /// Clearing over a thousand nodes.
    Auction,
    /// Durable receipts a second.
    Receipts,
}

/// The model of the scripted upstream.
const MODEL: &str = "scripted-model";
/// Events of a streamed answer of the scripted upstream.
const CHUNKS: u32 = 66;

/// Runs what was asked for.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    system::ensure_packages()?;
    match &arguments.only {
        None => {
            if !arguments.whole.no_clearing {
                cargo_bench(AUCTION)?;
            }
            path::run(&arguments.whole)
        }
        Some(Only::Gateway(arguments)) => gateway::run(arguments),
        Some(Only::Auction) => cargo_bench(AUCTION),
        Some(Only::Receipts) => cargo_bench(RECEIPTS),
    }
}

const AUCTION: &[&str] = &["--package", "pinaivu-auction"];
const RECEIPTS: &[&str] = &["--package", "pinaivu-coordinator", "--bench", "receipts"];

/// A benchmark of one package, by cargo's own profile for them: the release's.
fn cargo_bench(which: &[&str]) -> Result<()> {
    workspace::run(workspace::cargo()?.args(["bench", "--locked"]).args(which), "the benchmark")
}

/// Which programs are measured: a release build unless told otherwise.
#[derive(Debug, Args)]
struct Programs {
    /// Measure programs that are built already and lie in this directory.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Measure the development build that `up` runs, without compiling a release.
    #[arg(long, conflicts_with = "binaries")]
    development: bool,
}

impl Programs {
    /// The directory they lie in, built as far as they have to be.
    fn directory(&self) -> Result<PathBuf> {
        match &self.binaries {
            Some(directory) => Ok(directory.canonicalize()?),
            None if self.development => workspace::build_binaries(),
            None => release_binaries(),
        }
    }
}

/// Release builds of what is measured, beside the chain of the ordinary build, in one directory: `up`
/// finds its programs beside itself.
fn release_binaries() -> Result<PathBuf> {
    let packages = ["pinaivu-cli", "pinaivu-coordinator", "pinaivu-node-client", "pinaivu-testkit"];
    let mut build = workspace::cargo()?;
    build.args(["build", "--release", "--bins", "--locked"]);
    for package in packages {
        build.args(["--package", package]);
    }
    workspace::run(&mut build, "the release build")?;
    let debug = workspace::build_binaries()?;
    let release = workspace::target_dir()?.join("release");
    let together = workspace::target_dir()?.join("bench");
    std::fs::create_dir_all(&together)?;
    for (from, name) in [
        (&release, "pinaivu"),
        (&release, "pinaivu-coordinator"),
        (&release, "pinaivu-node"),
        (&release, "scripted-upstream"),
        (&release, "load-generator"),
        (&debug, "pinaivu-localnet"),
    ] {
        let to = together.join(name);
        std::fs::remove_file(&to).ok();
        std::fs::copy(from.join(name), &to).with_context(|| format!("copying {name}"))?;
    }
    Ok(together)
}
