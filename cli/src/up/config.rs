//! The configuration files that `up` writes, and the ports in them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use pinaivu_protocol::ids::CoordinatorId;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::ChainReady;
use super::bootstrap::{Accounts, NodeAccount};
use super::inference;
use crate::output::Failure;

/// What the first node asks for a million weighted tokens, in millionths of a USDC.
const FIRST_PRICE: u64 = 200_000;
/// How much more every further node asks.
const PRICE_STEP: u64 = 50_000;

/// One `KEY=VALUE` that replaces a key of a configuration; the key's parts are separated by dots.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    path: Vec<String>,
    value: Value,
}

/// Not `KEY=VALUE`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected KEY=VALUE, like settlement.interval=30s")]
pub(crate) struct OverrideError;

impl FromStr for Override {
    type Err = OverrideError;

    fn from_str(text: &str) -> Result<Self, OverrideError> {
        let (key, value) = text.split_once('=').ok_or(OverrideError)?;
        if key.is_empty() || key.split('.').any(str::is_empty) {
            return Err(OverrideError);
        }
        // A TOML value when it is one (numbers, booleans, quoted text), else plain text.
        let parsed = format!("value = {value}").parse::<Table>().ok();
        let value = parsed
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_owned()));
        Ok(Self { path: key.split('.').map(str::to_owned).collect(), value })
    }
}

impl Override {
    fn apply(&self, document: &mut Table) -> anyhow::Result<()> {
        let Some((last, parents)) = self.path.split_last() else { return Ok(()) };
        let mut table = document;
        for parent in parents {
            let entry = table.entry(parent.clone()).or_insert_with(|| Value::Table(Table::new()));
            table = entry.as_table_mut().with_context(|| format!("{parent} is not a section"))?;
        }
        table.insert(last.clone(), self.value.clone());
        Ok(())
    }
}

/// The inference server behind the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    /// Without `/v1`.
    pub url: String,
    /// The model's file, where the server is the one that `up` starts itself, so that it is known what it
    /// does. Of any other the nodes assume what its kind is known for.
    pub weights: Option<PathBuf>,
}

/// The ports of the coordinator. Kept across starts, so that addresses stay what they were.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ports {
    /// The OpenAI-compatible API.
    pub http: u16,
    /// Where nodes dial in.
    pub tunnel: u16,
}

impl Ports {
    /// The API's port as asked for, and a free one for the nodes.
    pub(crate) fn choose(directory: &Path, http: u16) -> anyhow::Result<Self> {
        Ok(Self {
            http: free_or(directory, "http", http)?,
            tunnel: free_or(directory, "tunnel", 0)?,
        })
    }
}

/// `wanted`, which must be free; for 0, the free port used last time, or any free one.
pub(crate) fn free_or(directory: &Path, name: &str, wanted: u16) -> anyhow::Result<u16> {
    if wanted != 0 {
        if std::net::TcpListener::bind(("127.0.0.1", wanted)).is_err() {
            return Err(Failure::failed(
                format!("port {wanted} is in use"),
                "choose another with --port or --rpc-port; 0 picks a free one",
            )
            .into());
        }
        return Ok(wanted);
    }
    let path = directory.join("ports.json");
    let mut ports: std::collections::BTreeMap<String, u16> = std::fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    if let Some(port) = ports.get(name)
        && std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()
    {
        return Ok(*port);
    }
    let port = free_port()?;
    ports.insert(name.to_owned(), port);
    std::fs::write(&path, serde_json::to_vec(&ports)?)?;
    Ok(port)
}

/// Where free ports are looked for: below those that systems hand out for outgoing connections and for
/// port 0 (from 32768 on Linux, from 49152 elsewhere). One of those could be taken by any connection
/// between this look and the moment the process that it is for listens on it.
const OWN_PORTS: std::ops::RangeInclusive<u16> = 15_000..=31_999;

/// A port nobody listens on at this moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    for _ in 0..100 {
        let port = rand::random_range(OWN_PORTS);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("found no free port from {} to {}", OWN_PORTS.start(), OWN_PORTS.end())
}

/// The coordinator's configuration.
pub(crate) fn coordinator(
    directory: &Path,
    chain: &ChainReady,
    accounts: &Accounts,
    ports: &Ports,
    app: Option<&Path>,
) -> Table {
    let document = toml::toml! {
        [http]
        [tunnel]
        [chain]
        [settlement]
        interval = "2s"
        watch_interval = "500ms"
        [limits]
        default_max_tokens = 512
    }
    .with(&["data_dir"], text(directory.join("coordinator").display()))
    .with(&["signer_key_file"], text(directory.join("keys/coordinator.json").display()))
    .with(&["http", "listen"], text(format_args!("127.0.0.1:{}", ports.http)))
    .with(&["tunnel", "listen"], text(format_args!("127.0.0.1:{}", ports.tunnel)))
    .with(&["chain", "rpc_url"], text(&chain.rpc_url))
    .with(&["chain", "program_id"], text(chain.program_id))
    .with(&["chain", "market"], text(accounts.market))
    .with(&["chain", "coordinator"], text(accounts.coordinator))
    .with(&["web", "rpc_url"], text(&chain.rpc_url))
    .with(&["web", "rpc_ws_url"], text(&chain.ws_url))
    .with(&["web", "faucet"], text(&chain.faucet_url))
    .with(&["web", "local"], Value::Boolean(true));
    match app {
        Some(directory) => document.with(&["web", "dir"], text(directory.display())),
        None => document,
    }
}

/// The coordinator's configuration with the file that tokens of `model` are counted by.
pub(crate) fn counting(document: Table, model: &str, weights: &Path) -> Table {
    document.with(&["models", "tokenizers", model], text(weights.display()))
}

/// One node's configuration; the further down the list, the dearer.
pub(crate) fn node(
    directory: &Path,
    chain: &ChainReady,
    coordinator: CoordinatorId,
    ports: &Ports,
    backend: &Backend,
    place: usize,
    node: &NodeAccount,
) -> Table {
    let steps = u64::try_from(place).unwrap_or(u64::MAX);
    let price = FIRST_PRICE.saturating_add(PRICE_STEP.saturating_mul(steps));
    let price = pinaivu_protocol::units::Amount(price).to_usdc_string();
    let mut listed = Table::new();
    listed.insert("id".to_owned(), text(coordinator));
    listed.insert("endpoint".to_owned(), text(format_args!("127.0.0.1:{}", ports.tunnel)));
    let document = toml::toml! {
        [chain]
        poll_seconds = 1
        [backend]
        [pricing]
        [claims]
        threshold_usdc = "0.0005"
        interval_seconds = 10
    }
    .with(&["node"], text(node.id))
    .with(&["key_file"], text(directory.join(format!("keys/{}.json", node.name)).display()))
    .with(&["data_dir"], text(directory.join(&node.name).display()))
    .with(&["chain", "rpc_url"], text(&chain.rpc_url))
    .with(&["chain", "program"], text(chain.program_id))
    .with(&["backend", "url"], text(&backend.url))
    .with(&["pricing", "usdc_per_million_tokens"], text(price))
    .with(&["coordinators"], Value::Array(vec![Value::Table(listed)]));
    if backend.weights.is_none() {
        return document;
    }
    let features = inference::FEATURES.iter().map(text).collect();
    let model = Table::new()
        .with(&["name"], text(inference::MODEL))
        .with(&["features"], Value::Array(features));
    document.with(&["models"], Value::Array(vec![Value::Table(model)]))
}

/// Applies the overrides and writes the file.
pub(crate) fn write(
    path: &Path,
    mut document: Table,
    overrides: &[Override],
) -> anyhow::Result<()> {
    for change in overrides {
        change.apply(&mut document)?;
    }
    let text = toml::to_string(&document)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    if document.is_empty() {
        bail!("the configuration is empty");
    }
    Ok(())
}

fn text(value: impl std::fmt::Display) -> Value {
    Value::String(value.to_string())
}

/// Setting keys of nested tables, one after the other.
trait With {
    fn with(self, path: &[&str], value: Value) -> Self;
}

impl With for Table {
    fn with(mut self, path: &[&str], value: Value) -> Self {
        match path {
            [] => {}
            [key] => {
                self.insert((*key).to_owned(), value);
            }
            [section, rest @ ..] => {
                let inner = match self.remove(*section) {
                    Some(Value::Table(table)) => table,
                    _ => Self::new(),
                };
                self.insert((*section).to_owned(), Value::Table(inner.with(rest, value)));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use pinaivu_protocol::ids::{MarketId, NodeId, ProgramId, PublicKey};

    use super::*;

    #[test]
    fn overrides_reach_nested_keys_with_their_types() {
        let mut document = toml::toml! {
            [settlement]
            interval = "2s"
        };
        for change in ["settlement.interval=30s", "limits.attempts=1", "a.b=true"] {
            change.parse::<Override>().unwrap().apply(&mut document).unwrap();
        }
        assert_eq!(document["settlement"]["interval"].as_str(), Some("30s"));
        assert_eq!(document["limits"]["attempts"].as_integer(), Some(1));
        assert_eq!(document["a"]["b"].as_bool(), Some(true));
    }

    #[test]
    fn what_is_no_override_is_refused() {
        for wrong in ["", "settlement.interval", "=1", "a..b=1", ".a=1"] {
            assert!(wrong.parse::<Override>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn node_offers_embeddings_of_the_bundled_server_and_assumes_nothing_of_another() {
        let chain = ChainReady {
            rpc_url: "http://127.0.0.1:1".to_owned(),
            ws_url: "ws://127.0.0.1:2".to_owned(),
            faucet_url: "http://127.0.0.1:3".to_owned(),
            program_id: ProgramId([1; 32]),
            mint: PublicKey([2; 32]),
            market: MarketId([3; 32]),
        };
        let account = NodeAccount { id: NodeId([4; 32]), name: "node-1".to_owned() };
        let of = |weights| {
            let backend = Backend { url: "http://127.0.0.1:4".to_owned(), weights };
            let (ports, id) = (Ports { http: 5, tunnel: 6 }, CoordinatorId([5; 32]));
            node(Path::new("/data"), &chain, id, &ports, &backend, 0, &account)
        };
        let models = of(Some("/model.gguf".into()))["models"].as_array().unwrap().clone();
        assert_eq!(models.len(), 1);
        assert_eq!(models[0]["name"].as_str(), Some(inference::MODEL));
        let features = models[0]["features"].as_array().unwrap();
        assert!(features.contains(&text("embeddings")) && features.contains(&text("chat")));
        assert!(of(None).get("models").is_none());
    }

    #[test]
    fn port_in_use_is_refused_with_a_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(free_or(directory.path(), "http", port).is_err());
        let free = free_or(directory.path(), "http", 0).unwrap();
        assert_ne!(free, port);
        assert!(
            OWN_PORTS.contains(&free),
            "a connection could take {free} before it is listened on"
        );
        assert_eq!(free_or(directory.path(), "http", 0).unwrap(), free, "kept across starts");
    }
}
