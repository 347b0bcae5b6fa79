//! `cargo xtask conformance`: other people's clients, unmodified, against a gateway.
//!
//! Against a coordinator with a scripted node every word is known and checked; against the real llama.cpp
//! with a real model, or a running network, only shapes are. What a client needs is installed from the
//! package registries at pinned versions, into the cache.

mod clients;
mod gateway;
mod table;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use self::clients::{Client, Toolbox};
use self::gateway::Gateway;
use self::table::Outcomes;

/// Arguments of `conformance`.
#[derive(Debug, Args)]
pub(crate) struct ConformanceArgs {
    /// What to run against, unless a running network is given.
    #[arg(long, value_enum, default_value = "scripted", value_delimiter = ',')]
    against: Vec<Backend>,
    /// Only what CI runs: the official SDKs and compatcanary.
    #[arg(long)]
    light: bool,
    /// Only these clients.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Client>,
    /// Base URL of a running gateway, ending in `/v1`.
    #[arg(long, requires_all = ["api_key", "model"])]
    base_url: Option<String>,
    /// Its API key.
    #[arg(long)]
    api_key: Option<String>,
    /// A model it offers.
    #[arg(long)]
    model: Option<String>,
    /// Write clients, cases and outcomes here as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table of docs/conformance.md; needs every client against both backends.
    #[arg(long)]
    publish: bool,
}

/// Behind which gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// A coordinator with a scripted node.
    Scripted,
    /// The whole product over llama.cpp with a small model.
    Model,
}

impl Backend {
    /// As the table calls it.
    const fn title(self) -> &'static str {
        match self {
            Self::Scripted => "scripted node",
            Self::Model => "llama.cpp, SmolLM2 135M",
        }
    }
}

/// What CI runs.
pub(crate) fn run_light() -> Result<()> {
    run_all(&ConformanceArgs {
        against: vec![Backend::Scripted],
        light: true,
        only: Vec::new(),
        base_url: None,
        api_key: None,
        model: None,
        json: None,
        publish: false,
    })
}

/// Runs it.
pub(crate) fn run_all(arguments: &ConformanceArgs) -> Result<()> {
    let clients: Vec<Client> = Client::value_variants()
        .iter()
        .copied()
        .filter(|client| !arguments.light || client.is_light())
        .filter(|client| arguments.only.is_empty() || arguments.only.contains(client))
        .collect();
    let whole = clients.len() == Client::value_variants().len() && arguments.against.len() == 2;
    if arguments.publish && (!whole || arguments.base_url.is_some()) {
        bail!("--publish needs --against scripted,model and every client");
    }
    let mut toolbox = Toolbox::default();
    for client in &clients {
        toolbox.install(*client)?;
    }
    let mut columns = Vec::new();
    if let (Some(url), Some(key), Some(model)) =
        (&arguments.base_url, &arguments.api_key, &arguments.model)
    {
        let gateway = Gateway::running(url, key, model);
        columns.push(("running network", run_clients(&toolbox, &clients, &gateway)?));
    } else {
        for backend in &arguments.against {
            eprintln!("── against {}", backend.title());
            let gateway = Gateway::start(*backend)?;
            let outcomes = run_clients(&toolbox, &clients, &gateway);
            gateway.stop()?;
            columns.push((backend.title(), outcomes?));
        }
    }
    let table = table::markdown(&columns);
    println!("\n{table}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, table::json(&columns).to_string())?;
    }
    if arguments.publish {
        table::publish(&table)?;
    }
    let failed = columns.iter().flat_map(|(_, outcomes)| outcomes).filter(|client| !client.passed);
    let failed: Vec<&str> = failed.map(|client| client.client.as_str()).collect();
    if !failed.is_empty() {
        bail!("clients failed: {}", failed.join(", "));
    }
    Ok(())
}

fn run_clients(toolbox: &Toolbox, clients: &[Client], gateway: &Gateway) -> Result<Vec<Outcomes>> {
    clients
        .iter()
        .map(|client| {
            eprintln!("── {}", client.name());
            toolbox.run(*client, gateway)
        })
        .collect()
}
