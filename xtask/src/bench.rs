//! `cargo xtask bench`: measures clearing, the whole path over a scripted upstream, and memory.
//!
//! Every figure is the median of interleaved rounds: direct and through the path alternate within one
//! run, because machines differ from minute to minute and only ratios within a run mean much.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{system, workspace};

/// Measures the release build and prints a table for docs/benchmarks.md.
///
/// Load goes to this machine only and stops by itself.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Interleaved rounds; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests before the coordinator's memory is read the last time.
    #[arg(long, default_value_t = 100_000)]
    memory_requests: u64,
    /// Leave out the clearing benchmark.
    #[arg(long)]
    no_clearing: bool,
    /// Measure the development build that `up` runs, without compiling a release.
    #[arg(long)]
    development: bool,
}

const MODEL: &str = "scripted-model";
/// Events of a streamed answer of the scripted upstream.
const CHUNKS: u32 = 66;

/// Runs all measurements.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    system::ensure_packages()?;
    if !arguments.no_clearing {
        workspace::run(
            workspace::cargo()?.args(["bench", "--locked", "--package", "pinaivu-auction"]),
            "the clearing benchmark",
        )?;
    }
    let binaries =
        if arguments.development { workspace::build_binaries()? } else { prepare_binaries()? };
    let upstream = Upstream::start(&binaries)?;
    let network = Network::start(&binaries, &upstream.url)?;
    path(arguments, &binaries, &upstream, &network)?;
    memory(arguments, &binaries, &network)
}

/// Release builds of what is measured, beside the chain of the ordinary build, in one directory: `up`
/// finds its programs beside itself.
fn prepare_binaries() -> Result<PathBuf> {
    let packages = ["pinaivu-cli", "pinaivu-coordinator", "pinaivu-node-client", "pinaivu-testkit"];
    let mut build = workspace::cargo()?;
    build.args(["build", "--release", "--bins", "--locked"]);
    for package in packages {
        build.args(["--package", package]);
    }
    workspace::run(&mut build, "the release build")?;
    let debug = workspace::build_binaries()?;
    let release = workspace::target_dir()?.join("release");
    let together = workspace::target_dir()?.join("bench");
    std::fs::create_dir_all(&together)?;
    for (from, name) in [
        (&release, "pinaivu"),
        (&release, "pinaivu-coordinator"),
        (&release, "pinaivu-node"),
        (&release, "scripted-upstream"),
        (&release, "load-generator"),
        (&debug, "pinaivu-localnet"),
    ] {
        let to = together.join(name);
        std::fs::remove_file(&to).ok();
        std::fs::copy(from.join(name), &to).with_context(|| format!("copying {name}"))?;
    }
    Ok(together)
}

/// A process that ends with this value.
struct Guarded(Child);

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

struct Upstream {
    process: Child,
    url: String,
}

impl Upstream {
    fn start(binaries: &Path) -> Result<Self> {
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

struct Network {
    ready: Value,
    _process: Guarded,
    _directory: tempfile::TempDir,
}

impl Network {
    fn start(binaries: &Path, upstream: &str) -> Result<Self> {
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

    fn text(&self, field: &str) -> Result<&str> {
        self.ready[field].as_str().with_context(|| format!("no {field} in the ready file"))
    }

    fn resident_kilobytes(&self, process: &str) -> Result<u64> {
        let pid = self.ready["pids"][process].as_u64().context("no such process")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
    }
}

/// What one round of load gave.
#[derive(Clone, Copy, Debug)]
struct Figures {
    median: u64,
    worst: u64,
    rate: u64,
}

fn load(binaries: &Path, url: &str, key: Option<&str>, options: &[&str]) -> Result<Figures> {
    let mut command = Command::new(binaries.join("load-generator"));
    command.args(["--url", url, "--model", MODEL]).args(options);
    if let Some(key) = key {
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
    })
}

fn path(
    arguments: &BenchArgs,
    binaries: &Path,
    upstream: &Upstream,
    network: &Network,
) -> Result<()> {
    let direct = format!("{}/v1/chat/completions", upstream.url);
    let through = format!("{}/chat/completions", network.text("base_url")?);
    let key = network.text("api_key")?;
    let seconds = arguments.seconds.to_string();
    println!(
        "\n| kind | c | direct p50 / p99 µs | through p50 / p99 µs | overhead p50 µs | direct req/s | through req/s |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (kind, stream) in [("unary", false), ("66-chunk stream", true)] {
        for connections in ["1", "32"] {
            let mut options = vec!["--connections", connections, "--seconds", &seconds];
            if stream {
                options.push("--stream");
            }
            let (mut alone, mut whole) = (Vec::new(), Vec::new());
            for _ in 0..arguments.rounds {
                alone.push(load(binaries, &direct, None, &options)?);
                whole.push(load(binaries, &through, Some(key), &options)?);
            }
            let (alone, whole) = (middle(alone)?, middle(whole)?);
            let overhead = whole.median.saturating_sub(alone.median);
            let each = if stream {
                format!("{overhead} ({:.1} a chunk)", overhead as f64 / f64::from(CHUNKS))
            } else {
                overhead.to_string()
            };
            println!(
                "| {kind} | {connections} | {} / {} | {} / {} | {each} | {} | {} |",
                alone.median, alone.worst, whole.median, whole.worst, alone.rate, whole.rate
            );
        }
    }
    Ok(())
}

/// The round with the middle median.
fn middle(mut rounds: Vec<Figures>) -> Result<Figures> {
    rounds.sort_by_key(|figures| figures.median);
    rounds.get(rounds.len() / 2).copied().context("no rounds")
}

fn memory(arguments: &BenchArgs, binaries: &Path, network: &Network) -> Result<()> {
    let through = format!("{}/chat/completions", network.text("base_url")?);
    let key = network.text("api_key")?;
    println!("\n| requests more | coordinator resident MB | node-1 resident MB |");
    println!("|---|---|---|");
    let step = (arguments.memory_requests / 4).max(1);
    for part in 0..=4 {
        if part > 0 {
            let count = step.to_string();
            load(binaries, &through, Some(key), &["--connections", "16", "--requests", &count])?;
        }
        println!(
            "| {} | {:.1} | {:.1} |",
            step * part,
            network.resident_kilobytes("coordinator")? as f64 / 1024.0,
            network.resident_kilobytes("node-1")? as f64 / 1024.0
        );
    }
    Ok(())
}
