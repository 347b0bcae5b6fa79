//! `pinaivu auction replay --ratings`: what the book says of nodes' service, against the receipts in the log.

use indicatif::ProgressBar;
use pinaivu_auction::{BookEntry, FalseService, Service, ServiceReport};
use pinaivu_chain::{Chain as _, Commitment, Coordinator};
use pinaivu_log::entry::{Entry, entries};
use pinaivu_log::source::LogSource as _;
use pinaivu_log::tile::{Resource, Span};
use pinaivu_protocol::merkle::CompactRange;
use pinaivu_protocol::proof::Outcome;
use serde_json::{Value, json};

use crate::log::HttpLog;
use crate::network::{Network, chain_failure};
use crate::output::{Failure, Printer};

/// Reads every receipt of an epoch that the chain covers and holds the book, whose clearings are in that
/// epoch, against them. Eight bytes of memory a receipt.
pub(super) async fn check(
    printer: Printer,
    network: &Network,
    account: &Coordinator,
    epoch: u32,
    book: &[BookEntry],
) -> anyhow::Result<ServiceReport> {
    let (size, root) = match epoch == account.log.epoch {
        true => (account.log.size, account.log.root),
        false => {
            let head = network.chain.epoch_head(account.id, epoch, Commitment::Confirmed).await;
            let head = head.map_err(chain_failure)?.ok_or_else(|| {
                Failure::not_found(
                    format!("the chain has no head of epoch {epoch}"),
                    "replay a newer request, or leave out --ratings",
                )
            })?;
            (head.size, head.root)
        }
    };
    let source = HttpLog::of(network);
    let bar = printer.progress(ProgressBar::new(size));
    let mut tree = CompactRange::new();
    let mut service = Service::default();
    for span in Span::covering(size) {
        let resource = Resource::Entries(span);
        let bundle = source.fetch(epoch, &resource.to_string()).await.map_err(|error| {
            Failure::check(format!("the chain covers {resource}, which cannot be had: {error}"))
        })?;
        for bytes in entries(&bundle).take(usize::from(span.width)) {
            let entry =
                bytes.ok().and_then(|bytes| Entry::decode(bytes).ok()).ok_or_else(|| {
                    Failure::check(format!("{resource} holds something else than receipts"))
                })?;
            tree.push(entry.leaf())?;
            if entry.body.outcome == Outcome::Completed {
                service.receipt(entry.head.node, &entry.body.model, entry.body.created);
            }
        }
        bar.set_position(tree.size());
    }
    bar.finish_and_clear();
    // A log without entries has no root on chain.
    if size > 0 && (tree.size(), tree.root()) != (size, root) {
        return Err(Failure::check("the log's entries do not lead to the root on chain").into());
    }
    Ok(service.check(book))
}

/// For people.
pub(super) fn text(report: &ServiceReport) -> String {
    let ServiceReport { lines, pending, bare, findings } = report;
    let mut text =
        format!("service   {lines} measurements of nodes were held against the log's receipts");
    if *pending > 0 {
        text.push_str(&format!("; receipts of the newest {pending} may still be to come"));
    }
    if *bare > 0 {
        text.push_str(&format!("; {bare} standings are given without measurements"));
    }
    for finding in findings {
        text.push_str(&format!("\n  {}", words(finding)));
    }
    text
}

/// One finding in words.
pub(super) fn words(finding: &FalseService) -> String {
    match finding {
        FalseService::LastServed { node, model, at } => format!(
            "no receipt shows that node {node} served {model} at {at}, which would let it set prices"
        ),
        FalseService::Answers { node, model, said, receipts } => format!(
            "node {node} is said to have given {said} answers by {model}, receipts show {receipts}"
        ),
    }
}

/// For programs.
pub(super) fn document(report: &ServiceReport) -> Value {
    json!({
        "lines": report.lines,
        "pending": report.pending,
        "bare": report.bare,
        "false": report.findings.iter().map(words).collect::<Vec<_>>(),
    })
}
