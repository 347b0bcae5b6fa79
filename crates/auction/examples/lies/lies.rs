//! Every way to pass a node over that its word from the coordinator is for.

use pinaivu_auction::{Case, Clearing, Finding, MOMENT, Terms, examine};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::receipt::{Receipt, ReceiptHead};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::UnixMillis;

use super::market::{Market, NOW, Seller, ask, node};
use super::word::{acknowledged, clear, coordinator, keys, receipt};

/// What a coordinator said and published about one request.
pub(crate) struct Story {
    word: Signed<AskAcknowledgement>,
    entries: Vec<Vec<u8>>,
    terms: Terms,
    receipt: Receipt,
}

impl Story {
    pub(crate) fn of(
        word: Signed<AskAcknowledgement>,
        market: &Market,
        (terms, clearing): (Terms, Clearing),
    ) -> Self {
        let receipt = receipt(&clearing, 0);
        Self { word, entries: market.entries.clone(), terms, receipt }
    }

    pub(crate) fn finding(&self) -> Finding {
        let Self { word, entries, terms, receipt } = self;
        examine(&Case { acknowledgement: word, receipt, entries, terms }, &keys()).unwrap()
    }

    /// Signs a changed receipt.
    fn change(mut self, change: impl FnOnce(&mut Receipt)) -> Self {
        change(&mut self.receipt);
        let body = self.receipt.body.hash();
        self.receipt.head = coordinator().sign(ReceiptHead { body, ..self.receipt.head.record });
        self
    }
}

/// Three nodes; the first asks least.
pub(crate) fn market() -> Market {
    Market::of(&[Seller::new(1, 100), Seller::new(2, 105), Seller::new(3, 108)])
}

/// The words for the three asks of [`market`].
pub(crate) fn word_for(market: &Market, number: u16) -> Signed<AskAcknowledgement> {
    let price = [100, 105, 108][usize::from(number) - 1];
    acknowledged(&market.entries, &ask(number, price, 1))
}

/// One lie.
pub(crate) struct Lie {
    /// In words.
    pub(crate) name: &'static str,
    /// Tells it.
    pub(crate) tell: fn() -> Story,
    /// Whether it is called what it is.
    found: fn(Finding) -> bool,
    /// Whether the coordinator's signatures alone prove it.
    pub(crate) signed: bool,
}

impl Lie {
    /// Whether a finding shows this lie, as what it is.
    pub(crate) fn is_shown_by(&self, finding: Finding) -> bool {
        (self.found)(finding)
            && finding.is_passed_over()
            && finding.is_contradiction() == self.signed
    }
}

/// All lies.
pub(crate) const LIES: &[Lie] = &[
    Lie {
        name: "receipts are cleared from another book than the node was shown",
        tell: || {
            let shown = market();
            let mut kept = Market::of(&[Seller::new(1, 100), Seller::new(2, 105)]);
            while kept.entries.len() < shown.entries.len() {
                kept.offer(1, 100, 2 + kept.entries.len() as u64).unwrap();
            }
            let outcome = clear(&kept, &[], &[]);
            Story::of(word_for(&shown, 3), &kept, outcome)
        },
        found: |finding| finding == Finding::Forked,
        signed: true,
    },
    Lie {
        name: "an acknowledged ask is never entered",
        tell: || {
            let market = market();
            let word = acknowledged(&market.entries, &ask(1, 90, 2));
            let outcome = clear(&market, &[], &[]);
            Story::of(word, &market, outcome)
        },
        found: |finding| finding == Finding::NotEntered,
        signed: true,
    },
    Lie {
        name: "a standing ask that would have set the price is left out",
        tell: || {
            let market = market();
            let (terms, _) = clear(&market, &[], &[]);
            let (_, without) = clear(&market, &[node(2)], &[]);
            Story::of(word_for(&market, 2), &market, (terms, without))
        },
        found: |finding| finding == Finding::LeftOut,
        signed: true,
    },
    Lie {
        name: "a friend's node wins an auction that it did not win",
        tell: || {
            let market = market();
            let outcome = clear(&market, &[], &[]);
            Story::of(word_for(&market, 1), &market, outcome)
                .change(|receipt| receipt.head.record.node = node(3))
        },
        found: |finding| finding == Finding::Unexplained,
        signed: true,
    },
    Lie {
        name: "the winner is paid another price than the auction gives",
        tell: || {
            let market = market();
            let outcome = clear(&market, &[], &[]);
            Story::of(word_for(&market, 1), &market, outcome)
                .change(|receipt| receipt.body.tariff.price.0 += 1)
        },
        found: |finding| finding == Finding::Unexplained,
        signed: true,
    },
    Lie {
        name: "fewer offers competed than stood in the book",
        tell: || {
            let market = market();
            let outcome = clear(&market, &[], &[]);
            Story::of(word_for(&market, 3), &market, outcome)
                .change(|receipt| receipt.body.auction.candidates -= 1)
        },
        found: |finding| finding == Finding::LeftOut,
        signed: true,
    },
    Lie {
        name: "the best ask is left out as if its node had failed",
        tell: || {
            let market = market();
            let (terms, _) = clear(&market, &[], &[]);
            let (_, without) = clear(&market, &[node(1)], &[]);
            Story::of(word_for(&market, 1), &market, (terms, without))
        },
        found: |finding| matches!(finding, Finding::Ahead { rank: 0, .. }),
        signed: false,
    },
    Lie {
        name: "a book from before the ask is used long after",
        tell: || {
            let old = market();
            let (mut terms, clearing) = clear(&old, &[], &[]);
            terms.now = NOW.saturating_add(MOMENT).saturating_add(UnixMillis(1));
            let mut market = market();
            market.offer(3, 50, 2).unwrap();
            let word = acknowledged(&market.entries, &ask(3, 50, 2));
            Story::of(word, &old, (terms, clearing))
        },
        found: |finding| matches!(finding, Finding::Stale { .. }),
        signed: false,
    },
];
