//! Runs a foreign program that must not outlive us.
//!
//! A parent that is killed cannot stop its children. It can hold the other end of their standard input
//! though, and that closes with it: this waits for the end of input and then ends the child.

use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use clap::Args;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct GuardArgs {
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs the program until it ends or standard input closes.
pub(crate) async fn run(arguments: GuardArgs) -> anyhow::Result<()> {
    let (program, rest) = arguments.command.split_first().context("no program given")?;
    let mut child = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let status: Option<ExitStatus> = tokio::select! {
        status = child.wait() => Some(status?),
        () = end_of_input() => None,
        _ = terminate.recv() => None,
    };
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => anyhow::bail!("{program} ended with {status}"),
        None => {
            child.kill().await.with_context(|| format!("cannot stop {program}"))?;
            Ok(())
        }
    }
}

/// Returns once standard input has ended.
pub(crate) async fn end_of_input() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 256];
    while matches!(stdin.read(&mut buffer).await, Ok(count) if count > 0) {}
}
