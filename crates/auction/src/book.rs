//! The order book: standing asks, changed one entry at a time.
//!
//! Invariant: the book is a function of its entries. Every change is checked, turned into one
//! [`BookEntry`], chained into the head and only then applied, so [`OrderBook::replay`] over the
//! entries gives the same book, head and version. It holds asks in memory only: after a restart a new
//! book is opened with the old head as `previous`, and nodes send their asks again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pinaivu_protocol::ask::{Ask, MAX_MODEL_LENGTH};
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey};
use pinaivu_protocol::signed::{Signable, Signed};
use pinaivu_protocol::units::UnixMillis;

use crate::entry::{BookEntry, Measured, NodeFacts, Rating, Standing, Weights, next_head};
use crate::outcome::{
    AskEffect, AskRefused, BookError, MAX_MODELS, MAX_MODELS_PER_NODE, ReplayError, Update,
};
use crate::snapshot::{MAX_NODES, ModelBook, NodeSlot, OwnerSlot, Party, Quote, Snapshot};

/// What the book remembers of a node's offers for one model, also while none stands.
#[derive(Clone, Debug, Default)]
struct Record {
    last: Option<LastAsk>,
    stands: bool,
    standing: Standing,
}

#[derive(Clone, Copy, Debug)]
struct LastAsk {
    sequence: u64,
    digest: Hash32,
}

#[derive(Clone, Debug)]
struct Member {
    slot: NodeSlot,
    /// Absent while the node is removed.
    facts: Option<NodeFacts>,
    records: BTreeMap<Arc<str>, Record>,
}

/// The book's one mutable state.
#[derive(Debug)]
pub struct OrderBook {
    deployment: DeploymentId,
    coordinator: CoordinatorId,
    head: Hash32,
    version: u64,
    members: HashMap<NodeId, Member>,
    owners: HashMap<PublicKey, OwnerSlot>,
    models: Arc<BTreeMap<Arc<str>, Arc<ModelBook>>>,
    /// What was chained and not taken yet; kept only for a book that is recorded.
    fresh: Option<Vec<Update>>,
}

impl OrderBook {
    /// An empty book of `coordinator`, opened `at`, after the one whose head was `previous`
    /// ([`Hash32::ZERO`] when there was none), with its first entry.
    #[must_use]
    pub fn open(
        deployment: DeploymentId,
        coordinator: CoordinatorId,
        previous: Hash32,
        at: UnixMillis,
    ) -> (Self, Update) {
        let mut book = Self {
            deployment,
            coordinator,
            head: Hash32::ZERO,
            version: 0,
            members: HashMap::new(),
            owners: HashMap::new(),
            models: Arc::default(),
            fresh: None,
        };
        let update = book.chain(&BookEntry::Opened { deployment, coordinator, previous, at });
        (book, update)
    }

    /// Rebuilds a book from its entries, in order, checking everything the book checked, signatures
    /// included.
    ///
    /// # Errors
    /// [`ReplayError`] with the version of the first entry a book would not have written.
    pub fn replay(entries: impl IntoIterator<Item = BookEntry>) -> Result<Self, ReplayError> {
        let mut entries = entries.into_iter();
        let Some(BookEntry::Opened { deployment, coordinator, previous, at }) = entries.next()
        else {
            return Err(ReplayError::Order(1));
        };
        let (mut book, _) = Self::open(deployment, coordinator, previous, at);
        for entry in entries {
            let number = book.version.saturating_add(1);
            let refused = |error| ReplayError::Book(number, error);
            let update = match entry {
                BookEntry::Opened { .. } => return Err(ReplayError::Order(number)),
                BookEntry::ModelListed { model, weights } => {
                    book.list_model(&model, weights).map_err(refused)?
                }
                BookEntry::NodeAdmitted { node, facts } => {
                    book.admit_node(node, facts).map_err(refused)?
                }
                BookEntry::AskApplied { ask, at } => {
                    match book.apply(&ask, at).map_err(|error| ReplayError::Ask(number, error))? {
                        AskEffect::Standing(update) | AskEffect::Withdrawn(update) => Some(update),
                        AskEffect::Unchanged { .. } => None,
                    }
                }
                BookEntry::NodeRemoved { node } => book.remove_node(&node),
                BookEntry::Rated { ratings } => book.rate(&ratings),
                BookEntry::Expired { at } => book.expire(at),
                BookEntry::Measured { at, measured } => {
                    let update = book.measure(at, &measured);
                    // It must say nothing that changes nothing: each of its lines is held against receipts.
                    let whole = BookEntry::Measured { at, measured };
                    match update {
                        Some(update) if update.entry != whole.encode() => {
                            return Err(ReplayError::Idle(number));
                        }
                        update => update,
                    }
                }
            };
            if update.is_none() {
                return Err(ReplayError::Idle(number));
            }
        }
        Ok(book)
    }

    /// Commits to every entry so far.
    #[must_use]
    pub const fn head(&self) -> Hash32 {
        self.head
    }

    /// How many entries there are.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The book as it is, for clearings. Cheap: nothing is copied until the next change.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { head: self.head, version: self.version, models: Arc::clone(&self.models) }
    }

    /// From now on keeps what is chained until [`Self::take_fresh`] takes it.
    pub(crate) fn record(&mut self) {
        self.fresh.get_or_insert_default();
    }

    /// What was chained since the last call, when the book is recorded.
    pub(crate) fn take_fresh(&mut self) -> Vec<Update> {
        self.fresh.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The slot of a node that was ever admitted.
    #[must_use]
    pub fn slot(&self, node: &NodeId) -> Option<NodeSlot> {
        self.members.get(node).map(|member| member.slot)
    }

    /// Lists a model, or changes its weights. Nothing happens, and no entry is written, when it stands
    /// so already. Only listed models can be offered.
    ///
    /// # Errors
    /// [`BookError::ModelName`], [`BookError::Weightless`], [`BookError::TooManyModels`].
    pub fn list_model(
        &mut self,
        model: &str,
        weights: Weights,
    ) -> Result<Option<Update>, BookError> {
        if !is_model_name(model) {
            return Err(BookError::ModelName);
        }
        if weights.input == 0 && weights.output == 0 {
            return Err(BookError::Weightless);
        }
        match self.models.get(model) {
            Some(book) if book.weights() == weights => return Ok(None),
            None if self.models.len() >= MAX_MODELS => return Err(BookError::TooManyModels),
            _ => {}
        }
        let update = self.chain(&BookEntry::ModelListed { model: model.to_owned(), weights });
        let models = Arc::make_mut(&mut self.models);
        match models.get_mut(model) {
            Some(book) => Arc::make_mut(book).set_weights(weights),
            None => {
                models.insert(Arc::from(model), Arc::new(ModelBook::new(weights)));
            }
        }
        Ok(Some(update))
    }

    /// Lets a node offer, after the caller has checked that it is registered, staked and active, or
    /// brings what the chain says about it up to date. Asks that stand under another signer are
    /// dropped. Nothing happens when the facts are the same.
    ///
    /// # Errors
    /// [`BookError::TooManyNodes`].
    pub fn admit_node(
        &mut self,
        node: NodeId,
        facts: NodeFacts,
    ) -> Result<Option<Update>, BookError> {
        let known = self.members.get(&node);
        if known.is_some_and(|member| member.facts == Some(facts)) {
            return Ok(None);
        }
        let next_slot = u32::try_from(self.members.len()).map_err(|_| BookError::TooManyNodes)?;
        if known.is_none() && self.members.len() >= MAX_NODES {
            return Err(BookError::TooManyNodes);
        }
        let update = self.chain(&BookEntry::NodeAdmitted { node, facts });

        let next_owner = u32::try_from(self.owners.len()).unwrap_or(u32::MAX);
        let owner = *self.owners.entry(facts.payout_owner).or_insert(OwnerSlot(next_owner));
        let member = self.members.entry(node).or_insert(Member {
            slot: NodeSlot(next_slot),
            facts: None,
            records: BTreeMap::new(),
        });
        let rotated = member.facts.is_some_and(|old| old.signer != facts.signer);
        member.facts = Some(facts);
        let models = Arc::make_mut(&mut self.models);
        for (model, record) in member.records.iter_mut().filter(|(_, record)| record.stands) {
            let Some(book) = models.get_mut(model) else { continue };
            if rotated {
                record.stands = false;
                Arc::make_mut(book).remove(member.slot);
            } else {
                Arc::make_mut(book).set_owner(member.slot, owner, facts.payout_owner);
            }
        }
        Ok(Some(update))
    }

    /// Takes a node's offers out, for example because its tunnel closed. Its slot and the sequence of
    /// its last asks are remembered, so that an older ask can never come back; its newest one can be
    /// sent again after it is admitted again. Nothing happens when it is not admitted.
    pub fn remove_node(&mut self, node: &NodeId) -> Option<Update> {
        self.members.get(node)?.facts?;
        let update = self.chain(&BookEntry::NodeRemoved { node: *node });
        let member = self.members.get_mut(node)?;
        member.facts = None;
        let models = Arc::make_mut(&mut self.models);
        for (model, record) in member.records.iter_mut().filter(|(_, record)| record.stands) {
            record.stands = false;
            if let Some(book) = models.get_mut(model) {
                Arc::make_mut(book).remove(member.slot);
            }
        }
        Some(update)
    }

    /// Takes an ask that arrived at `now`, after checking it completely, signature included. An ask
    /// that has expired by `now` withdraws the node's last one. A price of zero is an offer to serve
    /// for nothing. Sending the newest ask again is harmless.
    ///
    /// # Errors
    /// [`AskRefused`]; the book is unchanged.
    pub fn apply(&mut self, ask: &Signed<Ask>, now: UnixMillis) -> Result<AskEffect, AskRefused> {
        let offer = &ask.record;
        if offer.deployment != self.deployment {
            return Err(AskRefused::Deployment(offer.deployment));
        }
        if offer.coordinator != self.coordinator {
            return Err(AskRefused::Coordinator(offer.coordinator));
        }
        let unknown = AskRefused::UnknownNode(offer.node);
        let member = self.members.get(&offer.node).ok_or(unknown)?;
        let facts = member.facts.ok_or(unknown)?;
        if !is_model_name(&offer.model) {
            return Err(AskRefused::ModelName);
        }
        let offered = |record: Option<&Record>| record.is_some_and(|record| record.last.is_some());
        if !offered(member.records.get(offer.model.as_str()))
            && member.records.values().filter(|record| offered(Some(record))).count()
                >= MAX_MODELS_PER_NODE
        {
            return Err(AskRefused::TooManyModels);
        }
        let (name, _) =
            self.models.get_key_value(offer.model.as_str()).ok_or(AskRefused::UnknownModel)?;
        let name = Arc::clone(name);
        let digest = sha256(&[&offer.signing_bytes()]);
        if let Some(record) = member.records.get(&name)
            && let Some(last) = record.last
        {
            let again = last.sequence == offer.sequence && last.digest == digest;
            if again && record.stands && offer.expires > now {
                return Ok(AskEffect::Unchanged { head: self.head });
            }
            if again && !record.stands && offer.expires <= now {
                return Ok(AskEffect::Unchanged { head: self.head });
            }
            if !again && offer.sequence <= last.sequence {
                return Err(AskRefused::StaleSequence {
                    given: offer.sequence,
                    last: last.sequence,
                });
            }
        }
        ask.verify(&facts.signer).map_err(AskRefused::Signature)?;

        let update = self.chain(&BookEntry::AskApplied { ask: ask.clone(), at: now });
        let owner = self.owners.get(&facts.payout_owner).copied();
        let (Some(member), Some(owner)) = (self.members.get_mut(&offer.node), owner) else {
            return Err(unknown);
        };
        let stands = offer.expires > now;
        let record = member.records.entry(Arc::clone(&name)).or_default();
        record.last = Some(LastAsk { sequence: offer.sequence, digest });
        record.stands = stands;
        if let Some(book) = Arc::make_mut(&mut self.models).get_mut(&name) {
            let book = Arc::make_mut(book);
            if stands {
                book.put(
                    Quote {
                        price: offer.price,
                        expires: offer.expires,
                        context_length: offer.context_length,
                        features: offer.features,
                        slot: member.slot,
                        owner,
                        standing: record.standing,
                    },
                    Party {
                        node: offer.node,
                        payout_owner: facts.payout_owner,
                        sequence: offer.sequence,
                    },
                );
            } else {
                book.remove(member.slot);
            }
        }
        Ok(if stands { AskEffect::Standing(update) } else { AskEffect::Withdrawn(update) })
    }

    /// Sets measured standings. Ratings that change nothing, or are of nodes never admitted or models
    /// not listed, are left out; when none remains nothing happens. A standing outlives the ask, so a
    /// node cannot shed a bad one by leaving and coming back.
    pub fn rate(&mut self, ratings: &[Rating]) -> Option<Update> {
        let mut changed: BTreeMap<(NodeId, &str), Standing> = BTreeMap::new();
        for rating in ratings {
            let key = (rating.node, rating.model.as_str());
            let Some(member) = self.members.get(&rating.node) else { continue };
            if !self.models.contains_key(rating.model.as_str()) {
                continue;
            }
            let now = member.records.get(rating.model.as_str()).map(|record| record.standing);
            if now.unwrap_or_default() == rating.standing {
                changed.remove(&key);
            } else {
                changed.insert(key, rating.standing);
            }
        }
        if changed.is_empty() {
            return None;
        }
        let ratings: Vec<Rating> = changed
            .into_iter()
            .map(|((node, model), standing)| Rating { node, model: model.to_owned(), standing })
            .collect();
        for Rating { node, model, standing } in &ratings {
            self.set_standing(node, model, *standing);
        }
        Some(self.chain(&BookEntry::Rated { ratings }))
    }

    /// Sets the standings that follow from what was measured at `at`. What changes no standing is left out,
    /// as are nodes never admitted and models not listed; of several lines for one node and model the last
    /// counts. Nothing happens when nothing remains.
    pub fn measure(&mut self, at: UnixMillis, measured: &[Measured]) -> Option<Update> {
        let mut changed: BTreeMap<(NodeId, &str), &Measured> = BTreeMap::new();
        for one in measured {
            let key = (one.node, one.model.as_str());
            let Some(member) = self.members.get(&one.node) else { continue };
            if !self.models.contains_key(one.model.as_str()) {
                continue;
            }
            let now = member.records.get(one.model.as_str()).map(|record| record.standing);
            if now.unwrap_or_default() == one.standing(at) {
                changed.remove(&key);
            } else {
                changed.insert(key, one);
            }
        }
        if changed.is_empty() {
            return None;
        }
        let measured: Vec<Measured> = changed.into_values().cloned().collect();
        for one in &measured {
            self.set_standing(&one.node, &one.model, one.standing(at));
        }
        Some(self.chain(&BookEntry::Measured { at, measured }))
    }

    fn set_standing(&mut self, node: &NodeId, model: &str, standing: Standing) {
        let models = Arc::make_mut(&mut self.models);
        let Some((name, _)) = models.get_key_value(model) else { return };
        let name = Arc::clone(name);
        let Some(member) = self.members.get_mut(node) else { return };
        let record = member.records.entry(Arc::clone(&name)).or_default();
        record.standing = standing;
        if record.stands
            && let Some(book) = models.get_mut(&name)
        {
            Arc::make_mut(book).set_standing(member.slot, standing);
        }
    }

    /// Takes out every ask that ended at or before `now`. Clearings leave expired asks out anyway;
    /// this keeps the book small. Nothing happens when none has.
    pub fn expire(&mut self, now: UnixMillis) -> Option<Update> {
        let mut expired: Vec<(Arc<str>, NodeId, NodeSlot)> = Vec::new();
        for (name, book) in self.models.iter() {
            for (quote, party) in book.pairs().filter(|(quote, _)| quote.expires <= now) {
                expired.push((Arc::clone(name), party.node, quote.slot));
            }
        }
        if expired.is_empty() {
            return None;
        }
        let update = self.chain(&BookEntry::Expired { at: now });
        let models = Arc::make_mut(&mut self.models);
        for (name, node, slot) in expired {
            if let Some(book) = models.get_mut(&name) {
                Arc::make_mut(book).remove(slot);
            }
            if let Some(record) =
                self.members.get_mut(&node).and_then(|member| member.records.get_mut(&name))
            {
                record.stands = false;
            }
        }
        Some(update)
    }

    fn chain(&mut self, entry: &BookEntry) -> Update {
        let entry = entry.encode();
        self.head = next_head(&self.head, &entry);
        self.version = self.version.saturating_add(1);
        let update = Update { version: self.version, head: self.head, entry };
        if let Some(fresh) = &mut self.fresh {
            fresh.push(update.clone());
        }
        update
    }
}

fn is_model_name(model: &str) -> bool {
    (1..=MAX_MODEL_LENGTH).contains(&model.len()) && !model.chars().any(char::is_control)
}
