//! The clients: how each is installed and run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use super::gateway::{Gateway, read_if_there};
use super::table::Outcomes;
use crate::tools::{python_environment, python_environment_of, sha256};
use crate::workspace::{cache, root, run};

/// Oldest Node.js the packages run on: `engines` in tests/conformance/node/package.json.
const OLDEST_NODE: u32 = 22;

/// Bodies that schemathesis makes up for each operation where answers take no time, and where a model makes them.
const EXAMPLES: &str = "25";
const EXAMPLES_OF_A_MODEL: &str = "3";

/// A client of other people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Client {
    /// The official SDK for Python.
    OpenaiPython,
    /// The official SDK for JavaScript.
    OpenaiJavascript,
    /// npm `compatcanary`.
    Compatcanary,
    /// LangChain.
    Langchain,
    /// LiteLLM as a client.
    Litellm,
    /// Vercel's AI SDK.
    Vercel,
    /// Made-up requests by our OpenAPI document.
    Schemathesis,
}

impl Client {
    /// Whether CI runs it.
    pub(crate) const fn is_light(self) -> bool {
        matches!(self, Self::OpenaiPython | Self::OpenaiJavascript | Self::Compatcanary)
    }

    /// As people call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OpenaiPython => "openai (Python)",
            Self::OpenaiJavascript => "openai (JavaScript)",
            Self::Compatcanary => "compatcanary",
            Self::Langchain => "langchain-openai",
            Self::Litellm => "litellm",
            Self::Vercel => "ai",
            Self::Schemathesis => "schemathesis",
        }
    }

    const fn requirements(self) -> &'static str {
        match self {
            Self::Langchain => "langchain.txt",
            Self::Litellm => "litellm.txt",
            _ => "schemathesis.txt",
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::OpenaiPython => "openai_sdk.py",
            Self::Langchain => "langchain_client.py",
            Self::Litellm => "litellm_client.py",
            Self::OpenaiJavascript => "openai.mjs",
            Self::Vercel => "vercel.mjs",
            Self::Compatcanary | Self::Schemathesis => "",
        }
    }
}

/// What is installed.
#[derive(Debug, Default)]
pub(crate) struct Toolbox {
    /// Interpreters by client.
    pythons: BTreeMap<&'static str, PathBuf>,
    node: Option<NodePackages>,
}

#[derive(Clone, Debug)]
struct NodePackages {
    node: PathBuf,
    /// With `node_modules` and our cases.
    directory: PathBuf,
}

fn sources() -> PathBuf {
    root().join("tests/conformance")
}

impl Toolbox {
    /// Installs what a client needs, where it is missing.
    pub(crate) fn install(&mut self, client: Client) -> Result<()> {
        match client {
            Client::OpenaiPython => {
                // The one that tests use.
                self.pythons.insert(client.name(), python_environment()?);
            }
            Client::Langchain | Client::Litellm | Client::Schemathesis => {
                // Each its own: they want different versions of what they share.
                let requirements = format!("python/{}", client.requirements());
                let python = python_environment_of(&sources().join(requirements))?;
                self.pythons.insert(client.name(), python);
            }
            Client::OpenaiJavascript | Client::Vercel | Client::Compatcanary => {
                if self.node.is_none() {
                    self.node = Some(node_packages()?);
                }
            }
        }
        Ok(())
    }

    /// Runs a client's cases.
    pub(crate) fn run(&self, client: Client, gateway: &Gateway) -> Result<Outcomes> {
        match client {
            Client::OpenaiPython | Client::Langchain | Client::Litellm => {
                let python = self.pythons.get(client.name()).context("not installed")?;
                let mut command = Command::new(python);
                command.arg(sources().join("python").join(client.file()));
                run_cases(command, client, gateway)
            }
            Client::OpenaiJavascript | Client::Vercel => {
                let packages = self.node.as_ref().context("not installed")?;
                let mut command = Command::new(&packages.node);
                command.arg(packages.directory.join(client.file()));
                run_cases(command, client, gateway)
            }
            Client::Compatcanary => self.compatcanary(gateway),
            Client::Schemathesis => self.schemathesis(gateway),
        }
    }

    fn compatcanary(&self, gateway: &Gateway) -> Result<Outcomes> {
        let packages = self.node.as_ref().context("not installed")?;
        let package = packages.directory.join("node_modules/compatcanary");
        let directory = tempfile::tempdir()?;
        let report = directory.path().join("report.json");
        let mut command = Command::new(&packages.node);
        command
            .arg(package.join("src/cli.js"))
            .args(["scan", "--base-url", &gateway.base_url, "--model", &gateway.model])
            // A small model need not call a tool or fill a schema well.
            .args(["--fail-on", if gateway.exact { "any" } else { "never" }])
            .args(["--format", "json", "--output"])
            .arg(&report)
            .env("OPENAI_API_KEY", &gateway.api_key);
        let passed = command.status()?.success();
        let report: Value = serde_json::from_slice(
            &read_if_there(&report)?.context("compatcanary wrote no report")?,
        )?;
        let version = package_version(&package)?;
        let probes = report["results"].as_array().context("no results in compatcanary's report")?;
        let cases = probes
            .iter()
            .map(|probe| {
                let text = |name: &str| probe[name].as_str().unwrap_or_default();
                let outcome = match text("status") {
                    "pass" => "passes".to_owned(),
                    status => format!("{status}: {}", text("summary")),
                };
                (text("name").to_owned(), outcome)
            })
            .collect();
        Ok(Outcomes { client: format!("compatcanary {version}"), cases, passed })
    }

    fn schemathesis(&self, gateway: &Gateway) -> Result<Outcomes> {
        let python = self.pythons.get(Client::Schemathesis.name()).context("not installed")?;
        let base = gateway.base_url.trim_end_matches("/v1");
        // Systematic ones are many and look at what the gateway says; it is the same before a model.
        let (examples, phases) = match gateway.exact {
            true => (EXAMPLES, "examples,coverage,fuzzing"),
            false => (EXAMPLES_OF_A_MODEL, "examples,fuzzing"),
        };
        let mut command = Command::new(python.with_file_name("schemathesis"));
        command
            .args(["run", &format!("{}/openapi.json", gateway.base_url), "--url", base])
            .args(["--header", &format!("Authorization: Bearer {}", gateway.api_key)])
            .args(["--checks", CHECKS, "--max-examples", examples, "--seed", "1"])
            .args(["--phases", phases, "--continue-on-failure"])
            // With several it fails within itself now and then (KeyError in its schema reader).
            .args(["--workers", "1", "--no-color"]);
        let passed = command.status()?.success();
        let outcome = if passed { "passes" } else { "FAILS" };
        let cases = CHECKS.split(',').map(|check| (check.replace('_', " "), outcome.into()));
        let client = format!(
            "schemathesis {} against coordinator/openapi.json; made-up requests for each operation: {EXAMPLES} to the scripted node, {EXAMPLES_OF_A_MODEL} to the model",
            pinned("schemathesis.txt", "schemathesis")?
        );
        Ok(Outcomes { client, cases: cases.collect(), passed })
    }
}

/// What schemathesis checks of every answer. Not that requests beside the document are refused: fields
/// that are the model server's are passed on and not judged.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method";

fn run_cases(mut command: Command, client: Client, gateway: &Gateway) -> Result<Outcomes> {
    let directory = tempfile::tempdir()?;
    let out = directory.path().join("outcomes.json");
    let status = command
        .env("BASE_URL", &gateway.base_url)
        .env("API_KEY", &gateway.api_key)
        .env("MODEL", &gateway.model)
        .env("EXACT", if gateway.exact { "1" } else { "" })
        .env("OUT", &out)
        .status()
        .with_context(|| format!("cannot run {}", client.name()))?;
    let Some(written) = read_if_there(&out)? else {
        bail!("{} ended with {status} and without outcomes", client.name());
    };
    let written: Value = serde_json::from_slice(&written)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cases = written["cases"].as_array().into_iter().flatten();
    Ok(Outcomes {
        client: text(&written["client"]),
        cases: cases.map(|case| (text(&case[0]), text(&case[1]))).collect(),
        passed: status.success(),
    })
}

/// The version that a file of requirements pins.
fn pinned(file: &str, package: &str) -> Result<String> {
    let text = std::fs::read_to_string(sources().join("python").join(file))?;
    let version = text.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    Ok(version.with_context(|| format!("{file} does not pin {package}"))?.to_owned())
}

fn package_version(package: &Path) -> Result<String> {
    let manifest: Value = serde_json::from_slice(&std::fs::read(package.join("package.json"))?)?;
    Ok(manifest["version"].as_str().context("no version")?.to_owned())
}

/// Node.js with the packages of tests/conformance/node.
fn node_packages() -> Result<NodePackages> {
    let from = sources().join("node");
    let digest = sha256(&from.join("package-lock.json"))?;
    let tag = digest.get(..16).context("a digest is 64 digits")?;
    let directory = cache()?.join(format!("conformance-node-{tag}"));
    std::fs::create_dir_all(&directory)?;
    let (node, npm) = node()?;
    // The cases lie beside the packages they import.
    for entry in std::fs::read_dir(&from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), directory.join(entry.file_name()))?;
        }
    }
    let stamp = directory.join("installed");
    if !stamp.exists() {
        eprintln!("installing JavaScript clients (tests/conformance/node) …");
        let mut command = Command::new(&npm);
        command
            .args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"])
            .current_dir(&directory);
        if let Some(bin) = node.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            // npm looks for the Node.js it belongs to.
            command.env("PATH", prepended(bin)?);
        }
        run(&mut command, "npm ci")?;
        std::fs::write(&stamp, &digest)?;
    }
    Ok(NodePackages { node, directory })
}

#[expect(clippy::disallowed_methods, reason = "the build tool has the real environment")]
fn prepended(directory: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(all)?)
}

/// Node.js and npm: the machine's where they are new enough, else from the Python package registry.
fn node() -> Result<(PathBuf, PathBuf)> {
    let output = Command::new("node").arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let major = version
        .as_deref()
        .and_then(|text| text.trim().strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
    if major.is_some_and(|major| major >= OLDEST_NODE) {
        return Ok(("node".into(), "npm".into()));
    }
    let python = python_environment_of(&sources().join("python/node.txt"))?;
    Ok((python.with_file_name("node"), python.with_file_name("npm")))
}
