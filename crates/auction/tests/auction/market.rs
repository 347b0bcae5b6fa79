//! A book with nodes that sign, and the few words to describe one.

use borsh::BorshDeserialize;
use pinaivu_auction::{
    AskEffect, AskRefused, BookEntry, Measured, Measurements, NodeFacts, OrderBook, QualityFactor,
    Rating, Reference, Request, Standing, Update, Weights,
};
use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey, RequestId};
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_protocol::units::{TokenCount, TokenPrice, UnixMillis};

pub(crate) const MODEL: &str = "model";
pub(crate) const NOW: UnixMillis = UnixMillis(1_000_000);
pub(crate) const LATER: UnixMillis = UnixMillis(2_000_000);
pub(crate) const WEIGHTS: Weights = Weights { input: 1, output: 4 };

pub(crate) fn node(number: u16) -> NodeId {
    let mut bytes = [7; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

pub(crate) fn key(number: u16) -> SigningKey {
    let mut seed = [9; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(&seed).unwrap()
}

pub(crate) fn owner(number: u16) -> PublicKey {
    let mut bytes = [5; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    PublicKey(bytes)
}

pub(crate) fn facts(node: u16, payout_owner: u16) -> NodeFacts {
    NodeFacts { signer: key(node).public(), payout_owner: owner(payout_owner) }
}

pub(crate) const DEPLOYMENT: DeploymentId = DeploymentId(Hash32([1; 32]));
pub(crate) const COORDINATOR: CoordinatorId = CoordinatorId([2; 32]);

pub(crate) fn ask(number: u16, price: u64, sequence: u64) -> Ask {
    Ask {
        deployment: DEPLOYMENT,
        coordinator: COORDINATOR,
        node: node(number),
        model: MODEL.to_owned(),
        price: TokenPrice(price),
        context_length: 8_192,
        features: Features::CHAT,
        sequence,
        expires: LATER,
    }
}

pub(crate) fn request(id: u8) -> Request<'static> {
    Request {
        id: RequestId([id; 16]),
        model: MODEL,
        input_tokens: TokenCount(100),
        max_output: TokenCount(100),
        features: Features::CHAT,
        max_price: None,
        excluded: &[],
        pinned: None,
        warm: &[],
        now: NOW,
    }
}

/// A node that gave its first bytes after so long, where others need 100 ms, and last served then.
pub(crate) fn measured(number: u16, first_byte_millis: u32, last_served: UnixMillis) -> Measured {
    Measured {
        node: node(number),
        model: MODEL.to_owned(),
        measurements: Measurements { requests: 64, first_byte_millis, ..Measurements::default() },
        reference: Reference { first_byte_millis: 100, millitokens_per_second: 50_000 },
        last_served: Some(last_served),
    }
}

/// One node's offer, as a test describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seller {
    pub(crate) number: u16,
    pub(crate) owner: u16,
    pub(crate) price: u64,
    pub(crate) quality: u16,
    pub(crate) recent: bool,
}

impl Seller {
    /// Neutral, served lately, its own owner.
    pub(crate) fn new(number: u16, price: u64) -> Self {
        Self { number, owner: number, price, quality: 10_000, recent: true }
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing { quality: QualityFactor::clamped(self.quality), recent_service: self.recent }
    }
}

/// A book and the entries that made it.
pub(crate) struct Market {
    pub(crate) book: OrderBook,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Market {
    /// An open book that lists [`MODEL`].
    pub(crate) fn new() -> Self {
        let (book, opened) = OrderBook::open(DEPLOYMENT, COORDINATOR, Hash32::ZERO, NOW);
        let mut market = Self { book, entries: vec![opened.entry] };
        let listed = market.book.list_model(MODEL, WEIGHTS).unwrap();
        market.keep(listed);
        market
    }

    pub(crate) fn of(sellers: &[Seller]) -> Self {
        let mut market = Self::new();
        for seller in sellers {
            market.admit(seller.number, seller.owner);
            market.offer(seller.number, seller.price, 1).unwrap();
            market.rate(seller.number, seller.standing());
        }
        market
    }

    pub(crate) fn list(&mut self, model: &str) {
        let listed = self.book.list_model(model, WEIGHTS).unwrap();
        self.keep(listed);
    }

    pub(crate) fn admit(&mut self, number: u16, payout_owner: u16) -> Option<Update> {
        let update = self.book.admit_node(node(number), facts(number, payout_owner)).unwrap();
        self.keep(update)
    }

    pub(crate) fn remove(&mut self, number: u16) -> Option<Update> {
        let update = self.book.remove_node(&node(number));
        self.keep(update)
    }

    pub(crate) fn rate(&mut self, number: u16, standing: Standing) -> Option<Update> {
        let model = MODEL.to_owned();
        let update = self.book.rate(&[Rating { node: node(number), model, standing }]);
        self.keep(update)
    }

    pub(crate) fn measure(&mut self, at: UnixMillis, measured: &[Measured]) -> Option<Update> {
        let update = self.book.measure(at, measured);
        self.keep(update)
    }

    pub(crate) fn expire(&mut self, now: UnixMillis) -> Option<Update> {
        let update = self.book.expire(now);
        self.keep(update)
    }

    pub(crate) fn offer(
        &mut self,
        node: u16,
        price: u64,
        sequence: u64,
    ) -> Result<AskEffect, AskRefused> {
        self.apply(&key(node).sign(ask(node, price, sequence)), NOW)
    }

    pub(crate) fn apply(
        &mut self,
        ask: &Signed<Ask>,
        now: UnixMillis,
    ) -> Result<AskEffect, AskRefused> {
        let effect = self.book.apply(ask, now)?;
        if let AskEffect::Standing(update) | AskEffect::Withdrawn(update) = &effect {
            self.entries.push(update.entry.clone());
        }
        Ok(effect)
    }

    pub(crate) fn decoded(&self) -> Vec<BookEntry> {
        self.entries.iter().map(|entry| BookEntry::try_from_slice(entry).unwrap()).collect()
    }

    fn keep(&mut self, update: Option<Update>) -> Option<Update> {
        self.entries.extend(update.as_ref().map(|update| update.entry.clone()));
        update
    }
}
