//! `pinaivu up`: the whole product on this machine.
//!
//! Starts a local chain, an inference server, a coordinator and nodes as processes of their own, opens
//! the accounts they need, funds a wallet, and prints what a person needs to make a request. What it
//! sets up survives in the data directory: a second start finds the same wallet, key and balances.

mod bootstrap;
mod config;
mod inference;
mod processes;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;

use crate::context::default_data_dir;
use crate::network::{NetworkInfo, http_client};
use crate::output::{Failure, Printer};
use bootstrap::Accounts;
use processes::{Pids, ProcessSpec, Supervisor};

/// How `up` runs.
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Port of the OpenAI-compatible API; 0 picks a free one.
    #[arg(long, default_value_t = 8402)]
    port: u16,
    /// Port of the local chain's RPC; 0 picks a free one.
    #[arg(long, default_value_t = 8899)]
    rpc_port: u16,
    /// How many nodes compete, each with another price.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// An inference server of your own (llama.cpp, vLLM, or any OpenAI-compatible one) instead of the
    /// small model that is downloaded.
    #[arg(long, value_name = "URL")]
    backend: Option<String>,
    /// Where keys, the chain's state, databases and logs are kept.
    #[arg(long, value_name = "DIR", default_value_os_t = default_data_dir())]
    data_dir: PathBuf,
    /// Forget everything in the data directory first.
    #[arg(long)]
    fresh: bool,
    /// Write a JSON description of the running network here once all is ready.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Seconds reserved money waits before it can leave.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    exit_delay: u64,
    /// Seconds stake waits before it can leave.
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    unbond_delay: u64,
    /// Seconds a node's demand waits before the coordinator's bond pays; fewer than 600.
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..600))]
    demand_delay: u64,
    /// The built web application to serve; `cargo xtask up` builds it and names it.
    #[arg(long, value_name = "DIR", env = "PINAIVU_APP")]
    app: Option<PathBuf>,
    /// Override a key of the coordinator's configuration, for example settlement.interval=30s.
    #[arg(long = "coordinator", value_name = "KEY=VALUE")]
    coordinator_overrides: Vec<config::Override>,
    /// Override a key of every node's configuration, for example serving.ask_seconds=30.
    #[arg(long = "node", value_name = "KEY=VALUE")]
    node_overrides: Vec<config::Override>,
    /// Stop when standard input closes, for programs that start this one.
    #[arg(long, hide = true)]
    stdin_guard: bool,
}

/// The running network as the ready file describes it.
#[derive(Clone, Debug, Serialize)]
struct Ready {
    base_url: String,
    api_key: String,
    rpc_url: String,
    ws_url: String,
    faucet_url: String,
    explorer_url: String,
    program_id: String,
    market: String,
    coordinator: String,
    mint: String,
    nodes: Vec<String>,
    model: String,
    wallet: PathBuf,
    data_dir: PathBuf,
    pids: Pids,
}

/// What the chain process says once it is ready.
#[derive(Debug, serde::Deserialize)]
struct ChainReady {
    rpc_url: String,
    ws_url: String,
    faucet_url: String,
    program_id: pinaivu_protocol::ids::ProgramId,
    mint: pinaivu_protocol::ids::PublicKey,
    market: pinaivu_protocol::ids::MarketId,
}

/// Starts everything, waits for Ctrl-C, stops everything.
pub(crate) async fn run(printer: &Printer, arguments: UpArgs) -> anyhow::Result<()> {
    let started = std::time::Instant::now();
    let directory = prepare_directory(&arguments)?;
    let _lock = lock(&directory)?;
    let mut supervisor = Supervisor::new(*printer, directory.join("logs"))?;
    let stop = stop_requested(arguments.stdin_guard)?;
    tokio::pin!(stop);
    let outcome = tokio::select! {
        ready = start(*printer, &arguments, &directory, &mut supervisor) => Some(ready),
        () = &mut stop => None,
    };
    let result = match outcome {
        None => Ok(()),
        Some(Err(error)) => Err(error),
        Some(Ok(ready)) => {
            announce(*printer, &ready, started.elapsed());
            tokio::select! {
                kept = keep_ready_files(&arguments, &directory, ready, &supervisor) => kept,
                () = &mut stop => Ok(()),
            }
        }
    };
    printer.step("stopping …");
    for file in ready_files(&arguments, &directory) {
        // Gone already when somebody cleaned up.
        std::fs::remove_file(file).ok();
    }
    supervisor.stop().await;
    result
}

async fn start(
    printer: Printer,
    arguments: &UpArgs,
    directory: &Path,
    supervisor: &mut Supervisor,
) -> anyhow::Result<Ready> {
    printer.step("starting the local chain …");
    let chain = start_chain(arguments, directory, supervisor).await?;
    let backend = match &arguments.backend {
        Some(url) => config::Backend {
            url: url.trim_end_matches('/').trim_end_matches("/v1").to_owned(),
            weights: None,
        },
        None => start_inference(printer, supervisor).await?,
    };

    printer.step("opening accounts and funding the wallet …");
    let keys = directory.join("keys");
    let accounts = bootstrap::run(printer, &chain, &keys, arguments.nodes)
        .await
        .context("setting up the accounts failed")?;

    printer.step("starting the coordinator and the nodes …");
    let listen = config::Ports::choose(directory, arguments.port)?;
    let app = arguments.app.as_deref();
    let mut document = config::coordinator(directory, &chain, &accounts, &listen, app);
    if let Some(weights) = &backend.weights {
        document = config::counting(document, inference::MODEL, weights);
    }
    start_coordinator(arguments, directory, supervisor, document).await?;
    start_nodes(arguments, directory, supervisor, &chain, &accounts, &listen, &backend)?;
    let url = format!("http://127.0.0.1:{}", listen.http);
    let model = wait_for_nodes(supervisor, &url, &accounts).await?;

    let info = NetworkInfo {
        coordinator: accounts.coordinator,
        market: accounts.market,
        program: chain.program_id,
    };
    let api_key = bootstrap::ensure_api_key(&url, info, &chain.rpc_url, &accounts, directory)
        .await
        .context("making an API key failed")?;
    Ok(Ready {
        base_url: format!("{url}/v1"),
        api_key,
        rpc_url: chain.rpc_url,
        ws_url: chain.ws_url,
        faucet_url: chain.faucet_url,
        explorer_url: match &arguments.app {
            Some(_) => format!("{url}/"),
            None => format!("{url}/v1/receipts"),
        },
        program_id: chain.program_id.to_string(),
        market: accounts.market.to_string(),
        coordinator: accounts.coordinator.to_string(),
        mint: chain.mint.to_string(),
        nodes: accounts.nodes.iter().map(|node| node.id.to_string()).collect(),
        model,
        wallet: keys.join("wallet.json"),
        data_dir: directory.to_owned(),
        pids: supervisor.pids().borrow().clone(),
    })
}

async fn start_chain(
    arguments: &UpArgs,
    directory: &Path,
    supervisor: &mut Supervisor,
) -> anyhow::Result<ChainReady> {
    let ready = directory.join("run/chain.json");
    let mut options = vec![
        "--ledger".to_owned(),
        directory.join("chain").display().to_string(),
        "--rpc-port".to_owned(),
        config::free_or(directory, "rpc", arguments.rpc_port)?.to_string(),
        "--ready-file".to_owned(),
        ready.display().to_string(),
        "--stdin-guard".to_owned(),
        // Faster than a public cluster, so that money counts (32 slots) after three seconds.
        "--slot-ms".to_owned(),
        "100".to_owned(),
        "--open-market".to_owned(),
        "--min-stake".to_owned(),
        bootstrap::STAKE.to_string(),
        "--min-bond".to_owned(),
        bootstrap::PENALTY_BOND.to_string(),
    ];
    // Slots are quick here: the seconds are what is waited for.
    let delays = [
        ("exit-delay", arguments.exit_delay),
        ("unbond-delay", arguments.unbond_delay),
        ("liveness", arguments.demand_delay),
    ];
    for (name, seconds) in delays {
        options.extend([format!("--{name}-seconds"), seconds.to_string()]);
        options.extend([format!("--{name}-slots"), "8".to_owned()]);
    }
    // Beside a port that was asked for, the chain's other two are where Solana's tools look for them.
    // Beside a free one they are free ones too.
    if arguments.rpc_port == 0 {
        for (option, name) in [("--ws-port", "ws"), ("--faucet-port", "faucet")] {
            options.push(option.to_owned());
            options.push(config::free_or(directory, name, 0)?.to_string());
        }
    }
    supervisor.start(ProcessSpec {
        name: "localnet".to_owned(),
        program: sibling("pinaivu-localnet")?,
        arguments: options,
    })?;
    let value = supervisor.ready_file("localnet", &ready, Duration::from_secs(60)).await?;
    serde_json::from_value(value).context("the chain's ready file is not as expected")
}

async fn start_inference(
    printer: Printer,
    supervisor: &mut Supervisor,
) -> anyhow::Result<config::Backend> {
    let cache = std::env::home_dir().context("no home directory")?.join(".cache/pinaivu");
    let inference = inference::ensure(printer, &cache).await?;
    let port = config::free_port()?;
    let mut arguments = vec!["guard".to_owned(), inference.server.display().to_string()];
    arguments.extend(inference::arguments(&inference, port));
    printer.step("starting the inference server …");
    supervisor.start(ProcessSpec {
        name: "llama-server".to_owned(),
        program: std::env::current_exe()?,
        arguments,
    })?;
    let url = format!("http://127.0.0.1:{port}");
    inference::wait_healthy(&url, Duration::from_secs(60)).await?;
    supervisor.check("llama-server")?;
    Ok(config::Backend { url, weights: Some(inference.model) })
}

async fn start_coordinator(
    arguments: &UpArgs,
    directory: &Path,
    supervisor: &mut Supervisor,
    document: toml::Table,
) -> anyhow::Result<()> {
    let file = directory.join("run/coordinator.toml");
    config::write(&file, document, &arguments.coordinator_overrides)?;
    let ready = directory.join("run/coordinator.json");
    supervisor.start(ProcessSpec {
        name: "coordinator".to_owned(),
        program: sibling("pinaivu-coordinator")?,
        arguments: vec![
            "run".to_owned(),
            "--config".to_owned(),
            file.display().to_string(),
            "--ready-file".to_owned(),
            ready.display().to_string(),
            "--stdin-guard".to_owned(),
        ],
    })?;
    supervisor.ready_file("coordinator", &ready, Duration::from_secs(30)).await?;
    Ok(())
}

fn start_nodes(
    arguments: &UpArgs,
    directory: &Path,
    supervisor: &mut Supervisor,
    chain: &ChainReady,
    accounts: &Accounts,
    ports: &config::Ports,
    backend: &config::Backend,
) -> anyhow::Result<()> {
    for (place, node) in accounts.nodes.iter().enumerate() {
        let file = directory.join(format!("run/{}.toml", node.name));
        let document =
            config::node(directory, chain, accounts.coordinator, ports, backend, place, node);
        config::write(&file, document, &arguments.node_overrides)?;
        supervisor.start(ProcessSpec {
            name: node.name.clone(),
            program: sibling("pinaivu-node")?,
            arguments: vec![
                "run".to_owned(),
                "--config".to_owned(),
                file.display().to_string(),
                "--stdin-guard".to_owned(),
            ],
        })?;
    }
    Ok(())
}

/// Waits until every node offers a model; gives the first model's name.
async fn wait_for_nodes(
    supervisor: &Supervisor,
    url: &str,
    accounts: &Accounts,
) -> anyhow::Result<String> {
    let http = http_client()?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Ok(response) = http.get(format!("{url}/v1/models")).send().await
            && let Ok(list) = response.json::<serde_json::Value>().await
        {
            let model = &list["data"][0];
            let nodes = model["nodes"].as_u64().unwrap_or_default();
            if let Some(name) = model["id"].as_str()
                && usize::try_from(nodes).is_ok_and(|nodes| nodes >= accounts.nodes.len())
            {
                return Ok(name.to_owned());
            }
        }
        supervisor.check("coordinator")?;
        for node in &accounts.nodes {
            supervisor.check(&node.name)?;
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("the nodes did not connect within a minute; see the logs beside {url}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn announce(printer: Printer, ready: &Ready, took: Duration) {
    let Ready { base_url, api_key, rpc_url, model, wallet, explorer_url, .. } = ready;
    let text = format!(
        "\nPinaivu is up ({:.1} s). Ctrl-C stops everything.\n\n\
         OpenAI base URL   {base_url}\n\
         API key           {api_key}\n\
         model             {model}\n\
         Solana RPC        {rpc_url}  (point any wallet at it)\n\
         demo wallet       {}\n\
         explorer          {explorer_url}\n\
         logs              {}\n\n\
         Try it:\n\n\
         curl {base_url}/chat/completions \\\n  \
         -H 'Authorization: Bearer {api_key}' -H 'Content-Type: application/json' \\\n  \
         -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Say hello.\"}}]}}'\n\n\
         then, with the request_id of the answer:\n\n\
         {}\n",
        took.as_secs_f32(),
        wallet.display(),
        ready.data_dir.join("logs").display(),
        verify_command(&ready.data_dir),
    );
    printer.result(ready, text);
}

/// How to check a receipt of the network in `directory`, ready to be pasted into a shell.
fn verify_command(directory: &Path) -> String {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pinaivu"));
    let mut command = format!("{} receipt verify REQUEST_ID", quoted(&program));
    // Commands find a network elsewhere only when they are told where.
    if crate::context::default_data_dir().canonicalize().ok().as_deref() != Some(directory) {
        command.push_str(&format!(" --network {}", quoted(&directory.join("ready.json"))));
    }
    command
}

/// A path as one word of a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Writes the ready files, and again whenever a process was restarted.
async fn keep_ready_files(
    arguments: &UpArgs,
    directory: &Path,
    mut ready: Ready,
    supervisor: &Supervisor,
) -> anyhow::Result<()> {
    let mut pids = supervisor.pids();
    loop {
        ready.pids.clone_from(&pids.borrow_and_update());
        for file in ready_files(arguments, directory) {
            write_atomically(&file, &serde_json::to_vec_pretty(&ready)?)?;
        }
        if pids.changed().await.is_err() {
            bail!("the processes are no longer watched");
        }
    }
}

fn ready_files(arguments: &UpArgs, directory: &Path) -> Vec<PathBuf> {
    let mut files = vec![directory.join("ready.json")];
    files.extend(arguments.ready_file.clone());
    files
}

fn write_atomically(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("partial");
    std::fs::write(&temporary, bytes)
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    std::fs::rename(&temporary, path).with_context(|| format!("cannot write {}", path.display()))
}

fn prepare_directory(arguments: &UpArgs) -> anyhow::Result<PathBuf> {
    let wanted = &arguments.data_dir;
    std::fs::create_dir_all(wanted)
        .with_context(|| format!("cannot create {}", wanted.display()))?;
    let directory = wanted.canonicalize()?;
    if arguments.fresh {
        // Only what `up` made: a mistyped directory must not be emptied.
        for name in ["chain", "coordinator", "keys", "run", "logs", "api-key.json", "ports.json"] {
            let path = directory.join(name);
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            if let Err(error) = removed
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
        }
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("node-") {
                std::fs::remove_dir_all(entry.path())?;
            }
        }
    }
    let run = directory.join("run");
    if run.exists() {
        std::fs::remove_dir_all(&run)?;
    }
    std::fs::create_dir_all(&run)?;
    Ok(directory)
}

/// Two runs must not share a data directory.
fn lock(directory: &Path) -> anyhow::Result<std::fs::File> {
    let path = directory.join("lock");
    let file =
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.try_lock().map_err(|_| {
        Failure::failed(
            format!("another `up` runs in {}", directory.display()),
            "stop it, or choose another --data-dir",
        )
    })?;
    Ok(file)
}

/// A program that was built or installed beside this one.
fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        return Err(Failure::failed(
            format!("{} is missing", path.display()),
            "build everything with `cargo build --workspace --bins`, or run `cargo xtask up`",
        )
        .into());
    }
    Ok(path)
}

async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

fn stop_requested(stdin_guard: bool) -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async move {
        let guarded = async {
            if stdin_guard {
                crate::guard::end_of_input().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            _ = interrupted() => {}
            () = guarded => {}
        }
    })
}
