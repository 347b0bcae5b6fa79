//! `pinaivu witness`: follows a log and the chain, and cosigns heads that extend everything it saw.
//!
//! Invariant: a head is on disk as seen before a cosignature over it leaves this process, so that a
//! witness that is killed never cosigns two histories. A head that contradicts what was seen, or what
//! the chain holds, is never cosigned: the witness keeps both sides in a file and ends.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::{cosign, witness_key};
use pinaivu_log::note::Note;
use pinaivu_log::source::{ReadError, checkpoint, consistency};
use pinaivu_log::witness::Observed;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::signed::SigningKey;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::context::ContextArgs;
use crate::log::HttpLog;
use crate::network::{Network, read_json, read_keypair};
use crate::output::{Failure, Printer};

/// How to witness.
#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    /// The witness's own key file (Solana's JSON format). Use a key for this and nothing else.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The witness's name, such as witness.example.com/w1.
    #[arg(long)]
    name: String,
    /// What has been seen; made when missing, never to be lost.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Seconds between two looks.
    #[arg(long, default_value_t = 10)]
    interval: u64,
    /// Look once and end.
    #[arg(long)]
    once: bool,
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

    fn of(&self, origin: &str) -> anyhow::Result<Observed> {
        let Some(seen) = self.logs.iter().find(|log| log.origin == origin) else {
            return Ok(Observed::default());
        };
        let mut root = [0; 32];
        hex::decode_to_slice(&seen.root, &mut root).context("a root in the state is no hash")?;
        Ok(Observed { size: seen.size, root: Hash32(root) })
    }

    /// Durable when this returns.
    fn store(&mut self, origin: &str, seen: Observed, path: &Path) -> anyhow::Result<()> {
        self.logs.retain(|log| log.origin != origin);
        self.logs.push(SeenLog {
            origin: origin.to_owned(),
            size: seen.size,
            root: seen.root.to_string(),
        });
        let beside = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&beside)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            std::fs::rename(&beside, path)?;
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Follows the log until it is told to end.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    arguments: WitnessArgs,
) -> anyhow::Result<()> {
    let pair = read_keypair(&arguments.key)?;
    let key = SigningKey::from_seed(pair.secret_bytes())?;
    let public = witness_key(&arguments.name, key.public())?;
    let network = Network::open(context).await?;
    printer.step(format_args!("witness {public}"));
    loop {
        match look(&network, &arguments, &key).await {
            Ok(Some(head)) => {
                let result = json!({
                    "witness": public.to_string(),
                    "origin": head.origin,
                    "size": head.size,
                    "root": head.root.to_string(),
                });
                if arguments.once {
                    printer.result(
                        &result,
                        format!("cosigned {} entries of {}\n{public}", head.size, head.origin),
                    );
                } else {
                    printer.step(format_args!("cosigned {} entries", head.size));
                }
            }
            Ok(None) => printer.step("the log is empty; there is nothing to cosign"),
            // What could not be reached is not a contradiction: look again.
            Err(error) if !arguments.once && error.downcast_ref::<Failure>().is_none() => {
                printer.step(format_args!("{error:#}; still watching"));
            }
            Err(error) => return Err(error),
        }
        if arguments.once {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_secs(arguments.interval.max(1))).await;
    }
}

/// Looks once; gives the head that was cosigned.
async fn look(
    network: &Network,
    arguments: &WitnessArgs,
    key: &SigningKey,
) -> anyhow::Result<Option<Checkpoint>> {
    let account = network.coordinator().await?;
    let epoch = account.log.epoch;
    let source = HttpLog::of(network);
    let (note, head) = checkpoint(&source, account.id, epoch, account.signer)
        .await
        .map_err(|error| refused(error, arguments, None))?;
    let mut state = State::read(&arguments.state)?;
    let mut seen = state.of(&head.origin)?;
    if head.size == 0 && seen.size == 0 {
        return Ok(None);
    }
    let path = consistency(&source, epoch, (seen.size, seen.root), &head)
        .await
        .map_err(|error| refused(error, arguments, Some((&note, seen))))?;
    // The chain's head must be one that this head extends, or the log shows strangers another history.
    let anchored = Observed { size: account.log.size, root: account.log.root };
    consistency(&source, epoch, (anchored.size, anchored.root), &head)
        .await
        .map_err(|error| refused(error, arguments, Some((&note, anchored))))?;
    seen.advance(&head, &path)
        .map_err(|error| contradiction(&error.to_string(), arguments, Some((&note, seen))))?;
    state.store(&head.origin, seen, &arguments.state)?;

    let mut cosigned = note.clone();
    cosigned.signatures.push(cosign(&head, &arguments.name, key, now()?)?);
    let url = format!("{}/v1/log/{epoch}/cosignatures", network.url);
    let response = network.http.post(&url).body(cosigned.to_string()).send().await?;
    let _: serde_json::Value = read_json(&url, response).await?;
    Ok(Some(head))
}

fn refused(
    error: ReadError,
    arguments: &WitnessArgs,
    seen: Option<(&Note, Observed)>,
) -> anyhow::Error {
    match error {
        ReadError::Source(error) => error.into(),
        other => contradiction(&other.to_string(), arguments, seen),
    }
}

/// Keeps both sides for whoever wants to see them.
fn contradiction(
    why: &str,
    arguments: &WitnessArgs,
    seen: Option<(&Note, Observed)>,
) -> anyhow::Error {
    let mut message = format!("the head is refused: {why}");
    if let Some((note, seen)) = seen {
        let path = arguments.state.with_extension("contradiction.json");
        let evidence = json!({
            "why": why,
            "seen": { "size": seen.size, "root": seen.root.to_string() },
            "shown": note.to_string(),
        });
        match std::fs::write(&path, format!("{evidence:#}")) {
            Ok(()) => message.push_str(&format!("; both sides are in {}", path.display())),
            Err(error) => message.push_str(&format!("; it could not be kept: {error}")),
        }
    }
    Failure::check(message).into()
}

/// Seconds since 1970.
fn now() -> anyhow::Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "a command has the real clock")]
    let now = std::time::SystemTime::now();
    match now.duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => Ok(since.as_secs()),
        Err(_) => bail!("the clock is before 1970"),
    }
}
