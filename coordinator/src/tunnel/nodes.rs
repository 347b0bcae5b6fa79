//! The nodes that are connected right now, their order book and what is measured of them.
//!
//! A node stands in the book exactly while it has a session: a new session of the same node replaces
//! the old one, and the end of a session that was replaced leaves the new one alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::Mutex;
use pinaivu_auction::{
    AskEffect, AskRefused, BookError, Candidate, NodeFacts, NodeSlot, Occupancy, OrderBook, Seat,
    SharedBook, Snapshot, Terms, Update, Weights,
};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{CoordinatorMessage, Goodbye, TunnelMac};
use pinaivu_protocol::units::UnixMillis;
use pinaivu_tunnel::{Client, Response};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::measure::{Measured, Sample, Speed};
use super::timeline::{Histogram, NodeHour, Timeline};
use crate::clock::SharedClock;
use crate::config::Models;
use crate::store::{BookPlace, Identity, NewBookEntry, Store, StoreError};

/// Messages that may wait for one node. What does not fit is dropped: a node presents again what was
/// never acknowledged.
pub(super) const OUTBOX: usize = 8 * 1024;

/// One connected node.
#[derive(Debug)]
pub struct LiveNode {
    pub(super) node: NodeId,
    pub(super) signer: PublicKey,
    pub(super) slot: NodeSlot,
    pub(super) mac: TunnelMac,
    pub(super) client: Client,
    pub(super) outbox: mpsc::Sender<CoordinatorMessage>,
    pub(super) stop: CancellationToken,
    /// What it says it runs.
    pub(super) software: String,
    /// When it connected.
    pub(super) since: UnixMillis,
    /// Its asks that were taken, by model, as it signed them.
    pub(super) asks: Mutex<BTreeMap<String, Signed<Ask>>>,
    /// Where redirected clients reach it.
    pub(super) address: Mutex<Option<Arc<str>>>,
    /// Why it is being stopped, to be said to it.
    pub(super) goodbye: Mutex<Option<Goodbye>>,
}

/// The node could not be given a request.
#[derive(Debug, thiserror::Error)]
pub enum DispatchError {
    /// The connection failed, or the node ended the stream before its answer.
    #[error("the tunnel failed")]
    Tunnel(#[from] pinaivu_tunnel::Error),
}

impl LiveNode {
    /// Which node.
    #[must_use]
    pub const fn id(&self) -> NodeId {
        self.node
    }

    /// Where redirected clients reach it, if they do.
    #[must_use]
    pub fn address(&self) -> Option<Arc<str>> {
        self.address.lock().clone()
    }

    /// Gives the node a request under a ticket; resolves when the head of its answer is here. Dropping
    /// the future, or later the answer's body, resets the stream.
    ///
    /// # Errors
    /// [`DispatchError`].
    pub async fn dispatch(
        &self,
        ticket: &Ticket,
        path: &'static str,
        body: Bytes,
    ) -> Result<Response, DispatchError> {
        Ok(self.client.request(path, &self.mac.seal(ticket), body).await?)
    }

    fn presence(&self, now: UnixMillis) -> Presence {
        let asks = self.asks.lock();
        let standing = asks.values().filter(|ask| ask.record.expires > now);
        Presence {
            node: self.node,
            software: self.software.clone(),
            since: self.since,
            asks: standing.cloned().collect(),
        }
    }

    /// Ends the session, telling the node why.
    pub(super) fn end(&self, goodbye: Goodbye) {
        self.goodbye.lock().get_or_insert(goodbye);
        self.stop.cancel();
    }
}

/// All connected nodes.
#[derive(Debug)]
pub struct Nodes {
    live: DashMap<NodeId, Arc<LiveNode>>,
    book: SharedBook,
    /// Head after the book's first entry, which names it.
    opened: Hash32,
    occupancy: Arc<Occupancy>,
    measured: Measured,
    timeline: Timeline,
    models: Models,
    clock: SharedClock,
    store: Store,
}

/// A connected node, for people to look at.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Which.
    pub node: NodeId,
    /// What it says it runs.
    pub software: String,
    /// Since when.
    pub since: UnixMillis,
    /// Its standing asks, as it signed them, by model.
    pub asks: Vec<Signed<Ask>>,
}

/// What became of an ask.
#[derive(Debug)]
pub(super) struct AskTaken {
    pub(super) effect: AskEffect,
    pub(super) weights: Weights,
    /// For the node, to be signed.
    pub(super) word: AskAcknowledgement,
}

/// Why an ask is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskRefusal {
    #[error(transparent)]
    Ask(#[from] AskRefused),
    #[error(transparent)]
    Book(#[from] BookError),
    #[error("the ask is for node {0}, this connection is another node's")]
    OtherNode(NodeId),
    #[error("the book cannot be stored")]
    Store(#[source] StoreError),
    #[error("too many asks at once; the newest ones count when sent again")]
    TooMany,
}

impl AskRefusal {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Ask(refused) => refused.code(),
            Self::Book(BookError::ModelName) => "bad_model_name",
            Self::Book(_) => "book_full",
            Self::OtherNode(_) => "wrong_node",
            Self::Store(_) => "not_stored",
            Self::TooMany => "too_many_asks",
        }
    }
}

impl Nodes {
    /// No node yet, and an empty book after the one with entry `previous`. Every entry goes to the store
    /// before a request can be cleared from it, so that a receipt that is durable never names a book
    /// that is not.
    #[must_use]
    pub fn new(
        identity: Identity,
        previous: Option<BookPlace>,
        requests_per_node: u16,
        models: Models,
        clock: SharedClock,
        store: Store,
    ) -> Self {
        let number = previous.map_or(1, |previous| previous.book.saturating_add(1));
        let head = previous.map_or(Hash32::ZERO, |previous| previous.head);
        let Identity { deployment, coordinator } = identity;
        let (book, opened) = OrderBook::open(deployment, coordinator, head, clock.now());
        let first = opened.head;
        let journal = store.clone();
        let journal = Box::new(move |updates: Vec<Update>| {
            journal.write_later("writing the book", move |transaction| {
                updates.into_iter().try_for_each(|Update { version, head, entry }| {
                    transaction.append_book(&NewBookEntry { book: number, version, head, entry })
                })
            });
        });
        Self {
            live: DashMap::new(),
            book: SharedBook::journaled(book, opened, journal),
            opened: first,
            store,
            occupancy: Arc::new(Occupancy::new(u32::from(requests_per_node))),
            measured: Measured::default(),
            timeline: Timeline::default(),
            models,
            clock,
        }
    }

    /// The newest state of the book.
    #[must_use]
    pub fn book(&self) -> Arc<Snapshot> {
        self.book.load()
    }

    /// Keeps what a clearing was asked, so that anyone can run it again.
    pub fn cleared(&self, terms: &Terms) {
        self.store.put_clearing_with_next(terms.request, terms.encode());
    }

    /// Which nodes have room.
    #[must_use]
    pub fn occupancy(&self) -> &Occupancy {
        &self.occupancy
    }

    /// How many nodes are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.live.len()
    }

    /// Takes a place at a candidate, when it is still connected and has room.
    #[must_use]
    pub fn seat(&self, candidate: &Candidate) -> Option<(Arc<LiveNode>, Seat)> {
        let node = Arc::clone(&*self.live.get(&candidate.node)?);
        let seat = self.occupancy.try_seat(candidate.slot)?;
        Some((node, seat))
    }

    /// Says something to a node when it is connected and its queue has room. Never blocks.
    pub fn send(&self, node: &NodeId, message: CoordinatorMessage) {
        if let Some(live) = self.live.get(node)
            && live.outbox.try_send(message).is_err()
        {
            tracing::debug!(%node, "message dropped, the node's queue is full");
        }
    }

    /// Records how what a ticket was for ended at its node.
    pub fn record(&self, ticket: &Ticket, sample: Sample) {
        let now = self.clock.now();
        self.timeline.record(ticket.node, &sample, now);
        self.measured.record(ticket.node, &ticket.model, sample, ticket.issued, now);
    }

    /// How fast a node was for a model of late.
    #[must_use]
    pub fn speed(&self, model: &str, node: &NodeId) -> Speed {
        self.measured.speed(model, node)
    }

    /// The nodes that are not to be asked for a model right now, because they failed too often in a row.
    #[must_use]
    pub fn resting(&self, model: &str) -> Vec<NodeId> {
        self.measured.resting(model, self.clock.now())
    }

    /// The connected nodes, in no order.
    #[must_use]
    pub fn present(&self) -> Vec<Presence> {
        self.live.iter().map(|live| live.presence(self.clock.now())).collect()
    }

    /// Since when a node has been connected; nothing when it is not.
    #[must_use]
    pub fn since(&self, node: &NodeId) -> Option<UnixMillis> {
        self.live.get(node).map(|live| live.since)
    }

    /// Milliseconds to the first byte over all nodes, as far as they are remembered.
    #[must_use]
    pub fn first_bytes(&self, from: UnixMillis, to: UnixMillis) -> Histogram {
        self.timeline.first_bytes(from, to)
    }

    /// What is remembered of a node, by the hour, in order of time.
    #[must_use]
    pub fn hours(&self, node: &NodeId) -> Vec<(UnixMillis, NodeHour)> {
        self.timeline.node(node)
    }

    /// Carries what was measured since the last call into the book, and takes expired asks out.
    pub fn refresh_book(&self) {
        let now = self.clock.now();
        let measured = self.measured.changed(now, |node| {
            self.live.get(node).map_or((0, 0), |live| {
                (self.occupancy.in_flight(live.slot), self.occupancy.capacity(live.slot))
            })
        });
        self.book.update(|book| {
            if !measured.is_empty() {
                book.measure(now, &measured);
            }
            book.expire(now);
        });
        // Of requests that never came to a receipt.
        self.store.flush();
    }

    /// The sessions as they are now.
    pub(super) fn sessions(&self) -> Vec<Arc<LiveNode>> {
        self.live.iter().map(|entry| Arc::clone(entry.value())).collect()
    }

    /// Brings what the chain says of a connected node up to date.
    pub(super) fn update_facts(&self, node: NodeId, facts: NodeFacts) {
        // Known nodes always fit.
        let _ = self.book.update(|book| book.admit_node(node, facts));
    }

    /// Lets a node offer and makes the session that `make` builds the node's, ending an older one.
    ///
    /// One step of the book, as is [`Self::leave`]: otherwise the end of the older session could take
    /// the newer one's admission with it.
    pub(super) fn enter(
        &self,
        node: NodeId,
        facts: NodeFacts,
        make: impl FnOnce(NodeSlot) -> LiveNode,
    ) -> Result<Arc<LiveNode>, BookError> {
        self.book.update(|book| {
            book.admit_node(node, facts)?;
            let slot = book.slot(&node).ok_or(BookError::TooManyNodes)?;
            let live = Arc::new(make(slot));
            if let Some(older) = self.live.insert(node, Arc::clone(&live)) {
                older.end(Goodbye {
                    code: "replaced".into(),
                    message: "the node connected again; this connection is closed".into(),
                });
            }
            Ok(live)
        })
    }

    /// Takes a session out, and the node's asks with it, unless a newer session has replaced it.
    pub(super) fn leave(&self, live: &Arc<LiveNode>) {
        self.book.update(|book| {
            let left = self.live.remove_if(&live.node, |_, current| Arc::ptr_eq(current, live));
            if left.is_some() {
                book.remove_node(&live.node);
            }
        });
    }

    /// Takes an ask that came over a node's session.
    pub(super) fn apply(&self, live: &LiveNode, ask: &Signed<Ask>) -> Result<AskTaken, AskRefusal> {
        if ask.record.node != live.node {
            return Err(AskRefusal::OtherNode(ask.record.node));
        }
        let weights = self.models.weights(&ask.record.model);
        let weights = Weights { input: weights.input_weight, output: weights.output_weight };
        self.book.update(|book| {
            let effect = match book.apply(ask, self.clock.now()) {
                Err(AskRefused::UnknownModel) => {
                    // The first offer of a model lists it; a forged one must not.
                    ask.verify(&live.signer).map_err(AskRefused::Signature)?;
                    book.list_model(&ask.record.model, weights)?;
                    book.apply(ask, self.clock.now())?
                }
                result => result?,
            };
            match &effect {
                // Unchanged in the book may still be new to a session that replaced another.
                AskEffect::Standing(_) | AskEffect::Unchanged { .. } => {
                    live.asks.lock().insert(ask.record.model.clone(), ask.clone());
                }
                AskEffect::Withdrawn(_) => {
                    live.asks.lock().remove(&ask.record.model);
                }
            }
            let word = AskAcknowledgement {
                deployment: ask.record.deployment,
                coordinator: ask.record.coordinator,
                node: ask.record.node,
                ask: ask.record.hash(),
                book: self.opened,
                version: book.version(),
                head: book.head(),
                at: self.clock.now(),
            };
            Ok(AskTaken { effect, weights, word })
        })
    }

    /// Waits until every entry that the book has now is on disk.
    pub(super) async fn stored(&self) -> Result<(), AskRefusal> {
        self.store.write(|_| Ok(())).await.map_err(AskRefusal::Store)
    }
}

/// How often measurements go into the book.
pub(super) const REFRESH: Duration = Duration::from_secs(2);
