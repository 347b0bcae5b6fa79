//! Brings the log's newest head to witnesses that take heads by HTTP (C2SP `tlog-witness`), and takes
//! their cosignatures.
//!
//! What a witness has cosigned last is its own knowledge: it is asked by trying, and its answer to a wrong
//! guess says it. A witness that is away or refuses costs nothing but its cosignature; receipts never wait
//! for one.

use std::time::Duration;

use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::cosignature;
use pinaivu_log::note::{Note, NoteKey, NoteSignature};
use pinaivu_log::witness::{AddCheckpoint, SIZE_TYPE};
use tokio_util::sync::CancellationToken;

use super::PublicLog;
use super::public_log::{CosignatureError, LogError};

/// For one witness to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer: a few signature lines, or a number.
const MAX_ANSWER: usize = 16 * 1024;

/// A witness and where it takes heads.
#[derive(Clone, Debug)]
pub struct WitnessDesk {
    /// Its submission prefix, without a slash at the end.
    pub url: String,
    /// Its key.
    pub key: NoteKey,
}

/// Why a witness has not cosigned.
#[derive(Debug, thiserror::Error)]
enum Declined {
    #[error("it cannot be reached")]
    Unreachable(#[from] reqwest::Error),
    #[error("it answered {status}: {body}")]
    Status { status: u16, body: String },
    #[error("its answer is not a cosignature of its key")]
    Answer,
    #[error("it says to have cosigned {0} leaves, which the log does not have")]
    Ahead(u64),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
}

/// Brings heads until told to stop.
pub async fn submit(
    log: PublicLog,
    desks: Vec<WitnessDesk>,
    interval: Duration,
    stop: CancellationToken,
) {
    let client = match reqwest::Client::builder().timeout(PATIENCE).build() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(%error, "no HTTP client for witnesses");
            stop.cancelled().await;
            return;
        }
    };
    // The epoch and size that each witness has cosigned last, as far as is known here.
    let mut known = vec![(0u32, 0u64); desks.len()];
    loop {
        for (desk, known) in desks.iter().zip(&mut known) {
            let bringing = bring(&log, desk, &client, known);
            let brought = tokio::select! {
                brought = bringing => brought,
                () = stop.cancelled() => return,
            };
            if let Err(error) = brought {
                tracing::warn!(witness = desk.key.name(), %error, "no cosignature");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Brings one witness the newest head, when there is a newer one than it has.
async fn bring(
    log: &PublicLog,
    desk: &WitnessDesk,
    client: &reqwest::Client,
    known: &mut (u32, u64),
) -> Result<(), Declined> {
    let newest = log.newest().await.map_err(LogError::from)?;
    if known.0 != newest.epoch {
        *known = (newest.epoch, 0);
    }
    if newest.size <= known.1 {
        return Ok(());
    }
    // Twice: the first answer to a wrong guess says what the witness has.
    for last_try in [false, true] {
        let Some((proof, checkpoint)) = log.extension(newest.epoch, known.1).await? else {
            return Err(Declined::Ahead(known.1));
        };
        let request = AddCheckpoint { old_size: known.1, proof, checkpoint };
        let url = format!("{}/add-checkpoint", desk.url);
        let response = client.post(url).body(request.to_string()).send().await?;
        let status = response.status().as_u16();
        let says_size = response
            .headers()
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes() == SIZE_TYPE.as_bytes());
        let body = text(response).await?;
        match status {
            200 => {
                let size = take(log, newest.epoch, desk, request.checkpoint, &body).await?;
                known.1 = size;
                return Ok(());
            }
            409 if says_size && !last_try => {
                known.1 = body.trim_end().parse().map_err(|_| Declined::Answer)?;
            }
            _ => return Err(Declined::Status { status, body }),
        }
    }
    Ok(())
}

async fn text(mut response: reqwest::Response) -> Result<String, Declined> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER {
            return Err(Declined::Answer);
        }
    }
    String::from_utf8(bytes).map_err(|_| Declined::Answer)
}

/// Takes the cosignatures of this witness's key in its answer; gives the size they are over.
async fn take(
    log: &PublicLog,
    epoch: u32,
    desk: &WitnessDesk,
    mut note: Note,
    answer: &str,
) -> Result<u64, Declined> {
    let lines: Result<Vec<NoteSignature>, _> = answer.lines().map(NoteSignature::parse).collect();
    let lines = lines.map_err(|_| Declined::Answer)?;
    note.signatures.extend(lines.into_iter().filter(|line| line.is_by(&desk.key)));
    let head = Checkpoint::from_text(note.text()).map_err(|_| Declined::Answer)?;
    cosignature::verify(&note, &head, &desk.key).map_err(|_| Declined::Answer)?;
    log.cosigned(epoch, &note).await?;
    Ok(head.size)
}
