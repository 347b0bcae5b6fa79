//! `pinaivu audit`: a coordinator's whole public story, derived again from its log and the chain.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pinaivu_log::audit::{self, AuditError, Evidence, OwnerRecord, Report};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::ContextArgs;
use crate::log::{HttpLog, RpcReader};
use crate::network::Network;
use crate::output::{Failure, Printer};
use crate::receipt::read_file;

/// What to audit with, beside the log and the chain.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Receipts you or your nodes hold (documents or bundles): each must be in the log at its place.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    held: Vec<PathBuf>,
    /// Your own records with their salts, as `GET /v1/account/receipts` gives them: checks what your
    /// allowances were debited.
    #[arg(long, value_name = "FILE")]
    owner: Option<PathBuf>,
    /// A key that a node signed with before it rotated, from its NodeSignerRotated events.
    #[arg(long, value_name = "NODE=KEY", num_args = 1..)]
    node_key: Vec<FormerKey>,
    /// Remembers the heads this audit has seen, and holds the next one against them.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Seconds that settling may take before a node counts as not paid.
    #[arg(long, default_value_t = 60)]
    settle_wait: u64,
}

#[derive(Clone, Copy, Debug)]
struct FormerKey(NodeId, PublicKey);

impl FromStr for FormerKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (node, key) = text.split_once('=').ok_or("expected NODE=KEY")?;
        let node = node.parse().map_err(|_| format!("'{node}' is not a node's address"))?;
        let key = key.parse().map_err(|_| format!("'{key}' is not a key"))?;
        Ok(Self(node, key))
    }
}

/// Heads of a log that were seen.
#[derive(Debug, Default, Deserialize, Serialize)]
struct State {
    heads: Vec<SeenHead>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct SeenHead {
    coordinator: String,
    epoch: u32,
    size: u64,
    root: String,
}

/// Audits the coordinator.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    arguments: AuditArgs,
) -> anyhow::Result<()> {
    let network = Network::open(context).await?;
    let coordinator = network.info.coordinator;
    let mut state = arguments.state.as_deref().map(read_state).transpose()?.unwrap_or_default();
    let mut evidence = Evidence::default();
    for seen in state.heads.iter().filter(|head| head.coordinator == coordinator.to_string()) {
        let root = seen.root.parse().context("a root in the state is not a hash")?;
        evidence.heads.push((seen.epoch, seen.size, root, "an earlier audit".to_owned()));
    }
    for path in &arguments.held {
        hold(&mut evidence, path)?;
    }
    if let Some(path) = &arguments.owner {
        evidence.owner = read_owner(path)?;
    }
    let former_keys: Vec<(NodeId, PublicKey)> =
        arguments.node_key.iter().map(|FormerKey(node, key)| (*node, *key)).collect();
    let reader = RpcReader {
        chain: &network.chain,
        coordinator,
        fee_cap: network.market.fee_cap,
        former_keys: &former_keys,
        settle_wait: Duration::from_secs(arguments.settle_wait),
    };
    let bar = printer.progress(bar()?);
    let report = audit::run(&HttpLog::of(&network), &reader, evidence, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    })
    .await
    .map_err(|error| match error {
        AuditError::Source(error) => anyhow::Error::from(Failure::unreachable(
            error.to_string(),
            "check --url and --rpc; nothing was concluded",
        )),
        other => other.into(),
    })?;
    bar.finish_and_clear();
    printer.result(&report, text(&report));
    match report.contradictions.first() {
        Some(first) => Err(Failure::check(first.to_string()).into()),
        None => {
            if let Some(path) = &arguments.state {
                remember(&mut state, &report, path)?;
            }
            Ok(())
        }
    }
}

fn bar() -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} entries {per_sec} {eta}")?;
    Ok(ProgressBar::no_length().with_style(style))
}

fn hold(evidence: &mut Evidence, path: &Path) -> anyhow::Result<()> {
    let document = read_file(path)?;
    for entry in document.entries {
        if let Some(proof) = &entry.proof {
            let head = Checkpoint::from_text(proof.checkpoint.text())?;
            let epoch = entry.receipt.head.record.epoch;
            let from = format!("the checkpoint in {}", path.display());
            evidence.heads.push((epoch, head.size, head.root, from));
        }
        evidence.held.push(entry.receipt);
    }
    Ok(())
}

/// One JSON document with a list (`data`, or the list itself), or one record a line.
fn read_owner(path: &Path) -> anyhow::Result<Vec<OwnerRecord>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let not_records = || format!("{} does not hold an owner's records", path.display());
    let list = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(list)) => Value::Array(list),
        Ok(mut document) if document["data"].is_array() => document["data"].take(),
        _ => {
            let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
            Value::Array(lines.with_context(not_records)?)
        }
    };
    serde_json::from_value(list).with_context(not_records)
}

fn read_state(path: &Path) -> anyhow::Result<State> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not an audit's state", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Adds the heads of an audit that found nothing; the newest of each epoch replaces older ones, which it
/// extends.
fn remember(state: &mut State, report: &Report, path: &Path) -> anyhow::Result<()> {
    let coordinator = report.coordinator.to_string();
    for epoch in &report.epochs {
        state.heads.retain(|head| head.coordinator != coordinator || head.epoch != epoch.epoch);
        state.heads.push(SeenHead {
            coordinator: coordinator.clone(),
            epoch: epoch.epoch,
            size: epoch.size,
            root: epoch.root.clone(),
        });
    }
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec_pretty(state)?)
        .and_then(|()| std::fs::rename(&beside, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn text(report: &Report) -> String {
    let mut text = format!("audit of coordinator {}", report.coordinator);
    for epoch in &report.epochs {
        text.push_str(&format!(
            "\n  epoch {:<5} {} entries, root {}",
            epoch.epoch, epoch.size, epoch.root
        ));
    }
    text.push_str(&format!(
        "\n  receipts    {}, of {} nodes; the chain covers {}\n  \
         charged     {} fine units, {} of them fees\n  \
         on chain    {} USDC debited, {} credited, {} fees",
        report.totals.receipts,
        report.nodes,
        report.anchored.receipts,
        report.anchored.charged,
        report.anchored.fees,
        report.chain.debited.to_usdc_string(),
        report.chain.credited.to_usdc_string(),
        report.chain.fees.to_usdc_string(),
    ));
    for finding in &report.contradictions {
        text.push_str(&format!("\n  CONTRADICTION  {finding}"));
    }
    if report.further_contradictions > 0 {
        text.push_str(&format!("\n  and {} more", report.further_contradictions));
    }
    for what in &report.not_checked {
        text.push_str(&format!("\n  not checked    {what}"));
    }
    let verdict =
        if report.is_consistent() { "nothing contradicts anything" } else { "NOT consistent" };
    text.push_str(&format!("\n{verdict}"));
    text
}
