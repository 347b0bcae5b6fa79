//! `pinaivu receipt`: show a receipt, or verify it without trusting whoever served it.

mod bundle;
mod document;
mod evidence;
mod online;
pub(crate) mod record;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pinaivu_log::bundle::{Document, Entry};
use pinaivu_log::note::NoteKey;
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{PublicKey, RequestId};

use crate::context::ContextArgs;
use crate::money::show;
use crate::network::Network;
use crate::output::{Failure, Printer};
pub(crate) use document::{fetch, read_file};
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
    /// A key that the coordinator signed with before, where the chain has no record of it any more; may be
    /// given more than once.
    #[arg(long, value_name = "KEY")]
    former_signer: Vec<PublicKey>,
    /// A witness whose cosignature you want to see on the log head, NAME+ID+KEY; may be given more than
    /// once.
    #[arg(long, value_name = "KEY")]
    witness: Vec<WitnessKey>,
    /// A measurement of code that you accept, for --offline; with the chain, the market's list is used.
    /// May be given more than once.
    #[arg(long, value_name = "HASH")]
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
            let (value, document) = fetch(&network, request, None).await?;
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
            former_signers: arguments.former_signer.clone(),
            ..ChainFacts::offline(signer)
        };
        (document, facts)
    } else {
        let (document, facts) =
            online::online(context, &arguments.receipt, &arguments.former_signer).await?;
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
    document::with_path(network, receipt, coordinator.log.size).await
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
