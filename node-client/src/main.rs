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
    Run(RunArgs),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Command::Run(arguments) = Arguments::parse().command;
    let filter = pinaivu_node_client::config::log_filter()?.unwrap_or_else(|| "info".to_owned());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    command::run(&arguments).await?;
    Ok(())
}
