//! `pinaivu receipt`: show a receipt, or verify it without trusting whoever served it.

mod bundle;
mod document;
mod evidence;
pub(crate) mod record;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pinaivu_chain::{Chain, Commitment, Coordinator};
use pinaivu_log::bundle::{Document, Entry};
use pinaivu_log::checkpoint::Checkpoint;
use pinaivu_log::note::NoteKey;
use pinaivu_log::source::{self, ReadError};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{PublicKey, RequestId};

use crate::context::ContextArgs;
use crate::log::HttpLog;
use crate::money::show;
use crate::network::{Network, chain_failure, get_json};
use crate::output::{Failure, Printer};
pub(crate) use document::read;
pub(crate) use document::read_file;
use evidence::{ChainFacts, Evidence};

/// What to do with receipts.
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Show a request's receipts; with --json, the document that `verify` takes as a file.
    Show {
        /// The request's id, `req_…`; answers carry it as `request_id` and `x-request-id`.
        request: RequestId,
    },
    /// Check a receipt: signatures, amounts, the log on chain, and your own request and answer.
    ///
    /// Prints each check as passed, failed or not checked with the reason, and exits with 3 when one
    /// failed.
    Verify(VerifyArgs),
    /// Put a request's receipts, their proofs and the signed log head into one small file that can be
    /// checked offline.
    Bundle(bundle::BundleArgs),
    /// Record a request's receipts on chain, where every block explorer shows them. The wallet pays their
    /// rent.
    Record(record::RecordArgs),
}

/// What to verify, against what.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A request's id, or a file: a bundle, or what `receipt show --json` wrote.
    receipt: String,
    /// The request body as it was sent, JSON.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// The answer: the completion as JSON, an array of its chunks, or the event stream as it came.
    #[arg(long, value_name = "FILE")]
    answer: Option<PathBuf>,
    /// The salt that came with the answer (`x-pinaivu-salt`, or `pinaivu.salt` in the answer, where it
    /// is found by itself).
    #[arg(long)]
    salt: Option<Salt>,
    /// Use neither the coordinator nor the chain; needs a file.
    #[arg(long)]
    offline: bool,
    /// The coordinator's hot key, for --offline. Without it the key in a bundle is used, and that it is
    /// the right one is not checked.
    #[arg(long, value_name = "KEY")]
    signer: Option<PublicKey>,
    /// Witnesses whose cosignatures you want to see on the log head: NAME+ID+KEY.
    #[arg(long, value_name = "KEY", num_args = 1..)]
    witness: Vec<WitnessKey>,
    /// Measurements of code that you accept, for --offline; with the chain, the market's list is used.
    #[arg(long, value_name = "HASH", num_args = 1..)]
    measurement: Vec<Hash32>,
}

/// A witness as it is written.
#[derive(Clone, Debug)]
pub(crate) struct WitnessKey(pub(crate) NoteKey);

impl std::str::FromStr for WitnessKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        NoteKey::parse(text).map(Self).map_err(|error| error.to_string())
    }
}

/// Carries out one command.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    command: ReceiptCommand,
) -> anyhow::Result<()> {
    match command {
        ReceiptCommand::Show { request } => {
            let network = Network::open(context).await?;
            let value = fetch(&network, &request.to_string(), None).await?;
            let document = read(&value)?;
            let text: Vec<String> = document.entries.iter().map(describe).collect();
            printer.result(&value, text.join("\n\n"));
            Ok(())
        }
        ReceiptCommand::Verify(arguments) => verify_command(printer, context, &arguments).await,
        ReceiptCommand::Bundle(arguments) => bundle::run(printer, context, &arguments).await,
        ReceiptCommand::Record(arguments) => record::run(printer, context, &arguments).await,
    }
}

async fn verify_command(
    printer: &Printer,
    context: &ContextArgs,
    arguments: &VerifyArgs,
) -> anyhow::Result<()> {
    let evidence =
        Evidence::read(arguments.request.as_deref(), arguments.answer.as_deref(), arguments.salt)?;
    let (document, facts) = if arguments.offline {
        let document = read_file(Path::new(&arguments.receipt))?;
        let claimed = document.signer.filter(|_| arguments.signer.is_none());
        let signer = arguments.signer.or(claimed).ok_or_else(|| {
            Failure::failed(
                "without the chain, the coordinator's key must be given",
                "--signer KEY, from a source you trust",
            )
        })?;
        let witnesses = witnesses(arguments);
        let facts = ChainFacts {
            signer_claimed: claimed.is_some(),
            witnesses,
            measurements: arguments.measurement.clone(),
            ..ChainFacts::offline(signer)
        };
        (document, facts)
    } else {
        let (document, facts) = online(context, &arguments.receipt).await?;
        (document, ChainFacts { witnesses: witnesses(arguments), ..facts })
    };
    let report = verify::verify(&document, &facts, &evidence);
    printer.result(&report, report.text());
    if report.passed() { Ok(()) } else { Err(Failure::check("the receipt does not verify").into()) }
}

fn witnesses(arguments: &VerifyArgs) -> Vec<NoteKey> {
    arguments.witness.iter().map(|witness| witness.0.clone()).collect()
}

/// A request's receipts, or those of a file, with their paths to the log's head on chain.
pub(crate) async fn with_inclusion(network: &Network, receipt: &str) -> anyhow::Result<Document> {
    let coordinator = network.coordinator().await?;
    with_path(network, receipt, coordinator.log.size).await
}

/// The same, with paths to the root of `size` leaves where the coordinator gives them.
async fn with_path(network: &Network, receipt: &str, size: u64) -> anyhow::Result<Document> {
    let mut document = match receipt.parse::<RequestId>() {
        Ok(id) => {
            let size = (size > 0).then_some(size);
            read(&fetch(network, &id.to_string(), size).await?)?
        }
        Err(_) => read_file(Path::new(receipt))?,
    };
    // A file's path may lead to an older root than the one on chain: ask for the present one.
    if receipt.parse::<RequestId>().is_err()
        && let Ok(value) = fetch(network, &document.request_id, Some(size)).await
        && let Ok(newer) = read(&value)
    {
        document.adopt_inclusion(&newer);
    }
    Ok(document)
}

/// The receipt with its path to the root on chain, and what the chain says.
async fn online(context: &ContextArgs, receipt: &str) -> anyhow::Result<(Document, ChainFacts)> {
    let network = Network::open(context).await?;
    let coordinator = network.coordinator().await?;
    let deployment = network.chain.deployment().await.map_err(chain_failure)?.id();
    let mut document = with_path(&network, receipt, coordinator.log.size).await?;
    let (mut nodes, mut former_keys) = (Vec::new(), Vec::new());
    for entry in &document.entries {
        let id = entry.receipt.head.record.node;
        if let Some(node) =
            network.chain.node(id, Commitment::Confirmed).await.map_err(chain_failure)?
        {
            nodes.push(node);
        }
        if let Some(statement) = &entry.receipt.body.statement {
            let key = statement.evidence.signer;
            let retired = network.chain.retired_signer(&id, &key, Commitment::Confirmed).await;
            if retired.map_err(chain_failure)?.is_some() {
                former_keys.push((id, key));
            }
        }
    }
    fetch_attestation(&network, &mut document).await?;
    let listed = network.chain.measurements(network.info.market, Commitment::Confirmed).await;
    let listed = listed.map_err(chain_failure)?;
    let extended = extension(&network, &document, &coordinator).await;
    let facts = ChainFacts {
        deployment: Some(deployment),
        signer: coordinator.signer,
        coordinator: Some(coordinator),
        nodes,
        former_keys,
        signer_claimed: false,
        witnesses: Vec::new(),
        extended,
        measurements: listed.into_iter().map(|entry| entry.measurement).collect(),
    };
    Ok((document, facts))
}

/// Adds the evidence that the receipts name and that did not come along. What the coordinator does not
/// have stays out, and the check says so.
pub(crate) async fn fetch_attestation(
    network: &Network,
    document: &mut Document,
) -> anyhow::Result<()> {
    for entry in &document.entries {
        let Some(hash) = entry.receipt.body.attestation.map(|hash| hash.to_string()) else {
            continue;
        };
        if document.attestation.contains_key(&hash) {
            continue;
        }
        let url = format!("{}/v1/attestation/{hash}", network.url);
        let response = network.http.get(&url).send().await?;
        if response.status().is_success() {
            document.attestation.insert(hash, response.bytes().await?.to_vec());
        }
    }
    Ok(())
}

/// Whether the chain's log extends the head in each of the document's proofs, from the log's own tiles,
/// which are held against both heads.
async fn extension(
    network: &Network,
    document: &Document,
    coordinator: &Coordinator,
) -> Vec<Option<Result<(), String>>> {
    let source = HttpLog::of(network);
    let newer = Checkpoint {
        origin: String::new(),
        size: coordinator.log.size,
        root: coordinator.log.root,
    };
    let mut extended = Vec::new();
    for entry in &document.entries {
        let epoch = entry.receipt.head.record.epoch;
        let head = entry
            .proof
            .as_ref()
            .and_then(|proof| Checkpoint::from_text(proof.checkpoint.text()).ok());
        let head = head.filter(|head| epoch == coordinator.log.epoch && head.size <= newer.size);
        extended.push(match head {
            Some(head) => {
                match source::consistency(&source, epoch, (head.size, head.root), &newer).await {
                    Ok(_) => Some(Ok(())),
                    Err(ReadError::Source(_)) => None,
                    Err(error) => Some(Err(error.to_string())),
                }
            }
            None => None,
        });
    }
    extended
}

pub(crate) async fn fetch(
    network: &Network,
    request: &str,
    size: Option<u64>,
) -> anyhow::Result<serde_json::Value> {
    let query = size.map_or_else(String::new, |size| format!("?size={size}"));
    get_json(&network.http, &format!("{}/v1/receipts/{request}{query}", network.url)).await
}

fn describe(entry: &Entry) -> String {
    let (head, body) = (&entry.receipt.head.record, &entry.receipt.body);
    let owed = body.amount.to_amount_ceil().map_or_else(|| "too much".to_owned(), show);
    format!(
        "receipt   {} segment {}, log epoch {} index {}\n\
         model     {}, {} tokens in, {} out, {:?}\n\
         node      {}\n\
         price     {} for a million weighted tokens (weights {} in, {} out); {} competed\n\
         cost      {} millionths of a millionth USDC, rounded up {owed}; fee {}",
        head.request,
        head.segment.0,
        head.epoch,
        head.index,
        body.model,
        body.input_tokens,
        body.output_tokens,
        body.outcome,
        head.node,
        show(pinaivu_protocol::units::Amount(body.tariff.price.get())),
        body.tariff.input_weight,
        body.tariff.output_weight,
        body.auction.candidates,
        body.amount,
        body.fee,
    )
}
