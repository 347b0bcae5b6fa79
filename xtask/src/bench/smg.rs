//! The gateway that ours is measured against: PyPI's `smg`, as a plain pass-through to one worker.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::processes::Usage;
use crate::workspace::{cache, run};

/// Which one.
pub(super) const REQUIREMENT: &str = "smg==1.13.0";

/// How long it may take to find its worker.
const START: Duration = Duration::from_secs(60);

/// Its program, installed into an environment of its own when it is missing.
fn program() -> Result<PathBuf> {
    let directory = cache()?.join(REQUIREMENT.replace("==", "-"));
    let (program, stamp) = (directory.join("bin/smg"), directory.join("installed"));
    if stamp.exists() {
        return Ok(program);
    }
    eprintln!("installing {REQUIREMENT} …");
    run(
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&directory),
        "making a Python environment",
    )?;
    run(
        Command::new(directory.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg(REQUIREMENT),
        "installing smg",
    )?;
    std::fs::write(&stamp, REQUIREMENT)?;
    Ok(program)
}

/// A running one; killed when it is dropped.
pub(super) struct Smg {
    process: Child,
    /// Of chat completions.
    pub(super) url: String,
}

impl Smg {
    /// Starts it in front of one worker.
    pub(super) fn start(worker: &str) -> Result<Self> {
        let (port, metrics) = (free_port()?, free_port()?);
        let process = Command::new(program()?)
            .args(["launch", "--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--worker-urls", worker, "--policy", "round_robin"])
            .args(["--disable-tokenizer-autoload", "--disable-load-monitoring"])
            .args(["--prometheus-host", "127.0.0.1"])
            .args(["--prometheus-port", &metrics.to_string()])
            .args(["--max-concurrent-requests", "-1", "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting smg")?;
        let url = format!("http://127.0.0.1:{port}/v1/chat/completions");
        let mut started = Self { process, url };
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if started.process.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("smg did not start");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(started)
    }

    /// What it and everything it started have used.
    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of_tree(self.process.id().into())
    }
}

impl Drop for Smg {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A port that is free now. It takes a number, not zero.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
