//! Signatures over proofs, off the critical path.
//!
//! Finished answers are gathered for a few tens of milliseconds or until a root is full, journaled with
//! their evidence, and only then does the one signature over all of them leave. Roots that filled while
//! the disk was busy are journaled with one flush. What the coordinator has not seen with the answer,
//! because the client was gone, is presented in full at once.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::merkle::{MemoryTree, inclusion_proof};
use pinaivu_protocol::proof::{MAX_PROOFS_PER_ROOT, NodeEvidence, ProofOfInference, ProofRoot};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{NodeMessage, Represented};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::counterparty::Counterparty;
use crate::identity::Identity;
use crate::journal::{Appended, Entry, Journal};
use crate::report::error_chain;

/// How long the first proof of a batch waits for others.
const GATHER: Duration = Duration::from_millis(25);
/// Most roots that are journaled together.
const TOGETHER: usize = 16;
/// Pause after the journal failed.
const RETRY: Duration = Duration::from_secs(1);

/// A finished answer.
#[derive(Clone, Debug)]
pub struct Work {
    /// The ticket it answers.
    pub ticket: Ticket,
    /// What is said about it.
    pub proof: ProofOfInference,
    /// The canonical answer.
    pub answer_json: Vec<u8>,
    /// Whether the proof went out with the answer.
    pub delivered: bool,
}

/// Signs one coordinator's proofs.
#[derive(Debug)]
pub struct EvidenceSigner {
    /// Who signs.
    pub identity: Arc<Identity>,
    /// For whom.
    pub counterparty: Arc<Counterparty>,
    /// Where proofs go first.
    pub journal: Journal,
}

impl EvidenceSigner {
    /// Signs what comes until `stop`, and then what has come until then.
    pub async fn run(self, mut work: mpsc::UnboundedReceiver<Work>, stop: CancellationToken) {
        let most = MAX_PROOFS_PER_ROOT as usize;
        let mut batch = Vec::with_capacity(most);
        loop {
            let first = tokio::select! {
                biased;
                first = work.recv() => first,
                // Everything that was handed over before the stop is received first.
                () = stop.cancelled() => None,
            };
            let Some(first) = first else { return };
            batch.push(first);
            let gathered = tokio::time::sleep(GATHER);
            tokio::pin!(gathered);
            while batch.len() < most {
                let room = most.saturating_sub(batch.len());
                tokio::select! {
                    biased;
                    more = work.recv_many(&mut batch, room) => {
                        if more == 0 { break }
                    }
                    () = &mut gathered => break,
                    () = stop.cancelled() => break,
                }
            }
            let mut batches = vec![std::mem::take(&mut batch)];
            while work.len() >= most && batches.len() < TOGETHER {
                batches.push(std::iter::from_fn(|| work.try_recv().ok()).take(most).collect());
            }
            join_all(batches.into_iter().map(|batch| self.publish(batch, &stop))).await;
        }
    }

    /// Journals and signs one batch, however long the journal takes to work again.
    async fn publish(&self, mut batch: Vec<Work>, stop: &CancellationToken) {
        let handed_over = batch.len();
        while !batch.is_empty() {
            let Some(signed) = self.sign(&batch) else { break };
            let entries = Arc::new(signed.entries(&batch));
            match self.journal.append(Arc::clone(&entries)).await {
                Ok(Appended::Durable) => {
                    self.counterparty.set_storing(true);
                    self.count(&entries);
                    self.send(signed, &entries, &batch);
                    break;
                }
                Ok(Appended::AlreadySigned(tickets)) => {
                    tracing::error!(
                        coordinator = %self.counterparty.id(), ?tickets,
                        "answered tickets that have a signed proof already; they are not signed again"
                    );
                    batch.retain(|work| !tickets.contains(&work.proof.ticket));
                }
                Err(error) => {
                    self.counterparty.set_storing(false);
                    tracing::error!(
                        coordinator = %self.counterparty.id(), proofs = batch.len(),
                        error = error_chain(&error),
                        "proofs cannot be journaled and are not signed; trying again"
                    );
                    if stop.is_cancelled() {
                        break;
                    }
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = tokio::time::sleep(RETRY) => {}
                    }
                }
            }
        }
        self.counterparty.stored(handed_over);
    }

    fn sign(&self, batch: &[Work]) -> Option<SignedBatch> {
        let mut tree = MemoryTree::new();
        let leaves: Vec<Hash32> = batch.iter().map(|work| work.proof.leaf()).collect();
        for leaf in &leaves {
            tree.push(*leaf).ok()?;
        }
        let size = u32::try_from(leaves.len()).ok()?;
        let paths = (0..u64::from(size))
            .map(|index| inclusion_proof(&tree, index, u64::from(size)).ok())
            .collect::<Option<Vec<_>>>()?;
        let root = self.identity.key.records().sign(ProofRoot {
            deployment: self.identity.deployment,
            coordinator: self.counterparty.id(),
            node: self.identity.node,
            size,
            root: tree.root(),
        });
        let signer = self.identity.key.public();
        let evidence = (0..size)
            .zip(paths)
            .map(|(index, path)| NodeEvidence { signer, root: root.clone(), index, path })
            .collect();
        Some(SignedBatch { root, leaves, evidence })
    }

    fn count(&self, entries: &[Entry]) {
        self.counterparty.update_exposure(|exposure| {
            for Entry { presented, amount } in entries {
                let bytes = borsh::object_length(presented).unwrap_or_default();
                exposure.add(*amount, bytes as u64);
            }
        });
    }

    /// The records are durable: the signature may leave.
    fn send(&self, signed: SignedBatch, entries: &[Entry], batch: &[Work]) {
        let Some(session) = self.counterparty.session().borrow().clone() else { return };
        let SignedBatch { root, leaves, .. } = signed;
        let mut sent = session.try_send(&NodeMessage::Root { root, leaves });
        for (Entry { presented, .. }, work) in entries.iter().zip(batch) {
            if !work.delivered {
                let presented = Box::new(presented.clone());
                sent = sent.and(session.try_send(&NodeMessage::Represent(presented)));
            }
        }
        if let Err(error) = sent {
            let coordinator = self.counterparty.id();
            tracing::debug!(%coordinator, %error, "evidence not sent; it will be presented again");
        }
    }
}

struct SignedBatch {
    root: pinaivu_protocol::signed::Signed<ProofRoot>,
    leaves: Vec<Hash32>,
    evidence: Vec<NodeEvidence>,
}

impl SignedBatch {
    fn entries(&self, batch: &[Work]) -> Vec<Entry> {
        batch
            .iter()
            .zip(&self.evidence)
            .map(|(work, evidence)| Entry {
                amount: work
                    .ticket
                    .tariff
                    .amount(work.proof.input_tokens, work.proof.output_tokens),
                presented: Represented {
                    ticket: work.ticket.clone(),
                    proof: work.proof.clone(),
                    evidence: evidence.clone(),
                    answer_json: work.answer_json.clone(),
                },
            })
            .collect()
    }
}
