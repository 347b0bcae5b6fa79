//! The processes of `up`: started in order, restarted when they crash, stopped in reverse.
//!
//! Every child's standard input is a pipe whose other end we hold. A child ends when it closes, so
//! nothing outlives us, however we end. Output goes to one log file a process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::output::Printer;

/// How long a process may take to stop by itself before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// Pause before a crashed process is started again.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// How to start one process.
#[derive(Clone, Debug)]
pub(crate) struct ProcessSpec {
    /// Its name in messages, log files and the ready file.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

struct Running {
    name: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// The process ids by name, as they change.
pub(crate) type Pids = BTreeMap<String, u32>;

/// Starts, watches and stops processes.
pub(crate) struct Supervisor {
    printer: Printer,
    logs: PathBuf,
    running: Vec<Running>,
    pids: Arc<watch::Sender<Pids>>,
    first_failure: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Supervisor {
    /// A supervisor that keeps one log file a process under `logs`.
    pub(crate) fn new(printer: Printer, logs: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&logs)
            .with_context(|| format!("cannot create {}", logs.display()))?;
        Ok(Self {
            printer,
            logs,
            running: Vec::new(),
            pids: Arc::new(watch::Sender::new(Pids::new())),
            first_failure: Arc::default(),
        })
    }

    /// Follows the process ids.
    pub(crate) fn pids(&self) -> watch::Receiver<Pids> {
        self.pids.subscribe()
    }

    /// Where `name` writes.
    pub(crate) fn log_path(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// Starts a process and keeps it running until [`Self::stop`].
    pub(crate) fn start(&mut self, spec: ProcessSpec) -> anyhow::Result<()> {
        let log = self.log_path(&spec.name);
        let (child, guard) = spawn(&spec, &log)?;
        let (stop, stopped) = oneshot::channel();
        let name = spec.name.clone();
        let watcher = Watcher {
            printer: self.printer,
            log,
            spec,
            pids: Arc::clone(&self.pids),
            first_failure: Arc::clone(&self.first_failure),
        };
        watcher.announce(&child);
        #[expect(clippy::disallowed_methods, reason = "this is the task manager: stop() ends it")]
        let task = tokio::spawn(watcher.watch(child, guard, stopped));
        self.running.push(Running { name, stop, task });
        Ok(())
    }

    /// Waits for a JSON file that a process writes once it is ready, and reads it. Fails with the
    /// process's last words when it ends instead.
    pub(crate) async fn ready_file(
        &self,
        name: &str,
        path: &Path,
        limit: Duration,
    ) -> anyhow::Result<serde_json::Value> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Ok(text) = tokio::fs::read(path).await
                && let Ok(value) = serde_json::from_slice(&text)
            {
                return Ok(value);
            }
            self.check(name)?;
            if tokio::time::Instant::now() >= deadline {
                bail!(
                    "{name} was not ready within {limit:?}; its log is {}",
                    self.log_path(name).display()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fails with the process's last words if it has ended since it was started.
    pub(crate) fn check(&self, name: &str) -> anyhow::Result<()> {
        let failures = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(name) {
            Some(words) => bail!("{name} ended while starting: {words}"),
            None => Ok(()),
        }
    }

    /// Stops everything, the last started first.
    pub(crate) async fn stop(&mut self) {
        while let Some(Running { name, stop, task }) = self.running.pop() {
            if stop.send(()).is_err() || task.await.is_err() {
                self.printer.step(format_args!("{name} had already ended"));
            }
        }
    }
}

struct Watcher {
    printer: Printer,
    log: PathBuf,
    spec: ProcessSpec,
    pids: Arc<watch::Sender<Pids>>,
    first_failure: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Watcher {
    fn announce(&self, child: &Child) {
        let Some(pid) = child.id() else { return };
        self.pids.send_modify(|pids| {
            pids.insert(self.spec.name.clone(), pid);
        });
    }

    async fn watch(
        self,
        mut child: Child,
        mut guard: ChildStdin,
        mut stopped: oneshot::Receiver<()>,
    ) {
        loop {
            let status = tokio::select! {
                status = child.wait() => status,
                _ = &mut stopped => {
                    end(child, guard).await;
                    return;
                }
            };
            let words = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            let tail = last_lines(&self.log);
            self.first_failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(self.spec.name.clone())
                .or_insert_with(|| format!("{words}\n{tail}"));
            self.printer.step(format_args!(
                "{} ended ({words}); starting it again. Its log: {}",
                self.spec.name,
                self.log.display()
            ));
            loop {
                tokio::select! {
                    () = tokio::time::sleep(RESTART_PAUSE) => {}
                    _ = &mut stopped => return,
                }
                match spawn(&self.spec, &self.log) {
                    Ok(again) => {
                        (child, guard) = again;
                        self.announce(&child);
                        break;
                    }
                    Err(error) => self.printer.step(format_args!("{error:#}")),
                }
            }
        }
    }
}

/// The process and the pipe that keeps it alive. Waiting on a child closes an input that is still its
/// own, so the pipe is taken out of it.
fn spawn(spec: &ProcessSpec, log: &Path) -> anyhow::Result<(Child, ChildStdin)> {
    let output = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let errors = output.try_clone()?;
    let mut child = Command::new(&spec.program)
        .args(&spec.arguments)
        .stdin(Stdio::piped())
        .stdout(output)
        .stderr(errors)
        // A terminal's Ctrl-C goes to the whole group; the order of stopping is ours to keep.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {} ({})", spec.name, spec.program.display()))?;
    let guard = child.stdin.take().context("a child without standard input")?;
    Ok((child, guard))
}

async fn end(mut child: Child, guard: ChildStdin) {
    drop(guard);
    if tokio::time::timeout(STOP_LIMIT, child.wait()).await.is_err() {
        // Killing fails only when it has ended in this moment.
        child.kill().await.ok();
    }
}

fn last_lines(path: &Path) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
