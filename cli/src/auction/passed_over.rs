//! `pinaivu auction passed-over`: a node's word from the coordinator against a receipt.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use borsh::BorshDeserialize as _;
use clap::Args;
use pinaivu_auction::{Case, Finding, Terms, examine};
use pinaivu_node_client::acknowledged::{Acknowledged, read};
use pinaivu_protocol::ids::{CoordinatorId, PublicKey, RequestId};
use serde_json::json;

use super::{Published, published};
use crate::network::Network;
use crate::output::{Failure, Printer};

/// Which word against which receipt.
#[derive(Debug, Args)]
pub(crate) struct PassedOverArgs {
    /// The request's id.
    request: RequestId,
    /// The node's `data_dir`, which keeps the coordinator's words for its asks.
    #[arg(long, value_name = "DIR", required_unless_present = "word", conflicts_with = "word")]
    node_data: Option<PathBuf>,
    /// One ask with the coordinator's word for it, in base64, as this command prints it.
    #[arg(long, value_name = "BASE64")]
    word: Option<String>,
    /// A key that the coordinator signed with before, where neither the chain has a record of it any more
    /// nor the receipt names it; may be given more than once.
    #[arg(long, value_name = "KEY")]
    former_signer: Vec<PublicKey>,
}

/// Says what became of the ask.
pub(super) async fn run(
    printer: &Printer,
    network: &Network,
    arguments: &PassedOverArgs,
) -> anyhow::Result<()> {
    let account = network.coordinator().await?;
    let Published { receipt, signer, view, terms, entries } =
        published(network, arguments.request).await?;
    let coordinator = receipt.head.record.coordinator;
    let held = held(arguments, coordinator, &terms)?;
    let keys = network.signers(&account, signer, &arguments.former_signer).await?;
    let case = Case {
        acknowledgement: &held.acknowledgement,
        receipt: &receipt,
        entries: &entries,
        terms: &terms,
    };
    let finding = examine(&case, &keys).map_err(|error| Failure::check(error.to_string()))?;
    let (kind, words) = tell(finding);
    let said = &held.acknowledgement.record;
    let value = json!({
        "request_id": arguments.request.to_string(),
        "node": said.node,
        "served_by": receipt.head.record.node,
        "ask": said.ask,
        "ask_price": held.ask.record.price,
        "acknowledged": said,
        "book": view.book,
        "book_version": view.book_version,
        "book_head": receipt.body.auction.book_head,
        "finding": kind,
        "passed_over": finding.is_passed_over(),
        "contradiction": finding.is_contradiction(),
        "word": STANDARD.encode(borsh::to_vec(&held)?),
    });
    let text = format!(
        "the coordinator signed that ask {} of node {} is in its book at version {}\n\
         request {} was cleared from version {}\n{words}",
        said.ask, said.node, said.version, arguments.request, view.book_version
    );
    printer.result(&value, text);
    match (finding.is_contradiction(), finding.is_passed_over()) {
        (true, _) => {
            Err(Failure::check(format!("the coordinator contradicts what it signed: {words}"))
                .into())
        }
        (false, true) => Err(Failure::check(format!("passed over: {words}")).into()),
        (false, false) => Ok(()),
    }
}

/// The given word, or of the node's own the newest one for the model that was given when the request was
/// cleared, else the oldest after.
fn held(
    arguments: &PassedOverArgs,
    coordinator: CoordinatorId,
    terms: &Terms,
) -> anyhow::Result<Acknowledged> {
    if let Some(word) = &arguments.word {
        let bytes = STANDARD.decode(word.trim()).context("--word is not base64")?;
        return Acknowledged::try_from_slice(&bytes).context("--word is not an ask with its word");
    }
    let folder = arguments.node_data.as_deref().context("clap asks for one of the two")?;
    let all = read(folder, coordinator)
        .with_context(|| format!("cannot read what {} keeps", folder.display()))?;
    let (before, after): (Vec<_>, Vec<_>) = all
        .into_iter()
        .filter(|one| one.ask.record.model == terms.model)
        .partition(|one| one.acknowledgement.record.at <= terms.now);
    before.into_iter().next_back().or_else(|| after.into_iter().next()).ok_or_else(|| {
        Failure::not_found(
            format!("{} holds no word for an ask for {}", folder.display(), terms.model),
            "nodes keep them for thirty days, from the version on that asks for them",
        )
        .into()
    })
}

/// The finding as a name and in words.
fn tell(finding: Finding) -> (&'static str, String) {
    match finding {
        Finding::Forked => (
            "forked",
            "the book that leads to the receipt passes the acknowledged version with another head: the \
             node was shown another book than the receipt"
                .to_owned(),
        ),
        Finding::NotEntered => (
            "not_entered",
            "the acknowledged book does not have the ask as the node's newest".to_owned(),
        ),
        Finding::LeftOut => (
            "left_out",
            "the ask stood, and the auction in the receipt is the one without it".to_owned(),
        ),
        Finding::Unexplained => (
            "unexplained",
            "the ask stood, and the auction in the receipt comes out neither with nor without it"
                .to_owned(),
        ),
        Finding::Stale { used } => (
            "stale",
            format!("by its own terms it was cleared from version {used} long after the word was given"),
        ),
        Finding::Ahead { rank, served } => (
            "ahead",
            format!(
                "the node was number {} and number {} served: unless the node was given the request and \
                 failed, it was passed over",
                rank.saturating_add(1),
                served.saturating_add(1)
            ),
        ),
        Finding::Served => ("served", "the node served it".to_owned()),
        Finding::Outbid { rank: Some(rank) } => {
            ("outbid", format!("the node competed and was number {}", rank.saturating_add(1)))
        }
        Finding::Outbid { rank: None } => {
            ("outbid", "the node competed and was beyond those that are ranked".to_owned())
        }
        Finding::Excluded(why) => (
            "excluded",
            format!("the node could not compete, by the coordinator's terms: {why:?}"),
        ),
        Finding::Ended { version } => {
            ("ended", format!("the ask ended before, by entry {version} of the book"))
        }
        Finding::Withdrawn => ("withdrawn", "what was acknowledged is a withdrawal".to_owned()),
        Finding::Later { used } => (
            "later",
            format!("the ask came after the request, which was cleared from version {used}"),
        ),
        Finding::OtherModel => ("other_model", "the ask is for another model".to_owned()),
        Finding::OtherBook => (
            "other_book",
            "the request was cleared from another book; the coordinator was started in between"
                .to_owned(),
        ),
    }
}
