//! One round of load by the `load-generator`, the same for everything that is measured.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::MODEL;

/// Where load goes.
pub(super) struct Target<'a> {
    /// Of chat completions.
    pub(super) url: &'a str,
    /// Sent as bearer token.
    pub(super) key: Option<&'a str>,
}

/// What one round gave. Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) median: u64,
    pub(super) worst: u64,
    pub(super) rate: u64,
    pub(super) requests: u64,
}

/// Sends load; a request that fails is an error, because a fast failure looks like speed.
pub(super) fn send(binaries: &Path, target: &Target<'_>, options: &[&str]) -> Result<Figures> {
    let mut command = Command::new(binaries.join("load-generator"));
    command.args(["--url", target.url, "--model", MODEL]).args(options);
    if let Some(key) = target.key {
        command.args(["--key", key]);
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    let line: Value =
        serde_json::from_slice(&output.stdout).context("the load generator failed")?;
    if line["failures"].as_u64() != Some(0) {
        bail!("requests failed, so nothing was measured: {line}");
    }
    let number = |name: &str| line[name].as_f64().map_or(0, |value| value.round() as u64);
    Ok(Figures {
        median: number("p50_us"),
        worst: number("p99_us"),
        rate: number("requests_per_second"),
        requests: number("requests"),
    })
}
