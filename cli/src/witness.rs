//! `pinaivu witness`: follows a log and the chain, and cosigns heads that extend everything it saw.
//!
//! Invariant: a head is on disk as seen before a cosignature over it leaves this process, so that a
//! witness that is killed never cosigns two histories. A head that contradicts what was seen, or what
//! the chain holds, is never cosigned: the witness keeps both sides in a file and ends. With `--serve` logs
//! bring heads themselves ([`serve`]); both ways share one memory.

mod memory;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature::{cosign, witness_key};
use pinaivu_log::note::{Note, NoteKey, SignatureType};
use pinaivu_log::source::{ReadError, checkpoint, consistency};
use pinaivu_log::witness::Observed;
use pinaivu_protocol::signed::SigningKey;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::context::ContextArgs;
use crate::log::HttpLog;
use crate::network::{Network, read_json, read_keypair};
use crate::output::{Failure, Printer};
use memory::{Memory, keep_contradiction};

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
    /// Beside looking, answer `POST /add-checkpoint` here (C2SP tlog-witness), so that logs bring their
    /// heads themselves. Put a proxy with TLS in front of it.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "once")]
    serve: Option<SocketAddr>,
    /// Further logs whose heads are cosigned when they are brought: NAME+ID+KEY.
    #[arg(long, value_name = "KEY", requires = "serve")]
    log: Vec<LogKey>,
}

/// A log's key as it is written.
#[derive(Clone, Debug)]
struct LogKey(NoteKey);

impl std::str::FromStr for LogKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match NoteKey::parse(text) {
            Ok(key) if key.kind() == SignatureType::Ed25519 => Ok(Self(key)),
            _ => Err("expected the key of a log, NAME+ID+KEY".to_owned()),
        }
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
    let memory = Arc::new(Memory::new(&arguments.state));
    // Ends with this function.
    let mut serving = JoinSet::new();
    if let Some(address) = arguments.serve {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address}"))?;
        printer.step(format_args!("answering on http://{}/add-checkpoint", listener.local_addr()?));
        let witness = serve::Witness {
            name: arguments.name.clone(),
            key: SigningKey::from_seed(pair.secret_bytes())?,
            logs: arguments.log.iter().map(|log| log.0.clone()).collect(),
            followed: Some(Network::open(context).await?),
            memory: Arc::clone(&memory),
        };
        serving.spawn(serve::run(listener, witness));
    }
    loop {
        match look(&network, &arguments, &key, &memory).await {
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
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(arguments.interval.max(1))) => {}
            Some(ended) = serving.join_next() => {
                return ended.context("the listener ended").and_then(|ended| ended);
            }
        }
    }
}

/// Looks once; gives the head that was cosigned.
async fn look(
    network: &Network,
    arguments: &WitnessArgs,
    key: &SigningKey,
    memory: &Memory,
) -> anyhow::Result<Option<Checkpoint>> {
    let account = network.coordinator().await?;
    let epoch = account.log.epoch;
    let source = HttpLog::of(network);
    let (note, head) = checkpoint(&source, account.id, epoch, account.signer)
        .await
        .map_err(|error| refused(error, arguments, None))?;
    // Held until the head is remembered: nobody else advances this log in between.
    let mut state = memory.lock().await?;
    let mut seen = state.of(&head.origin)?;
    if head.size == 0 && seen.size == 0 {
        return Ok(None);
    }
    let path = consistency(&source, epoch, (seen.size, seen.root), &head)
        .await
        .map_err(|error| refused(error, arguments, Some((&note, &head, seen))))?;
    // The chain's head must be one that this head extends, or the log shows strangers another history.
    let anchored = Observed { size: account.log.size, root: account.log.root };
    consistency(&source, epoch, (anchored.size, anchored.root), &head)
        .await
        .map_err(|error| refused(error, arguments, Some((&note, &head, anchored))))?;
    seen.advance(&head, &path).map_err(|error| {
        contradiction(&error.to_string(), arguments, Some((&note, &head, seen)))
    })?;
    state.store(&head.origin, seen)?;
    drop(state);

    let mut cosigned = note.clone();
    cosigned.signatures.push(cosign(&head, &arguments.name, key, now()?)?);
    let url = format!("{}/v1/log/{epoch}/cosignatures", network.url);
    let response = network.http.post(&url).body(cosigned.to_string()).send().await?;
    let _: serde_json::Value = read_json(&url, response).await?;
    Ok(Some(head))
}

/// A head, and what it contradicts.
type Sides<'a> = (&'a Note, &'a Checkpoint, Observed);

fn refused(error: ReadError, arguments: &WitnessArgs, sides: Option<Sides<'_>>) -> anyhow::Error {
    match error {
        ReadError::Source(error) => error.into(),
        other => {
            let shown = sides.filter(|_| other.is_contradiction());
            contradiction(&other.to_string(), arguments, shown)
        }
    }
}

/// Keeps both sides for whoever wants to see them.
fn contradiction(why: &str, arguments: &WitnessArgs, sides: Option<Sides<'_>>) -> anyhow::Error {
    let mut message = format!("the head is refused: {why}");
    if let Some((note, head, seen)) = sides {
        match keep_contradiction(&arguments.state, why, seen, note, head) {
            Ok(path) => message.push_str(&format!("; both sides are in {}", path.display())),
            Err(error) => message.push_str(&format!("; it could not be kept: {error}")),
        }
    }
    Failure::check(message).into()
}

/// Seconds since 1970.
fn now() -> anyhow::Result<u64> {
    Ok(u64::try_from(now_millis()?)? / 1000)
}

/// Milliseconds since 1970.
pub(crate) fn now_millis() -> anyhow::Result<u128> {
    #[expect(clippy::disallowed_methods, reason = "a command has the real clock")]
    let now = std::time::SystemTime::now();
    match now.duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => Ok(since.as_millis()),
        Err(_) => bail!("the clock is before 1970"),
    }
}
