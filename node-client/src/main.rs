//! `pinaivu-node`: reads the command line and runs the node of the library.

use std::io::IsTerminal as _;

use clap::{Parser, Subcommand};
use pinaivu_node_client::command::{self, RunArgs};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves a local inference server on the Pinaivu marketplace and claims what it earns.
#[derive(Debug, Parser)]
#[command(version, after_long_help = command::long_help())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop (SIGINT, SIGTERM).
    #[command(after_long_help = command::long_help())]
    Run {
        #[command(flatten)]
        arguments: RunArgs,
        /// Threads that serve requests. One carries tens of thousands of tokens a second and wakes no
        /// other; more pay where one is full.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        threads: u16,
    },
}

fn main() -> anyhow::Result<()> {
    let Command::Run { arguments, threads } = Arguments::parse().command;
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads.into());
    }
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(run(&arguments));
    // Every task has ended; what may be left is a read of standard input, which ends when it will.
    runtime.shutdown_background();
    ended
}

async fn run(arguments: &RunArgs) -> anyhow::Result<()> {
    let filter = pinaivu_node_client::config::log_filter()?.unwrap_or_else(|| "info".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    command::run(arguments).await?;
    Ok(())
}
