//! A gateway to run clients against.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::Backend;
use crate::{system, workspace};

/// How long one may take to be ready: it may have to be compiled first.
const START_LIMIT: Duration = Duration::from_secs(45 * 60);

/// How long it may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Where a gateway is, and its process where it is ours.
pub(crate) struct Gateway {
    /// Ending in `/v1`.
    pub(crate) base_url: String,
    pub(crate) api_key: String,
    pub(crate) model: String,
    /// Whether every word of an answer is known.
    pub(crate) exact: bool,
    process: Option<(Child, tempfile::TempDir)>,
}

impl Gateway {
    /// One that runs already.
    pub(crate) fn running(base_url: &str, api_key: &str, model: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key: api_key.to_owned(),
            model: model.to_owned(),
            exact: false,
            process: None,
        }
    }

    /// Starts one. It ends when its standard input does, so never later than this process.
    pub(crate) fn start(backend: Backend) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("ready.json");
        let mut command = match backend {
            Backend::Scripted => {
                let mut command = workspace::cargo()?;
                // The whole workspace, so that no dependency is compiled a second time.
                command.args(["test", "--workspace", "--locked", "--test", "serving", "--"]);
                command.args(["--ignored", "--nocapture", "gateway_is_served_to_clients"]);
                command.env("PINAIVU_READY_FILE", &file);
                command
            }
            Backend::Model => up(&file, directory.path().join("data"))?,
        };
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut gateway = Self {
            base_url: String::new(),
            api_key: String::new(),
            model: String::new(),
            exact: backend == Backend::Scripted,
            process: Some((child, directory)),
        };
        let started = Instant::now();
        while !file.exists() {
            if gateway.has_ended()? || started.elapsed() > START_LIMIT {
                bail!("the gateway did not start; its messages are above");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let ready: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let text = |name: &str| -> Result<String> {
            Ok(ready[name].as_str().with_context(|| format!("no {name} in {ready}"))?.to_owned())
        };
        gateway.base_url = text("base_url")?;
        gateway.api_key = text("api_key")?;
        gateway.model = text("model")?;
        Ok(gateway)
    }

    fn has_ended(&mut self) -> Result<bool> {
        match &mut self.process {
            Some((child, _)) => Ok(child.try_wait()?.is_some()),
            None => Ok(false),
        }
    }

    /// Ends it. What it checks when it ends (that everything was paid for) must hold.
    pub(crate) fn stop(mut self) -> Result<()> {
        let Some((mut child, _directory)) = self.process.take() else { return Ok(()) };
        drop(child.stdin.take());
        let asked = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                if !status.success() {
                    bail!("the gateway ended with {status}; its messages are above");
                }
                return Ok(());
            }
            if asked.elapsed() > STOP_LIMIT {
                child.kill()?;
                bail!("the gateway did not end within {STOP_LIMIT:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.process {
            drop(child.stdin.take());
            child.wait().ok();
        }
    }
}

fn up(file: &std::path::Path, data: PathBuf) -> Result<Command> {
    system::ensure_packages()?;
    let binaries = workspace::build_binaries()?;
    let mut command = Command::new(binaries.join("pinaivu"));
    command
        .args(["up", "--port", "0", "--rpc-port", "0", "--stdin-guard"])
        .arg("--data-dir")
        .arg(data)
        .arg("--ready-file")
        .arg(file);
    Ok(command)
}

/// Reads all of a file that may not be there.
pub(crate) fn read_if_there(path: &std::path::Path) -> Result<Option<Vec<u8>>> {
    let Ok(mut file) = std::fs::File::open(path) else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
