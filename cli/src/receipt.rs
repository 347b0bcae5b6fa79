//! `pinaivu receipt`: show a receipt, or verify it without trusting whoever served it.

mod document;
mod evidence;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use pinaivu_chain::{Chain, Commitment};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::{PublicKey, RequestId};

use crate::context::ContextArgs;
use crate::money::show;
use crate::network::{Network, chain_failure, get_json};
use crate::output::{Failure, Printer};
use document::{Document, Entry};
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
}

/// What to verify, against what.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A request's id, or a file that `receipt show --json` wrote.
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
    /// Use neither the coordinator nor the chain; needs a file and --signer.
    #[arg(long)]
    offline: bool,
    /// The coordinator's hot key, for --offline.
    #[arg(long, value_name = "KEY")]
    signer: Option<PublicKey>,
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
            let document = Document::read(&value)?;
            let text: Vec<String> = document.entries.iter().map(describe).collect();
            printer.result(&value, text.join("\n\n"));
            Ok(())
        }
        ReceiptCommand::Verify(arguments) => verify_command(printer, context, &arguments).await,
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
        let signer = arguments.signer.ok_or_else(|| {
            Failure::failed(
                "without the chain, the coordinator's key must be given",
                "--signer KEY, from a source you trust",
            )
        })?;
        (document, ChainFacts::offline(signer))
    } else {
        online(context, &arguments.receipt).await?
    };
    let report = verify::verify(&document, &facts, &evidence);
    printer.result(&report, report.text());
    if report.passed() { Ok(()) } else { Err(Failure::check("the receipt does not verify").into()) }
}

/// The receipt with its path to the root on chain, and what the chain says.
async fn online(context: &ContextArgs, receipt: &str) -> anyhow::Result<(Document, ChainFacts)> {
    let network = Network::open(context).await?;
    let coordinator = network.coordinator().await?;
    let deployment = network.chain.deployment().await.map_err(chain_failure)?.id();
    let mut document = match receipt.parse::<RequestId>() {
        Ok(id) => {
            let size = (coordinator.log.size > 0).then_some(coordinator.log.size);
            Document::read(&fetch(&network, &id.to_string(), size).await?)?
        }
        Err(_) => read_file(Path::new(receipt))?,
    };
    // A file's path may lead to an older root than the one on chain: ask for the present one.
    if receipt.parse::<RequestId>().is_err()
        && let Ok(value) = fetch(&network, &document.request_id, Some(coordinator.log.size)).await
        && let Ok(newer) = Document::read(&value)
    {
        document.adopt_inclusion(newer);
    }
    let mut nodes = Vec::new();
    for entry in &document.entries {
        let id = entry.receipt.head.record.node;
        if let Some(node) =
            network.chain.node(id, Commitment::Confirmed).await.map_err(chain_failure)?
        {
            nodes.push(node);
        }
    }
    let facts = ChainFacts {
        deployment: Some(deployment),
        signer: coordinator.signer,
        coordinator: Some(coordinator),
        nodes,
    };
    Ok((document, facts))
}

async fn fetch(
    network: &Network,
    request: &str,
    size: Option<u64>,
) -> anyhow::Result<serde_json::Value> {
    let query = size.map_or_else(String::new, |size| format!("?size={size}"));
    get_json(&network.http, &format!("{}/v1/receipts/{request}{query}", network.url)).await
}

fn read_file(path: &Path) -> anyhow::Result<Document> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::not_found(
            format!("{} is neither a request's id nor a readable file: {error}", path.display()),
            "ids look like req_ and 32 digits; `pinaivu receipt show --json ID` makes a file",
        )
    })?;
    let value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not JSON", path.display()))?;
    Document::read(&value)
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
