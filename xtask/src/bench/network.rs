//! What is measured: the scripted upstream, and a whole network over it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::processes::Usage;
use super::{CHUNKS, MODEL};

/// A process that is asked to end by the end of its input, and killed when it does not.
pub(super) struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) {
            if asked.elapsed() > Duration::from_secs(20) {
                self.0.kill().ok();
                self.0.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The server that answers at once.
pub(super) struct Upstream {
    process: Child,
    pub(super) url: String,
}

impl Upstream {
    pub(super) fn start(binaries: &Path) -> Result<Self> {
        let mut process = Command::new(binaries.join("scripted-upstream"))
            .args(["--model", MODEL, "--chunks", &CHUNKS.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let url = line.trim().rsplit(' ').next().unwrap_or_default().to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A whole network: chain, coordinator, two nodes, a funded key.
pub(super) struct Network {
    ready: Value,
    _process: Guarded,
    _directory: tempfile::TempDir,
}

impl Network {
    pub(super) fn start(binaries: &Path, upstream: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("ready.json");
        let process = Command::new(binaries.join("pinaivu"))
            .args(["up", "--port", "0", "--rpc-port", "0", "--stdin-guard", "--backend", upstream])
            .args(["--node", "serving.max_unpaid_usdc=\"1000000\""])
            // Cheap, so that a million requests fit the demo allowance.
            .args(["--node", "pricing.usdc_per_million_tokens=\"0.001\""])
            .arg("--data-dir")
            .arg(directory.path().join("data"))
            .arg("--ready-file")
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let mut process = Guarded(process);
        let started = Instant::now();
        while !file.exists() {
            if process.0.try_wait()?.is_some() || started.elapsed() > Duration::from_secs(120) {
                bail!("the network did not start; its messages are above");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let ready = serde_json::from_slice(&std::fs::read(&file)?)?;
        Ok(Self { ready, _process: process, _directory: directory })
    }

    pub(super) fn chat_url(&self) -> Result<String> {
        Ok(format!("{}/chat/completions", self.text("base_url")?))
    }

    pub(super) fn key(&self) -> Result<&str> {
        self.text("api_key")
    }

    fn text(&self, field: &str) -> Result<&str> {
        self.ready[field].as_str().with_context(|| format!("no {field} in the ready file"))
    }

    /// What one of its processes has used.
    pub(super) fn usage(&self, process: &str) -> Result<Usage> {
        let pid = self.ready["pids"][process].as_u64().context("no such process")?;
        Usage::of_tree(pid)
    }
}
