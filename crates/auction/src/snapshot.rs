//! An immutable state of the book, as clearings read it.
//!
//! A snapshot is a few reference counts: models are shared between versions and copied only when they
//! change. Reading takes no lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use pinaivu_protocol::ask::Features;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::units::{TokenPrice, UnixMillis};

use crate::entry::{Standing, Weights};

/// Most nodes one book ever admits.
pub const MAX_NODES: usize = 16_384;

/// A node's small dense number in one book, given when it is first admitted and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeSlot(pub u32);

/// A payout owner's small number in one book, so that owners compare in one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct OwnerSlot(pub(crate) u32);

/// What a clearing reads of every offer. Kept small: a scan reads nothing else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quote {
    pub(crate) price: TokenPrice,
    pub(crate) expires: UnixMillis,
    pub(crate) context_length: u32,
    pub(crate) features: Features,
    pub(crate) slot: NodeSlot,
    pub(crate) owner: OwnerSlot,
    pub(crate) standing: Standing,
}

/// What a clearing reads only of the offers it ranks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party {
    pub(crate) node: NodeId,
    pub(crate) payout_owner: PublicKey,
    pub(crate) sequence: u64,
}

/// One standing offer, for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Who offers.
    pub node: NodeId,
    /// Its number in this book.
    pub slot: NodeSlot,
    /// Where its earnings go.
    pub payout_owner: PublicKey,
    /// Price of one million weighted tokens.
    pub price: TokenPrice,
    /// Longest prompt and answer together, in tokens.
    pub context_length: u32,
    /// What it can do.
    pub features: Features,
    /// When it ends.
    pub expires: UnixMillis,
    /// Which of the node's asks this is.
    pub sequence: u64,
    /// What was measured of it.
    pub standing: Standing,
}

/// The offers for one model.
#[derive(Clone, Debug)]
pub struct ModelBook {
    weights: Weights,
    /// Sorted by slot; `parties` runs in parallel.
    quotes: Vec<Quote>,
    parties: Vec<Party>,
}

impl ModelBook {
    pub(crate) const fn new(weights: Weights) -> Self {
        Self { weights, quotes: Vec::new(), parties: Vec::new() }
    }

    /// How the model's tokens count.
    #[must_use]
    pub const fn weights(&self) -> Weights {
        self.weights
    }

    /// How many offers stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.quotes.len()
    }

    /// Whether nobody offers this model.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.quotes.is_empty()
    }

    /// Every standing offer, in the order of slots.
    pub fn offers(&self) -> impl Iterator<Item = Offer> + '_ {
        self.pairs().map(|(quote, party)| Offer {
            node: party.node,
            slot: quote.slot,
            payout_owner: party.payout_owner,
            price: quote.price,
            context_length: quote.context_length,
            features: quote.features,
            expires: quote.expires,
            sequence: party.sequence,
            standing: quote.standing,
        })
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Quote, &Party)> {
        self.quotes.iter().zip(&self.parties)
    }

    pub(crate) fn set_weights(&mut self, weights: Weights) {
        self.weights = weights;
    }

    /// Puts an offer in its slot, in place of the one there.
    pub(crate) fn put(&mut self, quote: Quote, party: Party) {
        match self.position(quote.slot) {
            Ok(at) => {
                if let (Some(old_quote), Some(old_party)) =
                    (self.quotes.get_mut(at), self.parties.get_mut(at))
                {
                    *old_quote = quote;
                    *old_party = party;
                }
            }
            Err(at) => {
                self.quotes.insert(at, quote);
                self.parties.insert(at, party);
            }
        }
    }

    pub(crate) fn remove(&mut self, slot: NodeSlot) {
        if let Ok(at) = self.position(slot) {
            self.quotes.remove(at);
            self.parties.remove(at);
        }
    }

    pub(crate) fn set_standing(&mut self, slot: NodeSlot, standing: Standing) {
        if let Ok(at) = self.position(slot)
            && let Some(quote) = self.quotes.get_mut(at)
        {
            quote.standing = standing;
        }
    }

    pub(crate) fn set_owner(&mut self, slot: NodeSlot, owner: OwnerSlot, payout_owner: PublicKey) {
        if let Ok(at) = self.position(slot)
            && let (Some(quote), Some(party)) = (self.quotes.get_mut(at), self.parties.get_mut(at))
        {
            quote.owner = owner;
            party.payout_owner = payout_owner;
        }
    }

    fn position(&self, slot: NodeSlot) -> Result<usize, usize> {
        self.quotes.binary_search_by_key(&slot, |quote| quote.slot)
    }
}

/// What a model list shows of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelSummary<'a> {
    /// The model as clients name it.
    pub model: &'a str,
    /// How its tokens count.
    pub weights: Weights,
    /// How many offers stand, expired ones left out.
    pub offers: usize,
    /// The lowest ask among them.
    pub lowest_ask: Option<TokenPrice>,
    /// The longest context any of them takes.
    pub context_length: u32,
    /// What at least one of them can do.
    pub features: Features,
}

/// One version of the book.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) head: Hash32,
    pub(crate) version: u64,
    pub(crate) models: Arc<BTreeMap<Arc<str>, Arc<ModelBook>>>,
}

impl Snapshot {
    /// Commits to every entry so far: what a ticket names before its request is cleared.
    #[must_use]
    pub const fn head(&self) -> Hash32 {
        self.head
    }

    /// How many entries the head covers.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The offers for `model`, when it is listed.
    #[must_use]
    pub fn model(&self, model: &str) -> Option<&ModelBook> {
        self.models.get(model).map(Arc::as_ref)
    }

    /// The listed models by name, with what is offered at `now`.
    pub fn models(&self, now: UnixMillis) -> impl Iterator<Item = ModelSummary<'_>> {
        self.models.iter().map(move |(name, book)| {
            let mut summary = ModelSummary {
                model: name,
                weights: book.weights,
                offers: 0,
                lowest_ask: None,
                context_length: 0,
                features: Features::default(),
            };
            for quote in book.quotes.iter().filter(|quote| quote.expires > now) {
                summary.offers = summary.offers.saturating_add(1);
                summary.lowest_ask =
                    Some(summary.lowest_ask.map_or(quote.price, |low| low.min(quote.price)));
                summary.context_length = summary.context_length.max(quote.context_length);
                summary.features = summary.features.union(quote.features);
            }
            summary
        })
    }
}
