//! The best few offers of a scan, and what prices them, in one pass and constant space.
//!
//! Beside the best [`MAX_RANKED`] it remembers of everything else only what prices can depend on: the
//! lowest ask, and the best possible runner-up of each of two payout owners (the second is needed when
//! the first belongs to the winner).

use std::cell::Cell;
use std::cmp::Ordering;

use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::units::TokenPrice;

use crate::clearing::MAX_RANKED;
use crate::snapshot::{Party, Quote};
use crate::tie::tie_break;

/// An offer with its place in the order: by score, then tie hash, then node id.
#[derive(Clone, Debug)]
pub(crate) struct Contender<'a> {
    pub(crate) score: u128,
    pub(crate) factor: u64,
    pub(crate) quote: &'a Quote,
    pub(crate) party: &'a Party,
    /// Computed when it is first needed: it costs more than everything else here.
    tie: Cell<Option<u64>>,
}

impl Contender<'_> {
    /// [`Ordering::Less`] is better.
    fn order(&self, other: &Self, request: &RequestId) -> Ordering {
        self.score.cmp(&other.score).then_with(|| self.tie_order(other, request))
    }

    /// Whether this one wins when the scores are equal.
    pub(crate) fn wins_ties(&self, other: &Self, request: &RequestId) -> bool {
        self.tie_order(other, request) == Ordering::Less
    }

    fn tie_order(&self, other: &Self, request: &RequestId) -> Ordering {
        let by_hash = self.tie(request).cmp(&other.tie(request));
        by_hash.then_with(|| self.party.node.cmp(&other.party.node))
    }

    fn tie(&self, request: &RequestId) -> u64 {
        self.tie.get().unwrap_or_else(|| {
            let tie = tie_break(request, &self.party.node);
            self.tie.set(Some(tie));
            tie
        })
    }

    fn may_price(&self, other: &Self) -> bool {
        self.quote.standing.recent_service && self.quote.owner != other.quote.owner
    }
}

/// The outcome of a scan so far.
#[derive(Debug)]
pub(crate) struct Ranking<'a> {
    request: RequestId,
    best: Vec<Contender<'a>>,
    lowest_ask_outside: Option<TokenPrice>,
    first_outside: Option<Contender<'a>>,
    second_outside: Option<Contender<'a>>,
}

impl<'a> Ranking<'a> {
    pub(crate) fn new(request: RequestId) -> Self {
        Self {
            request,
            best: Vec::with_capacity(MAX_RANKED.saturating_add(1)),
            lowest_ask_outside: None,
            first_outside: None,
            second_outside: None,
        }
    }

    /// Takes one more offer into account. `score` is its price times `factor`.
    pub(crate) fn add(&mut self, score: u128, factor: u64, quote: &'a Quote, party: &'a Party) {
        let full = self.best.len() >= MAX_RANKED;
        // Most offers of a large book are worse than all that is remembered.
        if full
            && self.best.last().is_some_and(|last| score > last.score)
            && (!quote.standing.recent_service
                || self.second_outside.as_ref().is_some_and(|second| score > second.score))
        {
            self.note_ask(quote.price);
            return;
        }
        let contender = Contender { score, factor, quote, party, tie: Cell::new(None) };
        if full && self.best.last().is_some_and(|last| self.is_before(last, &contender)) {
            self.leave_outside(contender);
            return;
        }
        let place = self.best.partition_point(|other| self.is_before(other, &contender));
        self.best.insert(place, contender);
        if full && let Some(last) = self.best.pop() {
            self.leave_outside(last);
        }
    }

    /// The best offers, best first.
    pub(crate) fn best(&self) -> &[Contender<'a>] {
        &self.best
    }

    /// What sets the price of the offer at `rank` once those before it are gone: the best of the rest
    /// that has another payout owner and served lately.
    pub(crate) fn runner_up(&self, rank: usize) -> Option<&Contender<'a>> {
        let winner = self.best.get(rank)?;
        let inside = self.best.iter().skip(rank.saturating_add(1));
        inside
            .chain(&self.first_outside)
            .chain(&self.second_outside)
            .find(|other| other.may_price(winner))
    }

    /// The lowest ask among those that lose to the offer at `rank` once those before it are gone.
    pub(crate) fn lowest_losing_ask(&self, rank: usize) -> Option<TokenPrice> {
        let inside = self.best.iter().skip(rank.saturating_add(1)).map(|other| other.quote.price);
        inside.chain(self.lowest_ask_outside).min()
    }

    fn is_before(&self, first: &Contender<'_>, second: &Contender<'_>) -> bool {
        first.order(second, &self.request) == Ordering::Less
    }

    fn leave_outside(&mut self, contender: Contender<'a>) {
        self.note_ask(contender.quote.price);
        if !contender.quote.standing.recent_service {
            return;
        }
        let Some(first) = &self.first_outside else {
            self.first_outside = Some(contender);
            return;
        };
        let same_owner = first.quote.owner == contender.quote.owner;
        if self.is_before(&contender, first) {
            let displaced = self.first_outside.replace(contender);
            if !same_owner {
                self.second_outside = displaced;
            }
        } else if !same_owner
            && self.second_outside.as_ref().is_none_or(|second| self.is_before(&contender, second))
        {
            self.second_outside = Some(contender);
        }
    }

    fn note_ask(&mut self, price: TokenPrice) {
        self.lowest_ask_outside =
            Some(self.lowest_ask_outside.map_or(price, |lowest| lowest.min(price)));
    }
}
