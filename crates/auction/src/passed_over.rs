//! What became of an acknowledged ask in a clearing, from signed statements and the book they commit to.
//!
//! A node holds the coordinator's [`AskAcknowledgement`]; a receipt names the book it was cleared from by
//! the head of a hash chain. The entries that lead to the receipt's head are then the coordinator's own
//! word, and [`examine`] holds the acknowledgement against them. [`Finding::is_contradiction`] says which
//! findings are proofs: nobody but the coordinator could have signed both sides. The terms of a clearing
//! are published and not signed: findings that rest on them alone say so.

use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::signed::{SignatureError, Signed};
use pinaivu_protocol::units::UnixMillis;

use crate::book::OrderBook;
use crate::clearing::{Clearing, Exclusion};
use crate::entry::{BookEntry, next_head};
use crate::outcome::ReplayError;
use crate::terms::Terms;

/// How much later than an acknowledgement a clearing may be and still use the state before it: the
/// newest state is taken when a request is admitted, the time a moment later.
pub const MOMENT: UnixMillis = UnixMillis(5_000);

/// All that is needed to say what became of an ask.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The coordinator's word to the node.
    pub acknowledgement: &'a Signed<AskAcknowledgement>,
    /// The receipt of the clearing.
    pub receipt: &'a Receipt,
    /// The book's entries from its first to the receipt's head, as they were published.
    pub entries: &'a [Vec<u8>],
    /// What the clearing was asked, as it was published.
    pub terms: &'a Terms,
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseError {
    /// The acknowledgement is not signed by a key of the coordinator.
    #[error("the acknowledgement: {0}")]
    Acknowledgement(SignatureError),
    /// Nor is the receipt.
    #[error("the receipt: {0}")]
    Receipt(SignatureError),
    /// Acknowledgement, receipt, book and terms are not of one coordinator and request.
    #[error("acknowledgement, receipt, book and terms do not belong together")]
    Apart,
    /// The receipt was made from a proof after a crash.
    #[error("no auction is known of this receipt, which was made after a crash")]
    NoAuction,
    /// The entries do not lead to the receipt's head, so the coordinator has not signed for them.
    #[error("the entries lead to {found}, the receipt names {named}")]
    Head {
        /// Where they lead.
        found: Hash32,
        /// What the receipt names.
        named: Hash32,
    },
    /// The entries do not make a book.
    #[error("the book: {0}")]
    Book(#[from] ReplayError),
    /// Bytes that are no entry, at this version.
    #[error("entry {0} of the book is none")]
    Entry(u64),
}

/// What became of the ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The book passes the acknowledged version with another head: two books were shown.
    Forked,
    /// The book has the acknowledged head, and the ask is not the node's newest in it.
    NotEntered,
    /// The receipt's auction is the one that comes out when this node is left out, though its ask stood.
    LeftOut,
    /// The receipt's auction does not come out at all, neither with nor without this node.
    Unexplained,
    /// By the published terms the request was cleared from a state of the book that was no longer the
    /// newest when the ask had been acknowledged.
    Stale {
        /// The version that was used.
        used: u64,
    },
    /// It stood before the node that served: prices and counts of the receipt are those of a clearing
    /// without the better ones, which is also how a request goes on after they failed. Either it was given
    /// the request and failed, which the node knows, or it was passed over.
    Ahead {
        /// Its place, from 0.
        rank: usize,
        /// The place of the one that served.
        served: usize,
    },
    /// It served.
    Served,
    /// Others were better.
    Outbid {
        /// Its place, from 0; nothing when it is beyond those that are ranked.
        rank: Option<usize>,
    },
    /// By the published terms it could not compete.
    Excluded(Exclusion),
    /// The book says that it ended before the request.
    Ended {
        /// Version of the entry that says so.
        version: u64,
    },
    /// It was a withdrawal.
    Withdrawn,
    /// It came after the request.
    Later {
        /// The version that was used.
        used: u64,
    },
    /// The request was for another model.
    OtherModel,
    /// The request was cleared from another book: the coordinator was started anew in between, and
    /// nodes say again what they ask.
    OtherBook,
}

impl Finding {
    /// Whether signed statements of the coordinator contradict each other.
    #[must_use]
    pub const fn is_contradiction(&self) -> bool {
        matches!(self, Self::Forked | Self::NotEntered | Self::LeftOut | Self::Unexplained)
    }

    /// Whether the node was passed over, by signed statements or by what was published besides.
    #[must_use]
    pub const fn is_passed_over(&self) -> bool {
        self.is_contradiction() || matches!(self, Self::Stale { .. } | Self::Ahead { .. })
    }
}

/// Says what became of the ask. Everything is checked: both signatures under one of `keys`, the book down
/// to the signatures of its asks.
///
/// # Errors
/// [`CaseError`].
pub fn examine(case: &Case<'_>, keys: &[PublicKey]) -> Result<Finding, CaseError> {
    let said = check(case, keys)?;
    let (receipt, terms) = (case.receipt, case.terms);
    let chain = Chain::of(case.entries)?;
    let named = receipt.body.auction.book_head;
    if chain.head() != named {
        return Err(CaseError::Head { found: chain.head(), named });
    }
    match chain.entries.first() {
        Some(BookEntry::Opened { deployment, coordinator, .. })
            if (*deployment, *coordinator) == (said.deployment, said.coordinator) => {}
        _ => return Err(CaseError::Apart),
    }
    if chain.at(1) != Some(said.book) {
        return Ok(Finding::OtherBook);
    }
    let used = chain.version();
    if used < said.version {
        let stale = said.at.saturating_add(MOMENT) < terms.now;
        return Ok(if stale { Finding::Stale { used } } else { Finding::Later { used } });
    }
    if chain.at(said.version) != Some(said.head) {
        return Ok(Finding::Forked);
    }
    let book = OrderBook::replay(chain.entries.iter().cloned())?;
    let Some(ask) = chain.newest(said) else { return Ok(Finding::NotEntered) };
    if ask.expires <= said.at {
        return Ok(Finding::Withdrawn);
    }
    if ask.model != receipt.body.model {
        return Ok(Finding::OtherModel);
    }
    if let Some(version) = chain.end_of(ask, said.version) {
        return Ok(Finding::Ended { version });
    }
    Ok(cleared(case, said, &book))
}

fn check<'a>(case: &Case<'a>, keys: &[PublicKey]) -> Result<&'a AskAcknowledgement, CaseError> {
    let verified = |verify: &dyn Fn(&PublicKey) -> Result<(), SignatureError>| {
        let mut last = Ok(());
        for key in keys {
            last = verify(key);
            if last.is_ok() {
                break;
            }
        }
        last
    };
    verified(&|key| case.acknowledgement.verify(key).map(|_| ()))
        .map_err(CaseError::Acknowledgement)?;
    verified(&|key| case.receipt.head.verify(key).map(|_| ())).map_err(CaseError::Receipt)?;
    let (said, head) = (&case.acknowledgement.record, &case.receipt.head.record);
    let (receipt, terms) = (case.receipt, case.terms);
    if (said.deployment, said.coordinator) != (head.deployment, head.coordinator)
        || receipt.body.hash() != head.body
        || (terms.request, &terms.model) != (head.request, &receipt.body.model)
        || keys.is_empty()
    {
        return Err(CaseError::Apart);
    }
    if receipt.body.auction.candidates == 0 {
        return Err(CaseError::NoAuction);
    }
    Ok(said)
}

/// The entries of a book, with the head after each.
struct Chain {
    entries: Vec<BookEntry>,
    heads: Vec<Hash32>,
}

impl Chain {
    fn of(bytes: &[Vec<u8>]) -> Result<Self, CaseError> {
        let mut head = Hash32::ZERO;
        let (mut entries, mut heads) = (Vec::new(), Vec::new());
        for (version, bytes) in (1..).zip(bytes) {
            head = next_head(&head, bytes);
            entries.push(BookEntry::decode(bytes).ok_or(CaseError::Entry(version))?);
            heads.push(head);
        }
        Ok(Self { entries, heads })
    }

    fn head(&self) -> Hash32 {
        self.heads.last().copied().unwrap_or(Hash32::ZERO)
    }

    fn version(&self) -> u64 {
        u64::try_from(self.heads.len()).unwrap_or(u64::MAX)
    }

    /// The head after so many entries.
    fn at(&self, version: u64) -> Option<Hash32> {
        let place = usize::try_from(version.checked_sub(1)?).ok()?;
        self.heads.get(place).copied()
    }

    fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &BookEntry)> {
        let versions: Vec<u64> = (1..=self.version()).collect();
        versions.into_iter().zip(&self.entries)
    }

    /// The acknowledged ask, when it is in the book by then and the node's last word for its model.
    fn newest(&self, said: &AskAcknowledgement) -> Option<&Ask> {
        let asks = || {
            let until = self.numbered().filter(|(version, _)| *version <= said.version);
            until.filter_map(|(_, entry)| match entry {
                BookEntry::AskApplied { ask, .. } if ask.record.node == said.node => {
                    Some(&ask.record)
                }
                _ => None,
            })
        };
        let found = asks().find(|ask| ask.hash() == said.ask)?;
        let last = asks().rfind(|ask| ask.model == found.model)?;
        (last.hash() == said.ask).then_some(found)
    }

    /// The entry after `version` that ends an ask.
    fn end_of(&self, ended: &Ask, version: u64) -> Option<u64> {
        let ends = |entry: &BookEntry| match entry {
            BookEntry::NodeRemoved { node } => *node == ended.node,
            BookEntry::AskApplied { ask, .. } => {
                (ask.record.node, &ask.record.model) == (ended.node, &ended.model)
            }
            BookEntry::Expired { at } => ended.expires <= *at,
            _ => false,
        };
        let mut after = self.numbered().filter(|(number, _)| *number > version);
        after.find(|(_, entry)| ends(entry)).map(|(number, _)| number)
    }
}

/// Runs the clearing again with the ask standing.
fn cleared(case: &Case<'_>, said: &AskAcknowledgement, book: &OrderBook) -> Finding {
    let (served, auction) = (case.receipt.head.record.node, case.receipt.body.auction);
    let snapshot = book.snapshot();
    let with = case.terms.clear(&snapshot).ok();
    let place = |clearing: &Clearing, node| {
        clearing.ranked().iter().position(|candidate| candidate.node == node)
    };
    let comes_out = |clearing: &Clearing| {
        let mut ranked = clearing.ranked().iter();
        ranked.any(|found| {
            found.node == served
                && clearing.digest(found) == auction
                && found.tariff == case.receipt.body.tariff
        })
    };
    if !with.as_ref().is_some_and(comes_out) {
        let mut without = case.terms.clone();
        without.excluded.push(said.node);
        let left_out = served != said.node && without.clear(&snapshot).is_ok_and(|c| comes_out(&c));
        return if left_out { Finding::LeftOut } else { Finding::Unexplained };
    }
    if served == said.node {
        return Finding::Served;
    }
    if let Some(exclusion) = case.terms.exclusion(&snapshot, &said.node) {
        return Finding::Excluded(exclusion);
    }
    let Some(clearing) = with else { return Finding::Unexplained };
    match (place(&clearing, said.node), place(&clearing, served)) {
        (Some(rank), Some(served)) if rank < served => Finding::Ahead { rank, served },
        (rank, _) => Finding::Outbid { rank },
    }
}
