//! One running network and what tests do with it.

#![expect(clippy::disallowed_methods, reason = "`cargo xtask test` says where things are")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pinaivu_chain::RpcChain;
use pinaivu_protocol::ids::{CoordinatorId, MarketId, NodeId};
use serde_json::Value;

/// How long a network may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Where the product's programs are: `PINAIVU_BINARIES`, which `cargo xtask test` sets, else beside the
/// test itself.
pub fn binaries() -> PathBuf {
    if let Some(directory) = std::env::var_os("PINAIVU_BINARIES") {
        return PathBuf::from(directory);
    }
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Polls until `probe` gives something, at most `limit`; says what was awaited when it does not.
///
/// # Errors
/// After `limit`, or when `probe` fails.
pub async fn eventually<T, F, R>(what: &str, limit: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> R,
    R: Future<Output = Result<Option<T>>>,
{
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        if started.elapsed() >= limit {
            bail!("{what}: not within {limit:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A network that `pinaivu up` runs.
#[derive(Debug)]
pub struct Network {
    process: Child,
    directory: tempfile::TempDir,
    http: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `x-request-id`, when there is one.
    pub request_id: Option<String>,
    /// `x-pinaivu-salt`, when there is one.
    pub salt: Option<String>,
    /// `retry-after`, when there is one.
    pub retry_after: Option<String>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => {
                let text = String::from_utf8_lossy(&self.body);
                #[expect(clippy::panic, reason = "test support")]
                {
                    panic!("not JSON ({error}): {text}")
                }
            }
        }
    }

    /// The code of an OpenAI error.
    #[must_use]
    pub fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Network {
    /// Starts a network in a directory of its own and waits until it is ready.
    ///
    /// # Errors
    /// With the output and the logs, when it does not become ready.
    pub async fn start(options: &[&str]) -> Result<Self> {
        Self::start_in(&[], options).await
    }

    /// The same with additional variables in the environment of all processes.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_in(environment: &[(&str, &str)], options: &[&str]) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let process = spawn(directory.path(), environment, options)?;
        let http = reqwest::Client::builder()
            .tcp_nodelay(true)
            .timeout(Duration::from_secs(120))
            .build()?;
        let mut network = Self { process, directory, http };
        network.wait_ready().await?;
        Ok(network)
    }

    /// Starts it again after [`Self::stop`], in the same directory.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_again(&mut self, options: &[&str]) -> Result<()> {
        self.start_again_in(&[], options).await
    }

    /// The same with additional variables in the environment of all processes.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_again_in(
        &mut self,
        environment: &[(&str, &str)],
        options: &[&str],
    ) -> Result<()> {
        self.process = spawn(self.directory.path(), environment, options)?;
        self.wait_ready().await
    }

    async fn wait_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.ready_file().exists() {
            if let Some(status) = self.process.try_wait()? {
                bail!("`pinaivu up` ended with {status}\n{}", self.diagnosis());
            }
            if started.elapsed() >= START_LIMIT {
                bail!("the network was not ready within {START_LIMIT:?}\n{}", self.diagnosis());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The last lines of every log, for a failing test.
    #[must_use]
    pub fn diagnosis(&self) -> String {
        let mut text = tail(&self.directory.path().join("up.log"), 60);
        let logs = self.data_dir().join("logs");
        for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
            text.push_str(&format!("\n── {}\n", entry.file_name().display()));
            text.push_str(&tail(&entry.path(), 25));
        }
        text
    }

    /// The ready file.
    #[must_use]
    pub fn ready_file(&self) -> PathBuf {
        self.directory.path().join("ready.json")
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory for a test's own files.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// What the ready file says now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn ready(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&std::fs::read(self.ready_file())?)?)
    }

    /// One text field of the ready file.
    ///
    /// # Errors
    /// When it is missing.
    pub fn field(&self, name: &str) -> Result<String> {
        let ready = self.ready()?;
        Ok(ready[name].as_str().with_context(|| format!("no {name} in the ready file"))?.to_owned())
    }

    /// The chain, read directly.
    ///
    /// # Errors
    /// When the ready file is not as expected.
    pub fn chain(&self) -> Result<RpcChain> {
        Ok(RpcChain::new(&self.field("rpc_url")?, self.field("program_id")?.parse()?))
    }

    /// The market.
    ///
    /// # Errors
    /// When the ready file is not as expected.
    pub fn market(&self) -> Result<MarketId> {
        Ok(self.field("market")?.parse()?)
    }

    /// The coordinator.
    ///
    /// # Errors
    /// When the ready file is not as expected.
    pub fn coordinator(&self) -> Result<CoordinatorId> {
        Ok(self.field("coordinator")?.parse()?)
    }

    /// The nodes, cheapest first.
    ///
    /// # Errors
    /// When the ready file is not as expected.
    pub fn nodes(&self) -> Result<Vec<NodeId>> {
        let ready = self.ready()?;
        let nodes = ready["nodes"].as_array().context("no nodes in the ready file")?;
        nodes.iter().map(|node| Ok(node.as_str().unwrap_or_default().parse::<NodeId>()?)).collect()
    }

    /// The process id of one of the network's processes, as it is now.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn pid(&self, name: &str) -> Result<i32> {
        let ready = self.ready()?;
        let pid = ready["pids"][name].as_i64().with_context(|| format!("no process {name}"))?;
        Ok(i32::try_from(pid)?)
    }

    /// Sends a signal to one of the network's processes.
    ///
    /// # Errors
    /// When there is none of that name, or it is gone.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.pid(name)?), signal).with_context(|| format!("signalling {name}"))
    }

    /// `POST /v1/chat/completions` with the network's own key.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn chat(&self, body: &Value) -> Result<Reply> {
        let key = self.field("api_key")?;
        self.post("/chat/completions", Some(&key), serde_json::to_vec(body)?).await
    }

    /// `POST` raw bytes to a path below `/v1`.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn post(&self, path: &str, key: Option<&str>, body: Vec<u8>) -> Result<Reply> {
        let url = format!("{}{path}", self.field("base_url")?);
        let mut request = self.http.post(url).header("content-type", "application/json").body(body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        read(request.send().await?).await
    }

    /// `GET` a path below `/v1`.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        let url = format!("{}{path}", self.field("base_url")?);
        read(self.http.get(url).send().await?).await
    }

    /// A request body for a short answer.
    ///
    /// # Errors
    /// When the ready file is not as expected.
    pub fn request(&self, prompt: &str) -> Result<Value> {
        Ok(serde_json::json!({
            "model": self.field("model")?,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 16,
            "temperature": 0,
        }))
    }

    /// The receipt document of a request, once it is durable.
    ///
    /// # Errors
    /// When it does not appear in time.
    pub async fn receipt(&self, request_id: &str) -> Result<Value> {
        eventually(&format!("receipt of {request_id}"), Duration::from_secs(30), async || {
            // While the coordinator restarts there is no answer at all.
            let Ok(reply) = self.get(&format!("/receipts/{request_id}")).await else {
                return Ok(None);
            };
            Ok((reply.status == 200).then(|| reply.json()))
        })
        .await
    }

    /// Runs the command line against this network.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(binaries().join("pinaivu"))
            .arg("--network")
            .arg(self.ready_file())
            .args(arguments)
            .env_remove("PINAIVU_URL")
            .env_remove("PINAIVU_RPC")
            .env_remove("PINAIVU_WALLET")
            .output()?)
    }

    /// Runs the command line and gives its JSON; fails when it does.
    ///
    /// # Errors
    /// When it cannot be started, fails, or prints no JSON.
    pub fn cli_json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.cli(&[&["--json"], arguments].concat())?;
        if !output.status.success() {
            bail!(
                "pinaivu {arguments:?} ended with {}\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Runs one of `tests/python` with the official SDK against this network; gives its JSON output.
    ///
    /// # Errors
    /// When it fails.
    pub fn python(&self, script: &str) -> Result<Value> {
        let output = python(script)?
            .env("OPENAI_BASE_URL", self.field("base_url")?)
            .env("OPENAI_API_KEY", self.field("api_key")?)
            .env("MODEL", self.field("model")?)
            .output()?;
        if !output.status.success() {
            bail!("{script}:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Stops the network as Ctrl-C does and gives the ids of processes that were running.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(&mut self) -> Result<Vec<i32>> {
        let ready = self.ready()?;
        let pids = ready["pids"].as_object().context("no pids")?;
        let pids = pids.values().filter_map(Value::as_i64).map(i32::try_from);
        let pids = pids.collect::<Result<Vec<_>, _>>()?;
        kill(Pid::from_raw(i32::try_from(self.process.id())?), Signal::SIGINT)?;
        let process = &mut self.process;
        let started = Instant::now();
        while process.try_wait()?.is_none() {
            if started.elapsed() > Duration::from_secs(60) {
                bail!("`pinaivu up` did not stop");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(pids)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.diagnosis());
        }
        // Closing its input makes `up` stop its processes in order; killing it makes them stop anyway.
        drop(self.process.stdin.take());
        let started = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) {
            if started.elapsed() > Duration::from_secs(30) {
                self.process.kill().ok();
                self.process.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One of `tests/python`, with the interpreter that has what these need.
///
/// # Errors
/// When nobody said which interpreter that is.
pub fn python(script: &str) -> Result<Command> {
    let interpreter = std::env::var_os("PINAIVU_PYTHON")
        .context("PINAIVU_PYTHON is not set; `cargo xtask test` sets it")?;
    let mut command = Command::new(interpreter);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script));
    Ok(command)
}

/// `pinaivu up` with its output in `up.log`.
fn spawn(directory: &Path, environment: &[(&str, &str)], options: &[&str]) -> Result<Child> {
    let output =
        std::fs::OpenOptions::new().create(true).append(true).open(directory.join("up.log"))?;
    Command::new(binaries().join("pinaivu"))
        .args(["up", "--port", "0", "--rpc-port", "0", "--stdin-guard"])
        .arg("--data-dir")
        .arg(directory.join("data"))
        .arg("--ready-file")
        .arg(directory.join("ready.json"))
        .args(options)
        .envs(environment.iter().copied())
        .env_remove("PINAIVU_URL")
        .env_remove("PINAIVU_RPC")
        .env_remove("PINAIVU_WALLET")
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .context("cannot start `pinaivu up`; build it with `cargo build --workspace --bins`")
}

async fn read(response: reqwest::Response) -> Result<Reply> {
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let (request_id, salt, retry_after) =
        (header("x-request-id"), header("x-pinaivu-salt"), header("retry-after"));
    let status = response.status().as_u16();
    let body = response.bytes().await?.to_vec();
    Ok(Reply { status, request_id, salt, retry_after, body })
}

fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.get(from..).unwrap_or_default().join("\n")
}
