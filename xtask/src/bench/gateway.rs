//! `cargo xtask bench gateway`: another gateway beside ours.
//!
//! On its side nothing but a proxy; on ours the key, the auction, the hold, the ticket, the tunnel, the
//! node, its proof and the durable receipt. Both have the same scripted upstream and the same load, round
//! by round in turn. What is printed are medians of rounds, and ratios are medians of the rounds' own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::load::{Figures, Target, send};
use super::network::{Network, Upstream};
use super::processes::Usage;
use super::smg::{REQUIREMENT, Smg};
use super::{CHUNKS, Programs};

/// Arguments of `bench gateway`.
#[derive(Debug, Args)]
pub(super) struct GatewayArgs {
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Interleaved rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only these.
    #[arg(long, value_enum, value_delimiter = ',')]
    kinds: Vec<Kind>,
    /// Only this many connections, of what is measured by connections.
    #[arg(long, value_delimiter = ',')]
    connections: Vec<u32>,
    /// Write every round here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    programs: Programs,
}

/// Kinds of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Whole answers, as fast as they come.
    Unary,
    /// Streams of 66 chunks, as fast as they come.
    Stream,
    /// Whole answers, so many a second whether the last ones have come or not.
    Open,
    /// 32 streams with a chunk every 2 ms.
    Paced,
}

/// Milliseconds between the chunks of a paced stream.
const PACE: &str = "every-ms=2";

struct Scenario {
    kind: Kind,
    /// Connections, or requests a second.
    level: u32,
}

impl Scenario {
    fn all(arguments: &GatewayArgs) -> Vec<Self> {
        let of = |kind, levels: &'static [u32]| {
            levels.iter().map(move |level| Self { kind, level: *level })
        };
        let by_connections = |scenario: &Self| {
            let chosen = &arguments.connections;
            chosen.is_empty()
                || !matches!(scenario.kind, Kind::Unary | Kind::Stream)
                || chosen.contains(&scenario.level)
        };
        of(Kind::Unary, &[1, 32, 256])
            .chain(of(Kind::Stream, &[1, 32, 256]))
            .chain(of(Kind::Open, &[500, 1_000, 2_000]))
            .chain(of(Kind::Paced, &[32]))
            .filter(|scenario| {
                arguments.kinds.is_empty() || arguments.kinds.contains(&scenario.kind)
            })
            .filter(by_connections)
            .collect()
    }

    fn name(&self) -> String {
        match self.kind {
            Kind::Unary => format!("unary, {} connections", self.level),
            Kind::Stream => format!("{CHUNKS}-chunk stream, {} connections", self.level),
            Kind::Open => format!("unary, {} a second", self.level),
            Kind::Paced => format!("{} paced streams", self.level),
        }
    }

    fn options(&self, seconds: u32) -> Vec<String> {
        let level = self.level.to_string();
        let by = if self.kind == Kind::Open { "--rate" } else { "--connections" };
        let mut options = vec![by.to_owned(), level, "--seconds".to_owned(), seconds.to_string()];
        match self.kind {
            Kind::Unary | Kind::Open => {}
            Kind::Stream => options.push("--stream".to_owned()),
            Kind::Paced => options.extend(["--stream", "--user", PACE].map(str::to_owned)),
        }
        options
    }
}

/// One round at one gateway.
#[derive(Clone, Copy, Debug)]
struct Round {
    figures: Figures,
    /// Processor seconds for a thousand requests: in all, and of ours the coordinator's part.
    processor: f64,
    coordinator: f64,
    /// Resident at its end, in MB.
    memory: f64,
    coordinator_memory: f64,
}

impl Round {
    fn json(&self) -> Value {
        json!({
            "requests": self.figures.requests,
            "p50_us": self.figures.median,
            "p99_us": self.figures.worst,
            "requests_per_second": self.figures.rate,
            "cpu_seconds_per_1000": self.processor,
            "coordinator_cpu_seconds_per_1000": self.coordinator,
            "resident_mb": self.memory,
            "coordinator_resident_mb": self.coordinator_memory,
        })
    }
}

/// Everything that runs.
struct Bench<'a> {
    binaries: &'a Path,
    smg: Smg,
    network: Network,
    url: String,
}

pub(super) fn run(arguments: &GatewayArgs) -> Result<()> {
    let built = arguments.programs.directory()?;
    let upstream = Upstream::start(&built)?;
    let smg = Smg::start(&upstream.url)?;
    let network = Network::start(&built, &upstream.url)?;
    let bench = Bench { binaries: &built, smg, url: network.chat_url()?, network };
    bench.warm_up()?;
    println!(
        "\n{REQUIREMENT} as a pass-through beside ours; medians of {} rounds",
        arguments.rounds
    );
    println!(
        "\n| load | smg p50 / p99 µs | ours p50 / p99 µs | p50 ours : smg | smg req/s | ours req/s | req/s ours : smg | CPU s / 1,000: smg | coordinator | nodes |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for scenario in Scenario::all(arguments) {
        let (theirs, ours) = bench.rounds(arguments, &scenario)?;
        print(&scenario, &theirs, &ours);
        all.push(json!({
            "load": scenario.name(),
            "smg": theirs.iter().map(Round::json).collect::<Vec<_>>(),
            "ours": ours.iter().map(Round::json).collect::<Vec<_>>(),
        }));
    }
    let (theirs, coordinator) = (bench.smg.usage()?, bench.network.usage("coordinator")?);
    let nodes = bench.nodes()?;
    println!(
        "\nresident at the end: smg {:.0} MB, coordinator {:.0} MB, two nodes {:.0} MB",
        theirs.megabytes(),
        coordinator.megabytes(),
        nodes.megabytes()
    );
    if let Some(path) = &arguments.json {
        let document = json!({
            "against": REQUIREMENT, "rounds": arguments.rounds, "seconds": arguments.seconds,
            "chunks": CHUNKS, "loads": all,
        });
        std::fs::write(path, serde_json::to_vec_pretty(&document)?)
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

impl Bench<'_> {
    fn theirs(&self) -> Target<'_> {
        Target { url: &self.smg.url, key: None }
    }

    fn ours(&self) -> Result<Target<'_>> {
        Ok(Target { url: &self.url, key: Some(self.network.key()?) })
    }

    fn nodes(&self) -> Result<Usage> {
        Ok(self.network.usage("node-1")?.and(self.network.usage("node-2")?))
    }

    /// Until both serve: the other one looks for its worker after it has begun to listen.
    fn warm_up(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        for target in [self.theirs(), self.ours()?] {
            while let Err(error) = send(self.binaries, &target, &["--requests", "100"]) {
                if Instant::now() > deadline {
                    bail!("{} does not serve: {error:#}", target.url);
                }
                std::thread::sleep(Duration::from_millis(500));
            }
        }
        Ok(())
    }

    /// Both, in turn.
    fn rounds(
        &self,
        arguments: &GatewayArgs,
        scenario: &Scenario,
    ) -> Result<(Vec<Round>, Vec<Round>)> {
        let options = scenario.options(arguments.seconds);
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            theirs.push(self.round_of_theirs(&options)?);
            ours.push(self.round_of_ours(&options)?);
        }
        Ok((theirs, ours))
    }

    fn round_of_theirs(&self, options: &[&str]) -> Result<Round> {
        let before = self.smg.usage()?;
        let figures = send(self.binaries, &self.theirs(), options)?;
        let after = self.smg.usage()?;
        Ok(Round {
            figures,
            processor: for_a_thousand(before, after, figures),
            coordinator: 0.0,
            memory: after.megabytes(),
            coordinator_memory: 0.0,
        })
    }

    fn round_of_ours(&self, options: &[&str]) -> Result<Round> {
        let (coordinator_before, nodes_before) =
            (self.network.usage("coordinator")?, self.nodes()?);
        let figures = send(self.binaries, &self.ours()?, options)?;
        // The last answers' receipts are made a moment after them, and count.
        std::thread::sleep(Duration::from_millis(300));
        let (coordinator, nodes) = (self.network.usage("coordinator")?, self.nodes()?);
        Ok(Round {
            figures,
            processor: for_a_thousand(
                coordinator_before.and(nodes_before),
                coordinator.and(nodes),
                figures,
            ),
            coordinator: for_a_thousand(coordinator_before, coordinator, figures),
            memory: coordinator.and(nodes).megabytes(),
            coordinator_memory: coordinator.megabytes(),
        })
    }
}

fn for_a_thousand(before: Usage, after: Usage, figures: Figures) -> f64 {
    (after.seconds - before.seconds) * 1_000.0 / (figures.requests.max(1) as f64)
}

fn print(scenario: &Scenario, theirs: &[Round], ours: &[Round]) {
    let of = |rounds: &[Round], value: fn(&Round) -> f64| middle(rounds.iter().map(value));
    let ratio = |value: fn(&Round) -> f64| {
        middle(ours.iter().zip(theirs).map(|(ours, theirs)| value(ours) / value(theirs)))
    };
    let median = |round: &Round| round.figures.median as f64;
    let worst = |round: &Round| round.figures.worst as f64;
    let rate = |round: &Round| round.figures.rate as f64;
    println!(
        "| {} | {:.0} / {:.0} | {:.0} / {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.3} | {:.3} | {:.3} |",
        scenario.name(),
        of(theirs, median),
        of(theirs, worst),
        of(ours, median),
        of(ours, worst),
        ratio(median),
        of(theirs, rate),
        of(ours, rate),
        ratio(rate),
        of(theirs, |round| round.processor),
        of(ours, |round| round.coordinator),
        of(ours, |round| round.processor - round.coordinator),
    );
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
