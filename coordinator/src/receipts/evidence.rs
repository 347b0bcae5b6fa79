//! Brings a draft together with the node's signed root over its proof, whichever comes first.
//!
//! The proof arrives with the answer, the signature a few tens of milliseconds later for many answers
//! at once. A draft waits here until the root comes or its time is up; a root that comes first is kept
//! for as long. What is kept is bounded in time and for each node, so one node's roots cannot push out
//! another's.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey};
use pinaivu_protocol::merkle::{MemoryTree, inclusion_proof};
use pinaivu_protocol::proof::{MAX_PROOFS_PER_ROOT, NodeEvidence, ProofRoot};
use pinaivu_protocol::receipt::NodeStatement;
use pinaivu_protocol::signed::Signed;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::RootRefusal;
use super::commit::{Ready, Work};
use crate::store::Identity;

/// Most roots kept for one node: at one root every 20 ms, more than a second of them.
const MAX_ROOTS_PER_NODE: usize = 64;

/// A root whose signature and leaves have been checked.
#[derive(Debug)]
struct CheckedRoot {
    root: Signed<ProofRoot>,
    signer: PublicKey,
    leaves: Vec<Hash32>,
    /// Where each leaf is, so that a draft finds its root without looking through all of them.
    places: HashMap<Hash32, u32>,
    tree: MemoryTree,
}

impl CheckedRoot {
    fn check(
        identity: Identity,
        node: NodeId,
        session_key: &PublicKey,
        root: &Signed<ProofRoot>,
        leaves: Vec<Hash32>,
    ) -> Result<Self, RootRefusal> {
        let record = &root.record;
        if (record.deployment, record.coordinator, record.node)
            != (identity.deployment, identity.coordinator, node)
        {
            return Err(RootRefusal::Party);
        }
        let wrong_size = RootRefusal::Size(leaves.len());
        let size = u32::try_from(leaves.len()).map_err(|_| wrong_size)?;
        if size == 0 || size > MAX_PROOFS_PER_ROOT || size != record.size {
            return Err(wrong_size);
        }
        let mut tree = MemoryTree::new();
        for leaf in &leaves {
            tree.push(*leaf).map_err(|_| wrong_size)?;
        }
        if tree.root() != record.root {
            return Err(RootRefusal::Leaves);
        }
        root.verify(session_key).map_err(|_| RootRefusal::Signature)?;
        let places = leaves.iter().copied().zip(0..size).collect();
        Ok(Self { root: root.clone(), signer: *session_key, leaves, places, tree })
    }

    /// The evidence for a leaf under this root.
    fn evidence(&self, leaf: &Hash32) -> Option<NodeEvidence> {
        let index = *self.places.get(leaf)?;
        let path = inclusion_proof(&self.tree, u64::from(index), self.tree.size()).ok()?;
        Some(NodeEvidence { signer: self.signer, root: self.root.clone(), index, path })
    }
}

#[derive(Debug, Default)]
struct Book {
    /// Drafts by node and leaf of their proof.
    waiting: HashMap<(NodeId, Hash32), Ready>,
    /// When to stop waiting, in order.
    deadlines: VecDeque<(Instant, (NodeId, Hash32))>,
    /// Roots that came, oldest first, until they expire.
    roots: HashMap<NodeId, VecDeque<(Instant, CheckedRoot)>>,
}

/// Where drafts and roots meet.
#[derive(Debug)]
pub(super) struct Evidence {
    identity: Identity,
    wait: Duration,
    ready: UnboundedSender<Work>,
    book: Mutex<Book>,
}

impl Evidence {
    pub(super) fn new(
        identity: Identity,
        wait: Duration,
        ready: UnboundedSender<Work>,
    ) -> Arc<Self> {
        Arc::new(Self { identity, wait, ready, book: Mutex::default() })
    }

    /// Takes a draft: on to the commit at once when it needs no evidence or has it, else after the wait.
    pub(super) fn draft(&self, mut draft: Ready) {
        let Some(leaf) = draft.awaits.as_ref().map(|proof| proof.leaf()) else {
            return self.pass_on(draft);
        };
        let key = (draft.facts.ticket.node, leaf);
        let mut book = self.book.lock();
        let known = book
            .roots
            .get(&key.0)
            .and_then(|roots| roots.iter().find_map(|(_, root)| root.evidence(&leaf)));
        if let Some(evidence) = known {
            attach(&mut draft, evidence);
            return self.pass_on(draft);
        }
        let deadline = Instant::now().checked_add(self.wait).unwrap_or_else(Instant::now);
        book.deadlines.push_back((deadline, key));
        // The same proof twice is the engine's mistake; neither draft may get lost over it.
        if let Some(earlier) = book.waiting.insert(key, draft) {
            self.pass_on(earlier);
        }
    }

    /// Takes a root: what waits for it goes on, the rest of it is kept a while.
    pub(super) fn root(
        &self,
        node: NodeId,
        session_key: &PublicKey,
        root: &Signed<ProofRoot>,
        leaves: Vec<Hash32>,
    ) -> Result<(), RootRefusal> {
        let checked = CheckedRoot::check(self.identity, node, session_key, root, leaves)?;
        let mut book = self.book.lock();
        let mut left = 0_u32;
        for leaf in &checked.leaves {
            let Some(mut draft) = book.waiting.remove(&(node, *leaf)) else {
                left = left.saturating_add(1);
                continue;
            };
            if let Some(evidence) = checked.evidence(leaf) {
                attach(&mut draft, evidence);
            }
            self.pass_on(draft);
        }
        // Nearly always every draft was here first. A root that all have is looked through by nobody.
        if left == 0 {
            return Ok(());
        }
        let expiry = Instant::now().checked_add(self.wait).unwrap_or_else(Instant::now);
        let roots = book.roots.entry(node).or_default();
        if roots.len() >= MAX_ROOTS_PER_NODE {
            roots.pop_front();
        }
        roots.push_back((expiry, checked));
        Ok(())
    }

    /// Stops waiting for what has waited long enough by `now`, and forgets roots nobody asked for.
    pub(super) fn expire(&self, now: Instant) {
        let mut book = self.book.lock();
        while let Some((_, key)) = book.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            if let Some(draft) = book.waiting.remove(&key) {
                tracing::warn!(
                    request = %draft.facts.ticket.request, node = %key.0,
                    "the node sent no signed root for its proof in time"
                );
                self.pass_on(draft);
            }
        }
        book.roots.retain(|_, roots| {
            while roots.pop_front_if(|(expiry, _)| *expiry <= now).is_some() {}
            !roots.is_empty()
        });
    }

    /// Stops waiting altogether.
    pub(super) fn release_all(&self) {
        let mut book = self.book.lock();
        book.deadlines.clear();
        for (_, draft) in book.waiting.drain() {
            self.pass_on(draft);
        }
    }

    fn pass_on(&self, draft: Ready) {
        // Only a pipeline that has ended does not listen; the node presents its proof again.
        if self.ready.send(Work::Receipt(draft)).is_err() {
            tracing::error!("a draft came after the end of the receipts pipeline");
        }
    }
}

fn attach(draft: &mut Ready, evidence: NodeEvidence) {
    if let Some(proof) = draft.awaits.take() {
        draft.facts.statement = Some(Box::new(NodeStatement { proof: *proof, evidence }));
    }
}
