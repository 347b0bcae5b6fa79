//! The books an audit keeps while entries stream by.

use std::collections::{BTreeMap, HashMap};
use std::io;

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey};
use pinaivu_protocol::merkle::{CompactRange, leaf_hash};
use pinaivu_protocol::proof::ProofRoot;
use pinaivu_protocol::receipt::fee_floor;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::{Amount, Bps, FineAmount, TokenPrice};

use super::Evidence;
use super::chain::{Anchor, Opening, Settled};
use super::duplicates::{Key, Keys};
use super::finding::{Contradiction, Finding};
use super::owner::Owner;
use super::report::{ChainTotals, EpochReport, Report, Totals};
use crate::checkpoint::Checkpoint;
use crate::entry::{Entry, entries};
use crate::tile::Span;

/// Contradictions of each kind that are kept; further ones are counted. One lie early in a log makes
/// every later entry contradict, and must not hide what else there is.
const KEPT: usize = 10;

/// A winner is paid at most this share of its ask (docs/adr/0003-second-price.md).
const PRICE_CAP_BPS: u128 = 11_000;
const WHOLE_BPS: u128 = 10_000;
/// Fine units in one millionth of a USDC.
const FINE: u128 = 1_000_000;

#[derive(Clone, Debug, Default)]
struct NodeBook {
    cumulative: FineAmount,
    /// Its newest receipt's epoch.
    epoch: Option<u32>,
    /// Of its last statement: 64 proofs share one signature.
    verified: Option<(Signed<ProofRoot>, PublicKey)>,
}

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

/// A key that is not known to be a node's.
#[derive(Clone, Copy, Debug)]
struct Stranger {
    /// The place of the first receipt under it.
    first: (u32, u64),
    /// The chain does not know it either.
    asked: bool,
}

fn unknown_key(node: &NodeId, key: &PublicKey) -> String {
    format!("signed with {key}, which is not a known key of node {node}")
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
    node_keys: BTreeMap<NodeId, Vec<PublicKey>>,
    /// Keys that nodes signed with and that are not known to be theirs: where first, and whether somebody
    /// has looked.
    strangers: BTreeMap<(NodeId, PublicKey), Stranger>,
    epoch: u32,
    tree: CompactRange,
    expected: BTreeMap<(u32, u64), Vec<(Hash32, String)>>,
    held: HashMap<(u32, u64), Held>,
    owner: Owner,
    has_owner: bool,
    nodes: HashMap<NodeId, NodeBook>,
    /// What nodes had earned by the entries that the chain covers.
    anchored_nodes: BTreeMap<NodeId, FineAmount>,
    sums: Sums,
    anchored: Sums,
    keys: Keys,
    epochs: Vec<EpochReport>,
    read_before: u64,
    unreadable: bool,
    unproved: u64,
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
            node_keys: opening.node_keys.clone(),
            strangers: BTreeMap::new(),
            epoch: 0,
            tree: CompactRange::new(),
            expected: BTreeMap::new(),
            held: HashMap::new(),
            has_owner: !evidence.owner.is_empty(),
            owner: Owner::new(evidence.owner),
            nodes: HashMap::new(),
            anchored_nodes: BTreeMap::new(),
            sums: Sums::default(),
            anchored: Sums::default(),
            keys: Keys::default(),
            epochs: Vec::new(),
            read_before: 0,
            unreadable: false,
            unproved: 0,
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
            let head = &receipt.head.record;
            let mine =
                head.coordinator == ledger.coordinator && head.deployment == ledger.deployment;
            // Whatever is not the coordinator's own word proves nothing about it.
            if mine && receipt.head.verify(&ledger.signer).is_ok() {
                let leaf = Entry::from(receipt).leaf();
                let place = (head.epoch, head.index);
                if let Some(other) = ledger.held.insert(place, Held { leaf, seen: false })
                    && other.leaf != leaf
                {
                    ledger.found(
                        Contradiction::Equivocation,
                        head.epoch,
                        Some(head.index),
                        "two signed receipts for this place were brought along".to_owned(),
                    );
                }
            }
        }
        ledger
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

    fn here(&mut self, kind: Contradiction, detail: impl Into<String>) {
        let (epoch, index) = (self.epoch, self.tree.size());
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
        if place == (self.epoch, self.tree.size()) {
            self.compare_root();
        }
    }

    pub(super) fn begin_epoch(&mut self, epoch: u32) {
        self.epoch = epoch;
        self.tree = CompactRange::new();
        self.unreadable = false;
        self.compare_root();
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
        let place = (self.epoch, self.tree.size());
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
        let place = (self.epoch, self.tree.size());
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

    /// Everything about one receipt that the ones before it and the chain decide.
    fn check(&mut self, entry: &Entry) {
        let (head, body) = (&entry.head, &entry.body);
        if (head.epoch, head.index) != (self.epoch, self.tree.size()) {
            self.here(
                Contradiction::Place,
                format!("the receipt says epoch {}, entry {}", head.epoch, head.index),
            );
        }
        if (head.deployment, head.coordinator) != (self.deployment, self.coordinator) {
            self.here(Contradiction::Party, "of another deployment or coordinator");
        }
        if body.hash() != head.body {
            self.here(Contradiction::Body, "the body is not the one the head names");
        }
        let amount = body.tariff.amount(body.input_tokens, body.output_tokens);
        if amount != body.amount || fee_floor(amount, body.fee_rate) != Some(body.fee) {
            self.here(
                Contradiction::Arithmetic,
                format!(
                    "tokens times tariff are {amount}, the receipt charges {} with a fee of {}",
                    body.amount, body.fee
                ),
            );
        }
        if body.fee_rate != self.fee_rate {
            self.here(
                Contradiction::FeeRate,
                format!("the rate is {} bps, on chain {}", body.fee_rate.0, self.fee_rate.0),
            );
        }
        let price = body.tariff.price;
        let ask = body.auction.winner_ask;
        // Rounded down, as clearing rounds it.
        let cap = u128::from(ask.0)
            .checked_mul(PRICE_CAP_BPS)
            .and_then(|cap| cap.checked_div(WHOLE_BPS))
            .and_then(|cap| u64::try_from(cap).ok())
            .map_or(TokenPrice::MAX, TokenPrice);
        if price < ask || price > cap {
            self.here(
                Contradiction::Price,
                format!("the price is {price}, the winner asked {ask}"),
            );
        }
        self.check_statement(entry);
        self.check_cumulative(entry);
        self.sums.receipts = self.sums.receipts.saturating_add(1);
        self.sums.charged = self.sums.charged.saturating_add(body.amount.0);
        self.sums.fees = self.sums.fees.saturating_add(body.fee.0);
    }

    fn check_statement(&mut self, entry: &Entry) {
        let (head, body) = (&entry.head, &entry.body);
        let Some(statement) = &body.statement else {
            self.unproved = self.unproved.saturating_add(1);
            return;
        };
        let proof = &statement.proof;
        let about = (proof.deployment, proof.coordinator, proof.node, proof.request, proof.segment)
            == (head.deployment, head.coordinator, head.node, head.request, head.segment)
            && (proof.ticket, proof.response_commitment) == (body.ticket, body.response_commitment);
        if !about {
            self.here(Contradiction::Statement, "the node's statement is about another answer");
            return;
        }
        if let Err(error) = statement.evidence.check_inclusion(proof) {
            self.here(Contradiction::Statement, error.to_string());
            return;
        }
        let evidence = (statement.evidence.root.clone(), statement.evidence.signer);
        let book = self.nodes.entry(head.node).or_default();
        if book.verified.as_ref() != Some(&evidence) {
            if evidence.0.verify(&evidence.1).is_err() {
                self.here(Contradiction::Statement, "the node's signature does not verify");
                return;
            }
            book.verified = Some(evidence);
        }
        let signer = statement.evidence.signer;
        if !self.node_keys.get(&head.node).is_some_and(|keys| keys.contains(&signer)) {
            let first = (self.epoch, self.tree.size());
            let stranger = self
                .strangers
                .entry((head.node, signer))
                .or_insert(Stranger { first, asked: false });
            if stranger.asked {
                self.here(Contradiction::NodeKey, unknown_key(&head.node, &signer));
            }
        }
        if body.input_tokens > proof.input_tokens || body.output_tokens > proof.output_tokens {
            self.here(
                Contradiction::Tokens,
                format!(
                    "charged {} and {} tokens, the node counted {} and {}",
                    body.input_tokens, body.output_tokens, proof.input_tokens, proof.output_tokens
                ),
            );
        }
    }

    /// Keys of nodes that nobody has looked for on the chain yet.
    pub(super) fn strangers(&self) -> Vec<(NodeId, PublicKey)> {
        let new = self.strangers.iter().filter(|(_, stranger)| !stranger.asked);
        new.map(|(who, _)| *who).collect()
    }

    /// What the chain says of one of them.
    pub(super) fn know_key(&mut self, node: NodeId, key: PublicKey, its_own: bool) {
        if its_own {
            self.strangers.remove(&(node, key));
            self.node_keys.entry(node).or_default().push(key);
        } else if let Some(stranger) = self.strangers.get_mut(&(node, key)) {
            stranger.asked = true;
            let (epoch, index) = stranger.first;
            self.found(Contradiction::NodeKey, epoch, Some(index), unknown_key(&node, &key));
        }
    }

    fn check_cumulative(&mut self, entry: &Entry) {
        let (head, body) = (&entry.head, &entry.body);
        let book = self.nodes.entry(head.node).or_default();
        let (before, first) = (book.cumulative, book.epoch != Some(head.epoch));
        let share = body.amount.checked_sub(body.fee);
        let expected = share.and_then(|share| before.checked_add(share));
        // A new epoch may begin above what is in the log: receipts made after the backup are paid too.
        let restored =
            first && head.epoch > 0 && expected.is_some_and(|low| head.node_cumulative > low);
        book.cumulative = head.node_cumulative;
        book.epoch = Some(head.epoch);
        if expected != Some(head.node_cumulative) && !restored {
            let detail = format!(
                "node {} had earned {before}, earns {} here, and is said to have {}",
                head.node,
                share.unwrap_or_default(),
                head.node_cumulative
            );
            self.here(Contradiction::Cumulative, detail);
        }
    }

    /// What each node must be credited for the entries so far, rounded **down**.
    pub(super) fn mark_due(&mut self) -> BTreeMap<NodeId, Amount> {
        let due = |book: &NodeBook| book.cumulative.to_amount_floor().unwrap_or(Amount::MAX);
        self.nodes.iter().map(|(node, book)| (*node, due(book))).collect()
    }

    /// The chain covers exactly the entries so far.
    pub(super) fn mark_anchored(&mut self) {
        self.anchored = self.sums;
        self.anchored_nodes =
            self.nodes.iter().map(|(node, book)| (*node, book.cumulative)).collect();
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

    pub(super) fn finish(
        mut self,
        settled: &Settled,
        due: &BTreeMap<NodeId, Amount>,
    ) -> io::Result<Report> {
        for ((epoch, size), expected) in std::mem::take(&mut self.expected) {
            let had = self.epochs.iter().find(|report| report.epoch == epoch);
            let had = had.map_or(0, |report| report.size);
            for (_, from) in expected {
                let detail = format!("the log has {had} entries, {from} has {size}");
                self.found(Contradiction::Shrunk, epoch, None, detail);
            }
        }
        let mut missing: Vec<(u32, u64)> =
            self.held.iter().filter(|(_, held)| !held.seen).map(|(place, _)| *place).collect();
        missing.sort_unstable();
        for (epoch, index) in missing {
            let detail = "somebody holds a signed receipt that the log does not have".to_owned();
            self.found(Contradiction::Equivocation, epoch, Some(index), detail);
        }
        self.check_ids()?;
        self.check_money(settled, due);
        for (kind, detail) in self.owner.finish(&settled.debits) {
            self.found(kind, settled.open.epoch, None, detail);
        }
        Ok(self.report(settled))
    }

    fn check_ids(&mut self) -> io::Result<()> {
        let mut last: Option<Key> = None;
        let mut found = Vec::new();
        std::mem::take(&mut self.keys).sorted(|key| {
            let before = last.replace(key).filter(|before| before.request == key.request);
            match before {
                Some(before) if before.segment == key.segment => {
                    let detail = format!(
                        "{} segment {} has a receipt at epoch {}, entry {} too",
                        key.request, key.segment.0, before.epoch, before.index
                    );
                    found.push((Contradiction::Duplicate, key, detail));
                }
                before => {
                    let next = before.map_or(0, |before| before.segment.0.saturating_add(1));
                    if key.segment.0 != next {
                        let detail = format!(
                            "{} has a receipt for segment {} and none for segment {next}",
                            key.request, key.segment.0
                        );
                        found.push((Contradiction::Segment, key, detail));
                    }
                }
            }
        })?;
        for (kind, key, detail) in found {
            self.found(kind, key.epoch, Some(key.index), detail);
        }
        Ok(())
    }

    fn check_money(&mut self, settled: &Settled, due: &BTreeMap<NodeId, Amount>) {
        let epoch = settled.open.epoch;
        // Each allowance is rounded up once. How many there were is on chain for the open ones; the
        // closed ones took the rest, one unit each at least.
        let open = settled.debits.values().filter(|debited| **debited > Amount::ZERO).count();
        let in_open = settled.debits.values().fold(0_u64, |sum, debit| sum.saturating_add(debit.0));
        let closed = settled.debited.0.saturating_sub(in_open).min(self.anchored.receipts);
        let roundings = u128::try_from(open).unwrap_or(u128::MAX).saturating_add(closed.into());
        let most = self.anchored.charged.saturating_add(roundings.saturating_mul(FINE - 1));
        if settled.debited.to_fine().0 > most {
            let detail = format!(
                "{} USDC were debited, the {} receipts that the chain covers add up to {} fine units",
                settled.debited.to_usdc_string(),
                self.anchored.receipts,
                self.anchored.charged
            );
            self.found(Contradiction::Debits, epoch, None, detail);
        }
        let fees = FineAmount(self.anchored.fees).to_amount_floor().unwrap_or(Amount::MAX);
        if settled.fees > fees {
            let detail = format!(
                "{} USDC of fees were kept, receipts allow {}",
                settled.fees.to_usdc_string(),
                fees.to_usdc_string()
            );
            self.found(Contradiction::Fees, epoch, None, detail);
        }
        let mut findings = Vec::new();
        for (node, credited) in &settled.credits {
            let earned = self.anchored_nodes.get(node).copied().unwrap_or_default();
            let earned = earned.to_amount_floor().unwrap_or(Amount::MAX);
            if *credited > earned {
                let detail = format!(
                    "node {node} was credited {} USDC, its receipts add up to {}",
                    credited.to_usdc_string(),
                    earned.to_usdc_string()
                );
                findings.push((Contradiction::Credits, detail));
            }
        }
        let given = settled.credited.0.saturating_add(settled.fees.0);
        let left = settled.debited.0.saturating_sub(given);
        for (node, due) in due {
            let credited = settled.credits.get(node).copied().unwrap_or(Amount::ZERO);
            if *due > credited && left > 0 {
                let detail = format!(
                    "node {node} earned {} USDC and was credited {}, while {left} millionths lie \
                     undistributed",
                    due.to_usdc_string(),
                    credited.to_usdc_string()
                );
                findings.push((Contradiction::Unpaid, detail));
            }
        }
        for (kind, detail) in findings {
            self.found(kind, epoch, None, detail);
        }
    }

    fn report(self, settled: &Settled) -> Report {
        let mut not_checked = vec![
            "answers, speed and which model answered: no log can show them".to_owned(),
            "receipts that were never logged and that nobody brought along".to_owned(),
        ];
        if self.unproved > 0 {
            not_checked
                .push(format!("{} receipts carry no statement of their node", self.unproved));
        }
        if !self.has_owner {
            not_checked.push("debits of single allowances: their owners hold the salts".to_owned());
        }
        Report {
            coordinator: self.coordinator,
            deployment: self.deployment,
            epochs: self.epochs,
            totals: self.sums.show(),
            anchored: self.anchored.show(),
            chain: ChainTotals {
                log_size: settled.open.size,
                debited: settled.debited,
                credited: settled.credited,
                fees: settled.fees,
            },
            nodes: self.nodes.len(),
            contradictions: self.findings,
            further_contradictions: self.further,
            not_checked,
        }
    }
}
