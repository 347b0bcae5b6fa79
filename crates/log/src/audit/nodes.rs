//! What an audit knows of nodes: their keys, what receipts say of their earnings, and names and keys that
//! nobody knew when it began.
//!
//! Invariant: memory follows what the chain knows, not what the log invents. At most [`UNKNOWN`] nodes and as
//! many keys that the chain does not know are kept and looked up; further ones are only counted. With that
//! many the log is contradicted anyhow.

use std::collections::{BTreeMap, BTreeSet};

use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::{Amount, FineAmount};

use super::chain::Opening;

/// Nodes, and keys, that the chain does not know and that are still looked up. Not less than the entries of a
/// bundle: lookups come between bundles, and whoever the chain does know must not be among the uncounted.
const UNKNOWN: usize = 256;

/// Epoch and index.
pub(super) type Place = (u32, u64);

/// A node's side of the books.
#[derive(Clone, Debug, Default)]
pub(super) struct Book {
    /// As its newest receipt says.
    pub(super) cumulative: FineAmount,
    /// Its newest receipt's epoch.
    pub(super) epoch: Option<u32>,
    /// What its receipts add up to.
    pub(super) earned: FineAmount,
    /// What later epochs took over for receipts that are lost.
    pub(super) taken_over: FineAmount,
    /// Where it was taken over last, and the cumulative from which it went on.
    pub(super) resumed: Option<(Place, FineAmount)>,
    /// Earned and taken over, as of the entries the chain covers.
    anchored: FineAmount,
    /// Of its last statement: 64 proofs share one signature.
    pub(super) verified: Option<(Signed<ProofRoot>, PublicKey)>,
}

impl Book {
    fn owed(&self) -> FineAmount {
        self.earned.saturating_add(self.taken_over)
    }
}

/// How somebody in a receipt stands to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Known.
    Known,
    /// To be looked up after this bundle.
    Waiting,
    /// The chain was asked and does not know it.
    Refuted,
    /// Nobody will look.
    Uncounted,
}

/// Somebody the chain has not confirmed.
#[derive(Clone, Copy, Debug)]
struct Unknown {
    /// The first receipt that names it.
    first: Place,
    /// The chain does not know it either.
    asked: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Nodes {
    keys: BTreeMap<NodeId, Vec<PublicKey>>,
    gone: BTreeSet<NodeId>,
    books: BTreeMap<NodeId, Book>,
    unknown: BTreeMap<NodeId, Unknown>,
    strangers: BTreeMap<(NodeId, PublicKey), Unknown>,
    not_looked_up: u64,
}

fn meet<K: Ord>(all: &mut BTreeMap<K, Unknown>, who: K, first: Place) -> Standing {
    if let Some(met) = all.get(&who) {
        return if met.asked { Standing::Refuted } else { Standing::Waiting };
    }
    if all.len() >= UNKNOWN {
        return Standing::Uncounted;
    }
    all.insert(who, Unknown { first, asked: false });
    Standing::Waiting
}

fn waiting<K: Copy>(all: &BTreeMap<K, Unknown>) -> Vec<K> {
    all.iter().filter(|(_, unknown)| !unknown.asked).map(|(who, _)| *who).collect()
}

impl Nodes {
    pub(super) fn new(opening: &Opening) -> Self {
        Self {
            keys: opening.node_keys.clone(),
            gone: opening.gone.clone(),
            books: BTreeMap::new(),
            unknown: BTreeMap::new(),
            strangers: BTreeMap::new(),
            not_looked_up: 0,
        }
    }

    /// A receipt names a node.
    pub(super) fn meet(&mut self, node: NodeId, at: Place) -> Standing {
        if self.keys.contains_key(&node) {
            return Standing::Known;
        }
        let standing = meet(&mut self.unknown, node, at);
        if standing == Standing::Uncounted {
            self.not_looked_up = self.not_looked_up.saturating_add(1);
        }
        standing
    }

    /// A node's statement is under this key. Nothing is said of a node that is unknown itself.
    pub(super) fn meet_key(&mut self, node: NodeId, key: PublicKey, at: Place) -> Standing {
        match self.keys.get(&node) {
            Some(keys) if keys.contains(&key) => return Standing::Known,
            None if self.unknown.get(&node).is_none_or(|node| node.asked) => {
                return Standing::Uncounted;
            }
            _ => {}
        }
        let standing = meet(&mut self.strangers, (node, key), at);
        if standing == Standing::Uncounted {
            self.not_looked_up = self.not_looked_up.saturating_add(1);
        }
        standing
    }

    /// Nodes to be looked up.
    pub(super) fn unknown(&self) -> Vec<NodeId> {
        waiting(&self.unknown)
    }

    /// Keys to be looked up.
    pub(super) fn strangers(&self) -> Vec<(NodeId, PublicKey)> {
        waiting(&self.strangers)
    }

    /// What the chain says of an unknown node; the place of its first receipt when it knows none.
    pub(super) fn know(&mut self, node: NodeId, key: Option<PublicKey>) -> Option<Place> {
        if let Some(key) = key {
            self.unknown.remove(&node);
            self.strangers.remove(&(node, key));
            self.keys.entry(node).or_default().push(key);
            return None;
        }
        // It is one contradiction, not one more for its keys.
        self.strangers.retain(|(of, _), _| *of != node);
        let unknown = self.unknown.get_mut(&node)?;
        unknown.asked = true;
        Some(unknown.first)
    }

    /// What the chain says of a key; the place of its first statement when it is not the node's.
    pub(super) fn know_key(
        &mut self,
        node: NodeId,
        key: PublicKey,
        its_own: bool,
    ) -> Option<Place> {
        if its_own {
            self.strangers.remove(&(node, key));
            self.keys.entry(node).or_default().push(key);
            return None;
        }
        let stranger = self.strangers.get_mut(&(node, key))?;
        stranger.asked = true;
        Some(stranger.first)
    }

    /// A node's book. None for those that are only counted.
    pub(super) fn book(&mut self, node: NodeId) -> Option<&mut Book> {
        let kept = self.keys.contains_key(&node) || self.unknown.contains_key(&node);
        kept.then(|| self.books.entry(node).or_default())
    }

    /// Every book there is.
    pub(super) const fn books(&self) -> &BTreeMap<NodeId, Book> {
        &self.books
    }

    /// Nodes that served and have closed their accounts.
    pub(super) fn gone(&self) -> usize {
        self.books.keys().filter(|node| self.gone.contains(*node)).count()
    }

    /// Receipts whose node or key nobody looked up.
    pub(super) const fn not_looked_up(&self) -> u64 {
        self.not_looked_up
    }

    /// What each node that is on chain must be credited for the entries so far, rounded **down**.
    pub(super) fn due(&self) -> BTreeMap<NodeId, Amount> {
        let here = |node: &NodeId| self.keys.contains_key(node) && !self.gone.contains(node);
        let due = |book: &Book| book.owed().to_amount_floor().unwrap_or(Amount::MAX);
        let books = self.books.iter().filter(|(node, _)| here(node));
        books.map(|(node, book)| (*node, due(book))).collect()
    }

    /// The chain covers exactly the entries so far.
    pub(super) fn mark_anchored(&mut self) {
        for book in self.books.values_mut() {
            book.anchored = book.owed();
        }
    }

    /// What a node may have been credited: its receipts that the chain covers, rounded **down**.
    pub(super) fn anchored(&self, node: &NodeId) -> Amount {
        let anchored = self.books.get(node).map(|book| book.anchored).unwrap_or_default();
        anchored.to_amount_floor().unwrap_or(Amount::MAX)
    }
}
