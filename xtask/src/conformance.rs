//! `cargo xtask conformance`: the official OpenAI SDK, unmodified, against a gateway.
//!
//! Without a URL a whole coordinator is started with a scripted node, so that every answer is known and
//! the run is light enough for CI. With one, a running network is asked.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::workspace::{self, run};

/// The SDK that is tested.
const SDK: &str = "openai==2.54.0";

/// Arguments of `conformance`.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// Base URL of a running gateway, ending in `/v1`; without it one is started.
    #[arg(long, requires_all = ["api_key", "model"])]
    base_url: Option<String>,
    /// Its API key.
    #[arg(long)]
    api_key: Option<String>,
    /// A model it offers.
    #[arg(long)]
    model: Option<String>,
    /// Write SDK, cases and outcomes here as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs it.
pub(crate) fn run_all(arguments: &ConformanceArgs) -> Result<()> {
    let root = workspace::root();
    let python = python()?;
    let mut command = match &arguments.base_url {
        Some(url) => {
            let mut command = Command::new(&python);
            command
                .arg(root.join("coordinator/tests/serving/conformance.py"))
                .env("BASE_URL", url)
                .env("API_KEY", arguments.api_key.as_deref().unwrap_or_default())
                .env("MODEL", arguments.model.as_deref().unwrap_or_default());
            command
        }
        None => {
            let mut command = workspace::cargo()?;
            // The whole workspace, so that no dependency is compiled a second time.
            command.args(["test", "--workspace", "--locked", "--test", "serving", "--"]);
            command.args(["--ignored", "--nocapture", "official_python_sdk"]);
            command.env("PINAIVU_PYTHON", &python);
            command
        }
    };
    if let Some(json) = &arguments.json {
        command.env("OUT", std::path::absolute(json).context("the file for the outcomes")?);
    }
    run(command.current_dir(&root), "the SDK's cases")
}

/// A Python with the SDK, in a virtual environment of its own.
fn python() -> Result<PathBuf> {
    let directory = workspace::target_dir()?.join("conformance");
    let python = directory.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&directory), "python3 -m venv")?;
    }
    run(
        Command::new(&python).args(["-m", "pip", "install", "--quiet", SDK]),
        "installing the SDK",
    )?;
    Ok(python)
}
