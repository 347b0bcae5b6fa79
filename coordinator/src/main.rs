//! `pinaivu-coordinator`: reads the command line and runs the coordinator of the library.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use pinaivu_chain::RpcChain;
use pinaivu_coordinator::clock::SystemClock;
use pinaivu_coordinator::config::{self, ENVIRONMENT, EXAMPLE};
use pinaivu_coordinator::receipts::Signer;
use pinaivu_coordinator::{Config, Coordinator, ReadyReport};
use tokio::io::AsyncReadExt as _;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves OpenAI's API from a market of GPU nodes and settles on Solana.
#[derive(Debug, Parser)]
#[command(name = "pinaivu-coordinator", version, after_long_help = long_help())]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until told to stop (SIGINT, SIGTERM).
    #[command(after_long_help = long_help())]
    Run(RunArguments),
    /// Make the hot signer's key file if there is none, and print its public key. In an attested image
    /// this is how the key comes to be, so that it never was anywhere else.
    Key {
        /// The file.
        #[arg(value_name = "FILE")]
        path: PathBuf,
    },
    /// Print a configuration file that documents every key with its default.
    Config,
}

#[derive(Debug, Args)]
struct RunArguments {
    /// The configuration file; `pinaivu-coordinator config` prints one to start from.
    #[arg(long, value_name = "FILE", default_value = "coordinator.toml")]
    config: PathBuf,
    /// Write a JSON report here once clients and nodes can connect: base_url, http, tunnel,
    /// coordinator, signer, pid.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Stop gracefully when standard input ends, so that a parent that dies takes the coordinator
    /// along.
    #[arg(long)]
    stdin_guard: bool,
    /// Log as JSON, one object a line.
    #[arg(long)]
    log_json: bool,
}

fn long_help() -> String {
    let variables: String = ENVIRONMENT
        .iter()
        .map(|(name, key, meaning)| format!("  {name:26} {key}: {meaning}\n"))
        .collect();
    format!(
        "Before the first start:
  1. Make a key file for the hot signer (solana-keygen new, or pinaivu key new). It signs receipts and
     pays for settlement transactions, so it needs some SOL.
  2. Register the coordinator's account on chain with that signer.
  3. Write coordinator.toml: pinaivu-coordinator config > coordinator.toml, then fill in the first part.

Then: pinaivu-coordinator run --config coordinator.toml
Point an OpenAI client at http://<http.listen>/v1 and nodes at <tunnel.listen>.

On SIGINT or SIGTERM it accepts nothing more, lets running answers end (http.drain), makes their receipts
durable and exits with 0. It exits with 1 when it cannot start or a part of it fails, so that whatever
supervises it starts it again; nothing is lost by that.

Environment (overrides the file):
{variables}"
    )
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(arguments) => {
            let config = Config::load(&arguments.config)?;
            start_logging(arguments.log_json)?;
            let runtime = runtime(config.threads)?;
            let ended = runtime.block_on(run(&arguments, config));
            // Every task has ended; what may be left is a read of standard input, which ends when it will.
            runtime.shutdown_background();
            ended
        }
        Command::Key { path } => {
            use std::io::Write as _;
            let signer = Signer::load_or_create(&path)?;
            Ok(writeln!(std::io::stdout(), "{}", signer.public())?)
        }
        Command::Config => {
            use std::io::Write as _;
            std::io::stdout().write_all(EXAMPLE.as_bytes())?;
            Ok(())
        }
    }
}

fn start_logging(json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(config::log_filter().unwrap_or_else(|| "info".into()))
        .with_context(|| format!("{} is not a log filter", config::LOG_VARIABLE))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if json {
        log.json().init()
    } else {
        log.init()
    }
    Ok(())
}

/// Up to this many processors, one thread serves more than several do: what it needs of another
/// processor is the store's thread, and no task is ever woken across.
const FEW_PROCESSORS: usize = 2;

fn runtime(threads: usize) -> anyhow::Result<tokio::runtime::Runtime> {
    let threads = match threads {
        0 => match std::thread::available_parallelism().map_or(1, usize::from) {
            ..=FEW_PROCESSORS => 1,
            processors => processors,
        },
        given => given,
    };
    let mut builder = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_all().build().context("cannot start the runtime")
}

async fn run(arguments: &RunArguments, config: Config) -> anyhow::Result<()> {
    let stop = stop_signal(arguments.stdin_guard)?;
    let chain = RpcChain::new(&config.chain.rpc_url, config.chain.program_id);
    tokio::pin!(stop);
    let starting = Coordinator::start(config, Arc::new(chain), Arc::new(SystemClock));
    let coordinator = tokio::select! {
        coordinator = starting => coordinator?,
        () = &mut stop => return Ok(()),
    };
    let report = coordinator.report();
    tracing::info!(
        base_url = report.base_url, tunnel = %report.tunnel, coordinator = %report.coordinator,
        "serving"
    );
    if let Some(path) = &arguments.ready_file {
        write_ready_file(path, report)
            .with_context(|| format!("cannot write the ready file {}", path.display()))?;
    }
    let failure = tokio::select! {
        () = stop => None,
        failure = coordinator.failure() => Some(failure),
    };
    coordinator.shutdown().await;
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Completes on SIGINT, SIGTERM or, when guarded, the end of standard input.
fn stop_signal(stdin_guard: bool) -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => tracing::info!("stopping on SIGINT"),
            _ = terminate.recv() => tracing::info!("stopping on SIGTERM"),
            () = end_of_input(), if stdin_guard => tracing::info!("stopping: standard input ended"),
        }
    })
}

async fn end_of_input() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 256];
    while matches!(stdin.read(&mut buffer).await, Ok(count) if count > 0) {}
}

/// Whoever waits for the file never sees half of it.
fn write_ready_file(path: &Path, report: &ReadyReport) -> anyhow::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    std::fs::write(&partial, serde_json::to_vec_pretty(report)?)?;
    std::fs::rename(&partial, path)?;
    Ok(())
}
