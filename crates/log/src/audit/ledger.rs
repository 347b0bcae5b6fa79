//! The books an audit keeps while entries stream by.
//!
//! Places and roots are here; what one receipt must be is in [`receipt`], the money in [`money`], the end in
//! [`conclusion`]. Invariant: memory grows with nodes on chain and with what was brought along, never with entries
//! or with what they invent.

mod conclusion;
mod money;
mod receipt;

use std::collections::{BTreeMap, HashMap};
use std::io;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey};
use pinaivu_protocol::merkle::{CompactRange, leaf_hash};
use pinaivu_protocol::receipt::Receipt;
use pinaivu_protocol::units::{Amount, Bps};

use super::chain::{Anchor, Opening};
use super::duplicates::{Key, Keys};
use super::evidence::Evidence;
use super::finding::{Contradiction, Finding};
use super::nodes::{Nodes, Place};
use super::owner::Owner;
use super::report::{EpochReport, Totals};
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, entries};
use crate::tile::Span;
use receipt::{unknown_key, unknown_node};

/// Contradictions of each kind that are kept; further ones are counted. One lie early in a log makes
/// every later entry contradict, and must not hide what else there is.
const KEPT: usize = 10;

/// Fine units in one millionth of a USDC.
const FINE: u128 = 1_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    receipts: u64,
    charged: u128,
    fees: u128,
}

impl Sums {
    fn show(self) -> Totals {
        Totals {
            receipts: self.receipts,
            charged: self.charged.to_string(),
            fees: self.fees.to_string(),
            earned: self.charged.saturating_sub(self.fees).to_string(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Held {
    leaf: Hash32,
    seen: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ledger {
    deployment: DeploymentId,
    coordinator: CoordinatorId,
    signer: PublicKey,
    fee_rate: Bps,
    nodes: Nodes,
    epoch: u32,
    tree: CompactRange,
    expected: BTreeMap<(u32, u64), Vec<(Hash32, String)>>,
    held: HashMap<(u32, u64), Held>,
    owner: Owner,
    has_owner: bool,
    /// Entries of closed epochs that the chain covers and that could not be read.
    lost: u64,
    sums: Sums,
    anchored: Sums,
    keys: Keys,
    epochs: Vec<EpochReport>,
    read_before: u64,
    unreadable: bool,
    unproved: u64,
    /// What was brought along and cannot be used, and why.
    unused: Vec<String>,
    findings: Vec<Finding>,
    further: u64,
}

impl Ledger {
    pub(super) fn new(opening: &Opening, evidence: Evidence) -> Self {
        let mut ledger = Self {
            deployment: opening.deployment,
            coordinator: opening.coordinator,
            signer: opening.signer,
            fee_rate: opening.fee_rate,
            nodes: Nodes::new(opening),
            epoch: 0,
            tree: CompactRange::new(),
            expected: BTreeMap::new(),
            held: HashMap::new(),
            has_owner: !evidence.owner.is_empty(),
            owner: Owner::new(evidence.owner),
            lost: 0,
            sums: Sums::default(),
            anchored: Sums::default(),
            keys: Keys::default(),
            epochs: Vec::new(),
            read_before: 0,
            unreadable: false,
            unproved: 0,
            unused: evidence.unused,
            findings: Vec::new(),
            further: 0,
        };
        for anchor in opening.closed.iter().chain([&opening.open]) {
            ledger.expect_anchor(anchor);
        }
        for (epoch, size, root, from) in evidence.heads {
            ledger.expected.entry((epoch, size)).or_default().push((root, from));
        }
        for receipt in &evidence.held {
            ledger.hold(receipt, &evidence.signers);
        }
        ledger
    }

    /// Takes a receipt that somebody holds, when it is the coordinator's own word: what is not proves nothing
    /// about it.
    fn hold(&mut self, receipt: &Receipt, former: &[PublicKey]) {
        let head = &receipt.head.record;
        let mine = (head.coordinator, head.deployment) == (self.coordinator, self.deployment);
        let mut keys = [self.signer].into_iter().chain(former.iter().copied());
        let why = if !mine {
            Some("is another coordinator's")
        } else if receipt.body.hash() != head.body {
            Some("has another body than its head names")
        } else if !keys.any(|key| receipt.head.verify(&key).is_ok()) {
            Some("is under no key that is known as the coordinator's")
        } else {
            None
        };
        let (epoch, index) = (head.epoch, head.index);
        if let Some(why) = why {
            self.unused.push(format!("a receipt for epoch {epoch}, entry {index}, {why}"));
            return;
        }
        let leaf = Entry::from(receipt).leaf();
        if let Some(other) = self.held.insert((epoch, index), Held { leaf, seen: false })
            && other.leaf != leaf
        {
            let detail = "two signed receipts for this place were brought along".to_owned();
            self.found(Contradiction::Equivocation, epoch, Some(index), detail);
        }
    }

    pub(super) const fn issuer(&self) -> (CoordinatorId, PublicKey) {
        (self.coordinator, self.signer)
    }

    pub(super) const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Entries of this epoch that were read.
    pub(super) const fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Entries of all epochs that were read.
    pub(super) const fn read(&self) -> u64 {
        self.read_before.saturating_add(self.tree.size())
    }

    /// Entries of the epochs before this one.
    pub(super) const fn read_before(&self) -> u64 {
        self.read_before
    }

    pub(super) const fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    pub(super) fn found(
        &mut self,
        kind: Contradiction,
        epoch: u32,
        index: Option<u64>,
        detail: String,
    ) {
        if self.findings.iter().filter(|finding| finding.kind == kind).count() < KEPT {
            self.findings.push(Finding { kind, epoch, index, detail });
        } else {
            self.further = self.further.saturating_add(1);
        }
    }

    /// Where the next entry stands.
    const fn place(&self) -> Place {
        (self.epoch, self.tree.size())
    }

    fn here(&mut self, kind: Contradiction, detail: impl Into<String>) {
        let (epoch, index) = self.place();
        self.found(kind, epoch, Some(index), detail.into());
    }

    /// The chain says that this is a head.
    pub(super) fn expect_anchor(&mut self, anchor: &Anchor) {
        let place = (anchor.epoch, anchor.size);
        let known = self.expected.entry(place).or_default();
        if !known.contains(&(anchor.root, "the chain".to_owned())) {
            known.push((anchor.root, "the chain".to_owned()));
        }
        // The place may have been passed already.
        if place == self.place() {
            self.compare_root();
        }
    }

    pub(super) fn begin_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
        self.tree = CompactRange::new();
        self.unreadable = false;
        self.compare_root();
    }

    /// This epoch is closed, and the chain covers that many of its entries: what was not read is lost.
    pub(super) const fn close_epoch(&mut self, anchored: u64) {
        self.lost = self.lost.saturating_add(anchored.saturating_sub(self.tree.size()));
    }

    /// The rest of this epoch cannot be read.
    pub(super) fn unreadable(&mut self, why: String) {
        self.unreadable = true;
        self.here(Contradiction::Unavailable, why);
    }

    /// Reads the entries of a bundle from where the last one ended, up to `until`.
    pub(super) fn bundle(&mut self, span: Span, bundle: &[u8], until: u64) -> io::Result<()> {
        let mut position = span.start();
        for entry in entries(bundle).take(usize::from(span.width)) {
            let Ok(entry) = entry else { break };
            if position == self.tree.size() && position < until {
                self.entry(entry)?;
            }
            position = position.saturating_add(1);
        }
        let end = span.start().saturating_add(u64::from(span.width)).min(until);
        if self.tree.size() < end {
            self.unreadable("the bundle ends before its last entry".to_owned());
        }
        Ok(())
    }

    fn entry(&mut self, bytes: &[u8]) -> io::Result<()> {
        let leaf = leaf_hash(bytes);
        let place = self.place();
        match Entry::decode(bytes) {
            Ok(entry) => {
                self.check(&entry);
                self.keys.add(Key {
                    request: entry.head.request,
                    segment: entry.head.segment,
                    epoch: place.0,
                    index: place.1,
                })?;
                if let Some((kind, detail)) = self.owner.entry(&entry) {
                    self.here(kind, detail);
                }
            }
            Err(error) => self.here(Contradiction::Place, error.to_string()),
        }
        if let Some(held) = self.held.get_mut(&place) {
            held.seen = true;
            if held.leaf != leaf {
                self.here(
                    Contradiction::Equivocation,
                    "somebody holds a signed receipt for this place with other contents",
                );
            }
        }
        // A tree of 2⁶⁴ leaves does not fit the world.
        let _ = self.tree.push(leaf);
        self.compare_root();
        Ok(())
    }

    fn compare_root(&mut self) {
        let place = self.place();
        let Some(expected) = self.expected.remove(&place) else { return };
        let root = self.tree.root();
        for (other, from) in expected {
            if other != root {
                let detail = format!(
                    "the first {} entries have the root {root}, {from} says {other}",
                    place.1
                );
                self.found(Contradiction::Root, place.0, None, detail);
            }
        }
    }

    /// Nodes that nobody has looked for on the chain yet.
    pub(super) fn unknown_nodes(&self) -> Vec<NodeId> {
        self.nodes.unknown()
    }

    /// What the chain says of one of them: its key.
    pub(super) fn know_node(&mut self, node: NodeId, key: Option<PublicKey>) {
        if let Some((epoch, index)) = self.nodes.know(node, key) {
            let detail = unknown_node(&node);
            self.found(Contradiction::UnknownNode, epoch, Some(index), detail);
        }
    }

    /// Keys of nodes that nobody has looked for on the chain yet.
    pub(super) fn strangers(&self) -> Vec<(NodeId, PublicKey)> {
        self.nodes.strangers()
    }

    /// What the chain says of one of them.
    pub(super) fn know_key(&mut self, node: NodeId, key: PublicKey, its_own: bool) {
        if let Some((epoch, index)) = self.nodes.know_key(node, key, its_own) {
            let detail = unknown_key(&node, &key);
            self.found(Contradiction::NodeKey, epoch, Some(index), detail);
        }
    }

    /// What each node must be credited for the entries so far.
    pub(super) fn due(&self) -> BTreeMap<NodeId, Amount> {
        self.nodes.due()
    }

    /// The chain covers exactly the entries so far.
    pub(super) fn mark_anchored(&mut self) {
        self.anchored = self.sums;
        self.nodes.mark_anchored();
        self.owner.mark_anchored();
    }

    pub(super) fn end_epoch(&mut self, head: &Checkpoint) {
        if self.tree.size() == head.size && self.tree.root() != head.root {
            let detail = format!(
                "the {} entries have the root {}, the checkpoint says {}",
                head.size,
                self.tree.root(),
                head.root
            );
            self.found(Contradiction::Root, self.epoch, None, detail);
        }
        self.epochs.push(EpochReport {
            epoch: self.epoch,
            size: self.tree.size(),
            root: self.tree.root().to_string(),
        });
        self.read_before = self.read_before.saturating_add(self.tree.size());
        self.tree = CompactRange::new();
    }
}
