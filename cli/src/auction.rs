//! `pinaivu auction`: runs a request's clearing again from the book its receipt commits to, and says what
//! became of a node's ask in it.

mod passed_over;
mod ratings;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use pinaivu_auction::{BookEntry, Order, OrderBook, Terms, next_head};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{PublicKey, RequestId};
use pinaivu_protocol::receipt::Receipt;
use serde::Deserialize;
use serde_json::json;

use crate::context::ContextArgs;
use crate::network::{Network, get_json};
use crate::output::{Failure, Printer};
use crate::receipt::fetch;

/// What to do with auctions.
#[derive(Debug, Subcommand)]
pub(crate) enum AuctionCommand {
    /// Run a request's clearing again and compare winner and price with its receipt.
    ///
    /// The order book is rebuilt from its entries, signatures of asks included, and must have the head
    /// that the signed receipt names. What the clearing was asked (prompt length, limits, who was full)
    /// is the coordinator's word, and so is how fast nodes were: their quality factors are computed from
    /// the measurements in the book.
    Replay {
        /// The request's id.
        request: RequestId,
        /// A key that the coordinator signed with before, where the chain has no record of it any more;
        /// may be given more than once.
        #[arg(long, value_name = "KEY")]
        former_signer: Vec<PublicKey>,
        /// Hold what the book says of nodes' service against the receipts too; reads the whole log.
        #[arg(long)]
        ratings: bool,
    },
    /// Say what became of a node's acknowledged ask in a request's clearing.
    ///
    /// Holds the coordinator's signed word for the ask against the book that the receipt commits to. Exits
    /// with 3 when the node was passed over.
    PassedOver(passed_over::PassedOverArgs),
}

#[derive(Deserialize)]
struct AuctionView {
    book: u64,
    book_version: u64,
    terms: String,
}

#[derive(Deserialize)]
struct Page {
    data: Vec<PageEntry>,
    next: Option<u64>,
}

#[derive(Deserialize)]
struct PageEntry {
    entry: String,
}

/// Carries out one command.
pub(crate) async fn run(
    printer: &Printer,
    context: &ContextArgs,
    command: AuctionCommand,
) -> anyhow::Result<()> {
    let network = Network::open(context).await?;
    match command {
        AuctionCommand::Replay { request, former_signer, ratings } => {
            replay(printer, &network, request, &former_signer, ratings).await
        }
        AuctionCommand::PassedOver(arguments) => {
            passed_over::run(printer, &network, &arguments).await
        }
    }
}

/// What a coordinator publishes of a request's auction. Nothing of it is checked.
struct Published {
    receipt: Receipt,
    /// The key that is said to have signed it.
    signer: Option<PublicKey>,
    view: AuctionView,
    terms: Terms,
    /// The book's entries up to the version that the request was cleared from.
    entries: Vec<Vec<u8>>,
}

async fn published(network: &Network, request: RequestId) -> anyhow::Result<Published> {
    let (_, document) = fetch(network, request, None).await?;
    let entry = document.entries.into_iter().next().context("no receipt")?;
    let (signer, receipt) = (entry.signer, entry.receipt);
    if receipt.body.auction.candidates == 0 {
        return Err(Failure::not_found(
            "this receipt was made from a proof after a crash; no auction is known",
            "receipts of other requests can be replayed",
        )
        .into());
    }
    let url = format!("{}/v1/receipts/{request}/auction", network.url);
    let view: AuctionView = get_json(&network.http, &url).await?;
    let terms = STANDARD.decode(&view.terms).ok().and_then(|bytes| Terms::decode(&bytes));
    let terms = terms.context("the coordinator's terms are not terms of a clearing")?;
    let entries = book(network, &view).await?;
    Ok(Published { receipt, signer, view, terms, entries })
}

async fn replay(
    printer: &Printer,
    network: &Network,
    request: RequestId,
    former: &[PublicKey],
    with_ratings: bool,
) -> anyhow::Result<()> {
    let account = network.coordinator().await?;
    let Published { receipt, signer, view, terms, entries } = published(network, request).await?;
    let receipt = &receipt;
    let keys = network.signers(&account, signer, former).await?;
    if !keys.iter().any(|key| receipt.verify(key).is_ok()) {
        let error =
            receipt.verify(&account.signer).err().map_or_else(String::new, |e| e.to_string());
        return Err(Failure::check(format!("the receipt does not verify: {error}")).into());
    }
    let mut head = Hash32::ZERO;
    let mut book = Vec::new();
    for bytes in &entries {
        head = next_head(&head, bytes);
        book.push(BookEntry::decode(bytes).context("an entry is not one of a book")?);
    }
    let service = match with_ratings {
        true => {
            let epoch = receipt.head.record.epoch;
            Some(ratings::check(*printer, network, &account, epoch, &book).await?)
        }
        false => None,
    };
    let result = compare(receipt, &terms, book, head);
    match result {
        Ok(replayed) => {
            let mut value = json!({
                "request_id": request.to_string(),
                "verified": true,
                "book": view.book,
                "book_version": view.book_version,
                "book_head": head.to_string(),
                "candidates": replayed.candidates,
                "rank": replayed.rank,
                "tried_before": replayed.before,
                "wish": { "order": format!("{:?}", terms.wish.order).to_lowercase(),
                    "first_only": terms.wish.first_only },
                "winner": receipt.head.record.node,
                "price": receipt.body.tariff.price,
            });
            let mut text = format!(
                "the book has the {} entries that lead to the head in the receipt\n\
                 {} offers competed; node {} was number {} and is paid {}{}\nverified",
                view.book_version,
                replayed.candidates,
                receipt.head.record.node,
                replayed.rank + 1,
                receipt.body.tariff.price,
                match terms.wish.order {
                    Order::Auction => "",
                    Order::Price => "\nthe client wanted the lowest price first",
                    Order::Latency | Order::Throughput =>
                        "\nthe client wanted the fastest first; how fast is the coordinator's word",
                },
            );
            let Some(service) = service else {
                printer.result(&value, text);
                return Ok(());
            };
            value["verified"] = json!(service.findings.is_empty());
            value["service"] = ratings::document(&service);
            text.push_str(&format!("\n{}", ratings::text(&service)));
            printer.result(&value, text);
            match service.findings.first() {
                None => Ok(()),
                Some(finding) => Err(Failure::check(ratings::words(finding)).into()),
            }
        }
        Err(why) => Err(Failure::check(why).into()),
    }
}

/// Longest book that is read: a coordinator begins a new one with each start.
const MAX_BOOK_BYTES: usize = 1024 * 1024 * 1024;

/// The entries up to the version that the request was cleared from, as they were published.
async fn book(network: &Network, view: &AuctionView) -> anyhow::Result<Vec<Vec<u8>>> {
    let (mut entries, mut bytes) = (Vec::new(), 0_usize);
    let mut from = Some(1);
    while let Some(first) = from {
        let url = format!("{}/v1/book/{}?from={first}", network.url, view.book);
        let page: Page = get_json(&network.http, &url).await?;
        if page.data.is_empty() || page.next.is_some_and(|next| next <= first) {
            bail!("{url}: a page of the book leads nowhere");
        }
        for PageEntry { entry } in &page.data {
            if entries.len() as u64 >= view.book_version {
                return Ok(entries);
            }
            let entry = STANDARD.decode(entry).context("an entry is not base64")?;
            bytes = bytes.saturating_add(entry.len());
            if bytes > MAX_BOOK_BYTES {
                bail!("the book has more than {MAX_BOOK_BYTES} bytes up to there");
            }
            entries.push(entry);
        }
        from = page.next;
    }
    if (entries.len() as u64) < view.book_version {
        bail!("the book ends at version {}, before {}", entries.len(), view.book_version);
    }
    Ok(entries)
}

#[derive(Debug, PartialEq, Eq)]
struct Replayed {
    candidates: u16,
    /// In the auction.
    rank: usize,
    /// In the order the client wanted; nothing where that is by speed.
    before: Option<usize>,
}

/// Clears again and holds the result against the receipt.
fn compare(
    receipt: &Receipt,
    terms: &Terms,
    entries: Vec<BookEntry>,
    head: Hash32,
) -> Result<Replayed, String> {
    let (signed, body) = (&receipt.head.record, &receipt.body);
    if head != body.auction.book_head {
        return Err(format!(
            "the book's entries lead to {head}, the receipt names {}",
            body.auction.book_head
        ));
    }
    if (terms.request, &terms.model) != (signed.request, &body.model) {
        return Err("the terms are those of another request".to_owned());
    }
    match entries.first() {
        Some(BookEntry::Opened { deployment, coordinator, .. })
            if (*deployment, *coordinator) == (signed.deployment, signed.coordinator) => {}
        _ => return Err("the book is another coordinator's".to_owned()),
    }
    let book = OrderBook::replay(entries).map_err(|error| format!("the book: {error}"))?;
    let clearing = terms.clear(&book.snapshot()).map_err(|none| format!("nobody wins: {none}"))?;
    let found = clearing.ranked().iter().position(|candidate| candidate.node == signed.node);
    let Some((rank, candidate)) = found.and_then(|rank| Some((rank, clearing.ranked().get(rank)?)))
    else {
        return Err(format!("node {} does not win, nor is it next", signed.node));
    };
    let tried = terms.tried(&clearing);
    if let Some(tried) = &tried
        && !tried.contains(&rank)
    {
        return Err(format!("the client wanted only another node than {}", signed.node));
    }
    if candidate.tariff != body.tariff {
        return Err(format!(
            "the clearing price is {:?}, the receipt charges {:?}",
            candidate.tariff, body.tariff
        ));
    }
    if clearing.digest(candidate) != body.auction {
        return Err(format!(
            "the clearing gives {:?}, the receipt says {:?}",
            clearing.digest(candidate),
            body.auction
        ));
    }
    // How many the client's own order puts before it; by measured speed, nobody else can say.
    let before = tried.and_then(|tried| tried.iter().position(|place| *place == rank));
    Ok(Replayed { candidates: body.auction.candidates, rank, before })
}
