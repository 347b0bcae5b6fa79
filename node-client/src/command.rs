//! `pinaivu-node run`, shared with `pinaivu node run`.
//!
//! Runs until SIGINT or SIGTERM, or with `--stdin-guard` until standard input ends: a parent that is
//! killed takes its nodes along.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::io::AsyncReadExt as _;

use crate::config::{Config, ConfigError, ENVIRONMENT};
use crate::node::{Node, ReadyReport, StartError};

/// Arguments of `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The configuration, see `--help` for its shape.
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    pub config: PathBuf,
    /// Write a JSON report here once the backend answers and every coordinator has taken an ask.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// Stop gracefully when standard input ends, so that a parent that dies takes the node along.
    #[arg(long)]
    pub stdin_guard: bool,
}

/// Why `run` failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The node did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The ready file cannot be written.
    #[error("cannot write the ready file {path}")]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A part of the node failed, which its log explains.
    #[error("a part of the node failed; its log says which")]
    Failed,
    /// Signals cannot be caught.
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
}

/// Runs a node until it is told to stop. Set up logging before.
///
/// # Errors
/// [`RunError`]. A stop that was asked for is not an error.
pub async fn run(arguments: &RunArgs) -> Result<(), RunError> {
    let config = Config::load(&arguments.config)?;
    let stop = stop_signal(arguments.stdin_guard)?;
    tokio::pin!(stop);
    // Starting may wait for the chain; a stop is heard then too.
    let node = tokio::select! {
        () = &mut stop => return Ok(()),
        node = Node::start(config) => node?,
    };
    let announced = async {
        let report = node.ready().await;
        tracing::info!(
            models = ?report.models, coordinators = ?report.coordinators, backend = report.backend,
            "serving"
        );
        if let Some(path) = &arguments.ready_file {
            write_ready_file(path, &report)?;
        }
        std::future::pending().await
    };
    let result = tokio::select! {
        () = stop => Ok(()),
        failed = announced => failed,
        () = node.failure() => Err(RunError::Failed),
    };
    node.shutdown().await;
    result
}

/// Completes on SIGINT, SIGTERM or, when guarded, the end of standard input.
fn stop_signal(stdin_guard: bool) -> Result<impl Future<Output = ()>, RunError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
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
fn write_ready_file(path: &Path, report: &ReadyReport) -> Result<(), RunError> {
    let failed = |source| RunError::ReadyFile { path: path.to_path_buf(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let mut file = std::fs::File::create(&partial).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, report).map_err(|error| failed(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&partial, path).map_err(failed)
}

/// What `--help` ends with: a configuration to start from and the environment variables.
#[must_use]
pub fn long_help() -> String {
    let variables: String = ENVIRONMENT
        .iter()
        .map(|variable| format!("  {:30} {}\n", variable.name, variable.meaning))
        .collect();
    format!("{EXAMPLE}\nEnvironment (overrides the file):\n{variables}")
}

/// A configuration to start from.
const EXAMPLE: &str = r#"A configuration that serves every model of a local llama-server:

  node = "<address of your Node account>"   # pinaivu node register prints it
  key_file = "node-key.json"                # hot key, made on first start; owns no money
  data_dir = "node-data"                    # proof journal: what you have not been paid for yet

  [chain]
  rpc_url = "https://api.mainnet-beta.solana.com"
  program = "<address of the program>"

  [[coordinators]]                          # one section each; serve as many as you like
  id = "<address of the Coordinator account>"
  # endpoint = "host:port"                  # default: what its account says

  [backend]
  url = "http://127.0.0.1:8080"             # llama.cpp, vLLM or any OpenAI-compatible server
  # api_key = "..."

  [pricing]
  usdc_per_million_tokens = "0.20"          # money is text, never a float

  # [[models]]                              # only these models, otherwise all of them
  # name = "smollm2-135m-instruct"
  # usdc_per_million_tokens = "0.15"

  [serving]
  max_unpaid_usdc = "100"                   # stop serving a coordinator that owes more than this
  # within_guarantee = true                 # … or more than its bond guarantees this node on chain

  [claims]
  threshold_usdc = "1"                      # claim earnings as soon as this much is credited

  [demands]
  after_seconds = 3600                      # then ask the guarantee bond for what is not credited

  [attestation]
  require = "auto"                          # when the market lists measurements; or always, never
"#;
