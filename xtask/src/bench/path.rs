//! The whole path beside the upstream alone, and memory over many requests.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use super::load::{Figures, Target, send};
use super::network::{Network, Upstream};
use super::{CHUNKS, Programs};

/// Arguments of `bench` without a subcommand.
#[derive(Debug, Args)]
pub(super) struct PathArgs {
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Interleaved rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests before memory is read the last time.
    #[arg(long, default_value_t = 100_000)]
    memory_requests: u64,
    /// Leave out the clearing benchmark.
    #[arg(long)]
    pub(super) no_clearing: bool,
    /// Leave out the rounds and go on to memory at once.
    #[arg(long)]
    no_rounds: bool,
    #[command(flatten)]
    programs: Programs,
}

/// Runs both measurements.
pub(super) fn run(arguments: &PathArgs) -> Result<()> {
    let binaries = arguments.programs.directory()?;
    let upstream = Upstream::start(&binaries)?;
    let network = Network::start(&binaries, &upstream.url)?;
    if !arguments.no_rounds {
        path(arguments, &binaries, &upstream, &network)?;
    }
    memory(arguments, &binaries, &network)
}

fn path(
    arguments: &PathArgs,
    binaries: &Path,
    upstream: &Upstream,
    network: &Network,
) -> Result<()> {
    let direct = format!("{}/v1/chat/completions", upstream.url);
    let (through, key) = (network.chat_url()?, network.key()?);
    let direct = Target { url: &direct, key: None };
    let through = Target { url: &through, key: Some(key) };
    let seconds = arguments.seconds.to_string();
    println!(
        "\n| kind | c | direct p50 / p99 µs | through p50 / p99 µs | overhead p50 µs | direct req/s | through req/s |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (kind, stream) in [("unary", false), ("66-chunk stream", true)] {
        for connections in ["1", "32"] {
            let mut options = vec!["--connections", connections, "--seconds", &seconds];
            if stream {
                options.push("--stream");
            }
            let (mut alone, mut whole) = (Vec::new(), Vec::new());
            for _ in 0..arguments.rounds {
                alone.push(send(binaries, &direct, &options)?);
                whole.push(send(binaries, &through, &options)?);
            }
            let (alone, whole) = (middle(alone)?, middle(whole)?);
            let overhead = whole.median.saturating_sub(alone.median);
            let each = if stream {
                format!("{overhead} ({:.1} a chunk)", overhead as f64 / f64::from(CHUNKS))
            } else {
                overhead.to_string()
            };
            println!(
                "| {kind} | {connections} | {} / {} | {} / {} | {each} | {} | {} |",
                alone.median, alone.worst, whole.median, whole.worst, alone.rate, whole.rate
            );
        }
    }
    Ok(())
}

/// The round with the middle median.
fn middle(mut rounds: Vec<Figures>) -> Result<Figures> {
    rounds.sort_by_key(|figures| figures.median);
    rounds.get(rounds.len() / 2).copied().context("no rounds")
}

/// How often memory is read on the way.
const MEMORY_STEPS: u64 = 10;

fn memory(arguments: &PathArgs, binaries: &Path, network: &Network) -> Result<()> {
    let (through, key) = (network.chat_url()?, network.key()?);
    let through = Target { url: &through, key: Some(key) };
    println!("\n| requests more | coordinator resident MB | node-1 | node-2 |");
    println!("|---|---|---|---|");
    let step = (arguments.memory_requests / MEMORY_STEPS).max(1);
    for part in 0..=MEMORY_STEPS {
        if part > 0 {
            let count = step.to_string();
            send(binaries, &through, &["--connections", "16", "--requests", &count])?;
        }
        println!(
            "| {} | {:.1} | {:.1} | {:.1} |",
            step * part,
            network.usage("coordinator")?.megabytes(),
            network.usage("node-1")?.megabytes(),
            network.usage("node-2")?.megabytes()
        );
    }
    Ok(())
}
