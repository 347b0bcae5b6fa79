//! `pinaivu audit`: a coordinator's whole public story, derived again from its log and the chain.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pinaivu_log::audit::{self, AuditError, Evidence, OwnerRecord, Report};
use pinaivu_log::source::SourceError;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use serde::{Deserialize, Serialize};

use crate::context::ContextArgs;
use crate::log::{HttpLog, RpcReader};
use crate::network::Network;
use crate::output::{Failure, Printer};
use crate::receipt::read_file;

/// What to audit with, beside the log and the chain.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Receipts you or your nodes hold (a document or a bundle): each must be in the log at its place. Once
    /// for each file.
    #[arg(long, value_name = "FILE")]
    held: Vec<PathBuf>,
    /// A key the coordinator signed with before it rotated, for files that do not name it; the chain must
    /// have a record of it. Once for each key.
    #[arg(long, value_name = "KEY")]
    former_signer: Vec<PublicKey>,
    /// Your own records with their salts, as `GET /v1/account/receipts` gives them: checks what your
    /// allowances were debited.
    #[arg(long, value_name = "FILE")]
    owner: Option<PathBuf>,
    /// A key that a node signed with before it rotated or closed its account, from its events. Once for
    /// each key.
    #[arg(long, value_name = "NODE=KEY")]
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
    let former_keys: Vec<(NodeId, PublicKey)> =
        arguments.node_key.iter().map(|FormerKey(node, key)| (*node, *key)).collect();
    let reader = RpcReader {
        chain: &network.chain,
        coordinator,
        fee_cap: network.market.fee_cap,
        former_keys: &former_keys,
        settle_wait: Duration::from_secs(arguments.settle_wait),
    };
    for path in &arguments.held {
        hold(&mut evidence, &reader, &arguments.former_signer, path).await?;
    }
    if let Some(path) = &arguments.owner {
        evidence.owner = read_owner(path)?;
    }
    let bar = printer.progress(bar()?);
    let report = audit::run(&HttpLog::of(&network), &reader, evidence, |progress| {
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    })
    .await
    .map_err(|error| match error {
        AuditError::Source(error) => unreached(&error),
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

fn unreached(error: &SourceError) -> anyhow::Error {
    let hint = "check --url and --rpc; nothing was concluded";
    Failure::unreachable(error.to_string(), hint).into()
}

/// Takes what is the coordinator's own word in a file, under its key on chain or one that it retired.
async fn hold(
    evidence: &mut Evidence,
    reader: &RpcReader<'_>,
    former: &[PublicKey],
    path: &Path,
) -> anyhow::Result<()> {
    let document = read_file(path)?;
    let claimed: Vec<PublicKey> = former.iter().copied().chain(document.signer).collect();
    let issuer = reader.issuer(&claimed).await.map_err(|error| unreached(&error))?;
    let name = path.display().to_string();
    evidence.hold(document, &issuer, &name).map_err(|error| {
        let hint = "only the coordinator's own word counts against it; a key that it signed with before is \
                    given with --former-signer";
        Failure::failed(format!("{name} is no evidence: {error}"), hint).into()
    })
}

fn read_owner(path: &Path) -> anyhow::Result<Vec<OwnerRecord>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    OwnerRecord::parse_all(&text)
        .with_context(|| format!("{} does not hold an owner's records", path.display()))
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use clap::Parser as _;
    use clap::error::ErrorKind;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Alone {
        #[command(flatten)]
        audit: AuditArgs,
    }

    #[test]
    fn option_for_several_values_takes_one_each_time() {
        let given = ["audit", "--held", "a.json", "--held", "b.json"];
        let held = Alone::try_parse_from(given).unwrap().audit.held;
        assert_eq!(held, [PathBuf::from("a.json"), PathBuf::from("b.json")]);
        let swallowed = Alone::try_parse_from(["audit", "--held", "a.json", "b.json"]).unwrap_err();
        assert_eq!(swallowed.kind(), ErrorKind::UnknownArgument);
    }
}
