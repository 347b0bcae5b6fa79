//! What a witness has seen, on disk.
//!
//! Invariant: one log's memory is changed by one request after the other ([`Memory::lock`]), and a change is
//! durable before the lock is let go.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::note::Note;
use pinaivu_log::witness::Observed;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

/// The file.
pub(super) struct Memory {
    path: PathBuf,
    lock: Mutex<()>,
}

/// What is in it, while nobody else changes it.
pub(super) struct Locked<'a> {
    state: State,
    path: &'a Path,
    _lock: MutexGuard<'a, ()>,
}

impl Memory {
    /// A file, made when something is remembered.
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), lock: Mutex::default() }
    }

    /// Keeps both sides of a contradiction beside the memory, for whoever wants to see them.
    pub(super) fn keep_contradiction(
        &self,
        why: &str,
        seen: Observed,
        shown: &Note,
        head: &Checkpoint,
    ) -> std::io::Result<PathBuf> {
        keep_contradiction(&self.path, why, seen, shown, head)
    }

    /// Reads it and keeps others out.
    pub(super) async fn lock(&self) -> anyhow::Result<Locked<'_>> {
        let lock = self.lock.lock().await;
        Ok(Locked { state: State::read(&self.path)?, path: &self.path, _lock: lock })
    }
}

/// What was seen, log by log.
#[derive(Debug, Default, Deserialize, Serialize)]
struct State {
    logs: Vec<SeenLog>,
}

#[derive(Debug, Deserialize, Serialize)]
struct SeenLog {
    origin: String,
    size: u64,
    root: String,
}

impl State {
    fn read(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not a witness's state", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

impl Locked<'_> {
    /// What was seen of a log.
    pub(super) fn of(&self, origin: &str) -> anyhow::Result<Observed> {
        let Some(seen) = self.state.logs.iter().find(|log| log.origin == origin) else {
            return Ok(Observed::default());
        };
        let root = seen.root.parse().context("a root in the state is no hash")?;
        Ok(Observed { size: seen.size, root })
    }

    /// Durable when this returns.
    pub(super) fn store(&mut self, origin: &str, seen: Observed) -> anyhow::Result<()> {
        self.state.logs.retain(|log| log.origin != origin);
        self.state.logs.push(SeenLog {
            origin: origin.to_owned(),
            size: seen.size,
            root: seen.root.to_string(),
        });
        let path = self.path;
        let beside = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(&self.state)?)?;
            file.sync_all()?;
            std::fs::rename(&beside, path)?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Keeps both sides of a contradiction beside the memory at `path`: one file for each head that was shown, and
/// none is ever written again, so that nobody can bury one under another.
pub(super) fn keep_contradiction(
    path: &Path,
    why: &str,
    seen: Observed,
    shown: &Note,
    head: &Checkpoint,
) -> std::io::Result<PathBuf> {
    let path = path.with_extension(format!("contradiction-{}-{}.json", head.size, head.root));
    let evidence = json!({
        "why": why,
        "seen": { "size": seen.size, "root": seen.root.to_string() },
        "shown": shown.to_string(),
    });
    let mut file = match std::fs::File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(path),
        Err(error) => return Err(error),
    };
    let written = file.write_all(format!("{evidence:#}").as_bytes()).and_then(|()| file.sync_all());
    // Half of it would keep the whole out.
    written.inspect_err(|_| drop(std::fs::remove_file(&path)))?;
    Ok(path)
}
