//! The queue between the engine and the disk, and the task that empties it.
//!
//! Drafts that come while a commit is under way form the next group, so groups grow with the load and
//! one flush serves them all. When the disk fails, the group is kept and tried again: holds stay, flights
//! stay open, and with the capacity used up admission stops by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{NodeId, PublicKey, RequestId};
use pinaivu_protocol::proof::{NodeEvidence, ProofOfInference, ProofRoot};
use pinaivu_protocol::receipt::NodeStatement;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::units::{Bps, UnixMillis};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::commit::{self, Facts, Fate, Group, Guard, Issuer, Ready, Work};
use super::evidence::Evidence;
use super::flight::Flights;
use super::{
    Anchor, Busy, Draft, Flight, InvalidDraft, Observer, ReceiptsConfig, RootRefusal, Signer,
};
use crate::clock::SharedClock;
use crate::store::{Identity, Store, StoreError};

/// Between two tries when the disk fails, at first and at most.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);
/// How often a failing commit is tried again after the pipeline was told to end. What is lost then,
/// nodes present again.
const RETRIES_AT_END: u32 = 3;
/// Tickets that were given up are remembered this much longer than proofs for them may come.
const FORGET_MARGIN_MILLIS: u64 = 60 * 60 * 1000;

/// Makes receipts. Clones are the same pipeline.
#[derive(Clone, Debug)]
pub struct Receipts {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: ReceiptsConfig,
    pub(super) identity: Identity,
    pub(super) signer: Arc<Signer>,
    pub(super) store: Store,
    pub(super) clock: SharedClock,
    pub(super) flights: Arc<Flights>,
    pub(super) evidence: Arc<Evidence>,
    /// The newest log head seen on chain.
    pub(super) anchor: ArcSwapOption<Anchor>,
    fee_rate: Bps,
    halted: AtomicBool,
    queue: UnboundedSender<Work>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The background half: commits what is submitted.
pub struct Pipeline {
    inner: Arc<Inner>,
    queue: UnboundedReceiver<Work>,
    observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").finish_non_exhaustive()
    }
}

impl Receipts {
    /// A pipeline over an open store, with the fee rate of the coordinator's account. Nothing is
    /// committed until [`Pipeline::run`] does.
    #[must_use]
    pub fn start(
        config: ReceiptsConfig,
        identity: Identity,
        signer: Arc<Signer>,
        store: Store,
        clock: SharedClock,
        observer: Arc<dyn Observer>,
        fee_rate: Bps,
    ) -> (Self, Pipeline) {
        let (sender, queue) = unbounded_channel();
        let inner = Arc::new(Inner {
            flights: Flights::new(config.capacity),
            evidence: Evidence::new(identity, config.evidence_wait, sender.clone()),
            anchor: ArcSwapOption::empty(),
            fee_rate,
            halted: AtomicBool::new(false),
            queue: sender,
            config,
            identity,
            signer,
            store,
            clock,
        });
        (Self { inner: Arc::clone(&inner) }, Pipeline { inner, queue, observer })
    }

    /// Opens a request: a place in the queue for its receipts. Hold on to it until the engine is done
    /// with the request; drafts carry clones.
    ///
    /// # Errors
    /// [`Busy`] when there is no place; nothing may be dispatched then.
    pub fn begin(&self, request: RequestId) -> Result<Flight, Busy> {
        if self.inner.halted.load(Ordering::Acquire) {
            return Err(Busy);
        }
        self.inner.flights.begin(request)
    }

    /// Hands over a segment that has to be paid for. Never blocks.
    ///
    /// # Errors
    /// [`InvalidDraft`]; the draft and its hold are dropped.
    pub fn submit(&self, draft: Draft) -> Result<(), InvalidDraft> {
        self.submit_with(draft, None)
    }

    /// The same when the node's evidence for the draft's proof is here already and has been verified: the
    /// draft waits for nothing.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub fn submit_proved(&self, draft: Draft, evidence: NodeEvidence) -> Result<(), InvalidDraft> {
        self.submit_with(draft, Some(evidence))
    }

    fn submit_with(
        &self,
        draft: Draft,
        evidence: Option<NodeEvidence>,
    ) -> Result<(), InvalidDraft> {
        let Draft { ticket, allowance, escrow, api_key, metered, auction, proof, flight, hold } =
            draft;
        if (ticket.deployment, ticket.coordinator)
            != (self.inner.identity.deployment, self.inner.identity.coordinator)
        {
            return Err(InvalidDraft::Party);
        }
        if flight.request() != ticket.request {
            return Err(InvalidDraft::Flight);
        }
        if metered.output_tokens > ticket.max_output {
            return Err(InvalidDraft::Tokens {
                metered: metered.output_tokens,
                allowed: ticket.max_output,
            });
        }
        let ticket_hash = ticket.hash();
        let awaits = proof.filter(|proof| {
            let difference = mismatch(proof, &ticket, &ticket_hash, &metered.response_commitment);
            if let Some(field) = difference {
                tracing::warn!(
                    request = %ticket.request, node = %ticket.node, field,
                    "the node's proof is about something else than its answer"
                );
            }
            difference.is_none()
        });
        let (awaits, statement) = match (awaits, evidence) {
            (Some(proof), Some(evidence)) => {
                (None, Some(Box::new(NodeStatement { proof, evidence })))
            }
            (awaits, _) => (awaits.map(Box::new), None),
        };
        let facts = Box::new(Facts {
            ticket,
            ticket_hash,
            allowance,
            escrow,
            api_key,
            metered,
            auction,
            statement,
            salts: commit::fresh_salts(),
            represented: false,
        });
        self.queue(Ready {
            facts,
            awaits,
            guard: Guard { _flight: Some(flight), _hold: hold, reply: None },
        })
    }

    pub(super) fn queue(&self, draft: Ready) -> Result<(), InvalidDraft> {
        if self.inner.queue.is_closed() {
            return Err(InvalidDraft::Closed);
        }
        self.inner.evidence.draft(draft);
        Ok(())
    }

    /// Gives a ticket up before its first byte: the client never saw an answer to it. A proof for it is
    /// refused from the moment the request's flight ends.
    pub fn abandon(&self, ticket: &Ticket) {
        let flight = self.inner.flights.get(&ticket.request);
        if self.inner.queue.send(Work::Abandon { ticket: ticket.hash(), flight }).is_err() {
            tracing::error!("a ticket was given up after the end of the receipts pipeline");
        }
    }

    /// Takes a node's signed root over its recent proofs, in the order of its leaves. `session_key` is
    /// the key of the node's tunnel, which the chain says is its signer.
    ///
    /// # Errors
    /// [`RootRefusal`]; nothing of it is used.
    pub fn root(
        &self,
        node: NodeId,
        session_key: &PublicKey,
        root: &Signed<ProofRoot>,
        leaves: Vec<Hash32>,
    ) -> Result<(), RootRefusal> {
        self.inner.evidence.root(node, session_key, root, leaves)
    }

    /// Remembers the newest log head seen on chain, for those who ask for receipts.
    pub fn set_anchor(&self, anchor: Anchor) {
        self.inner.anchor.store(Some(Arc::new(anchor)));
    }

    /// The newest log head seen on chain.
    #[must_use]
    pub fn anchor(&self) -> Option<Arc<Anchor>> {
        self.inner.anchor.load_full()
    }

    /// Stops for good: no request is begun and no receipt signed any more. For when the chain shows that
    /// this database is not the newest copy: whatever would be signed on it might contradict what was
    /// signed elsewhere.
    pub fn halt(&self) {
        self.inner.halted.store(true, Ordering::Release);
    }
}

/// The first field in which a proof is about something else than this ticket and answer.
pub(super) fn mismatch(
    proof: &ProofOfInference,
    ticket: &Ticket,
    ticket_hash: &Hash32,
    response_commitment: &Hash32,
) -> Option<&'static str> {
    [
        (proof.deployment == ticket.deployment, "deployment"),
        (proof.coordinator == ticket.coordinator, "coordinator"),
        (proof.node == ticket.node, "node"),
        (proof.request == ticket.request, "request"),
        (proof.segment == ticket.segment, "segment"),
        (proof.ticket == *ticket_hash, "ticket"),
        (proof.response_commitment == *response_commitment, "response commitment"),
    ]
    .into_iter()
    .find_map(|(same, field)| (!same).then_some(field))
}

/// Work taken together.
#[derive(Default)]
struct Batch {
    #[expect(clippy::vec_box, reason = "drafts are on the heap already and stay where they are")]
    facts: Vec<Box<Facts>>,
    guards: Vec<Guard>,
    abandoned: Vec<Hash32>,
    flights: Vec<Flight>,
}

impl Batch {
    fn add(&mut self, work: Work) {
        match work {
            Work::Receipt(ready) => {
                self.facts.push(ready.facts);
                self.guards.push(ready.guard);
            }
            Work::Abandon { ticket, flight } => {
                self.abandoned.push(ticket);
                self.flights.extend(flight);
            }
        }
    }

    fn len(&self) -> usize {
        self.facts.len().saturating_add(self.abandoned.len())
    }
}

impl Pipeline {
    /// Commits what is submitted until `stop`, then what is still waiting, and ends. It also ends when
    /// the store can no longer be written; the process should then start again.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(sweep_interval(self.inner.config.evidence_wait));
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_commit: Option<Instant> = None;
        loop {
            let first = tokio::select! {
                work = self.queue.recv() => work,
                _ = sweep.tick() => {
                    self.inner.evidence.expire(Instant::now());
                    continue;
                }
                () = stop.cancelled() => None,
            };
            let Some(first) = first else { break };
            let pause = self.inner.config.commit_interval;
            if let Some(next) = last_commit.and_then(|last| last.checked_add(pause)) {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = stop.cancelled() => {}
                }
            }
            let batch = self.collect(first);
            if self.settle(batch, &stop).await.is_err() {
                return;
            }
            last_commit = Some(Instant::now());
        }
        self.drain(&stop).await;
    }

    fn collect(&mut self, first: Work) -> Batch {
        let mut batch = Batch::default();
        batch.add(first);
        while batch.len() < self.inner.config.max_batch {
            match self.queue.try_recv() {
                Ok(work) => batch.add(work),
                Err(_) => break,
            }
        }
        batch
    }

    /// Takes no more, commits everything that was taken.
    async fn drain(mut self, stop: &CancellationToken) {
        self.inner.evidence.release_all();
        self.queue.close();
        while let Some(first) = self.queue.recv().await {
            let batch = self.collect(first);
            if self.settle(batch, stop).await.is_err() {
                return;
            }
        }
    }

    /// Commits one group, however often that takes, and tells who waits for it.
    async fn settle(&self, batch: Batch, stop: &CancellationToken) -> Result<(), StoreError> {
        let Batch { facts, guards, abandoned, flights } = batch;
        let group = Arc::new(Group { facts, abandoned });
        let mut pause = RETRY_FIRST;
        let mut retries_at_end = 0_u32;
        let fates = loop {
            if self.inner.halted.load(Ordering::Acquire) {
                return Err(StoreError::Closed);
            }
            let (issuer, group) = (self.issuer(), Arc::clone(&group));
            let result = self
                .inner
                .store
                .write(move |transaction| commit::commit(transaction, &issuer, &group))
                .await;
            let error = match result {
                Ok(fates) => break fates,
                Err(error) => error,
            };
            tracing::error!(%error, "receipts were not committed");
            if matches!(error, StoreError::Closed | StoreError::Corrupt(_)) {
                return Err(error);
            }
            if stop.is_cancelled() {
                retries_at_end = retries_at_end.saturating_add(1);
                if retries_at_end > RETRIES_AT_END {
                    return Err(error);
                }
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(RETRY_MOST);
        };
        for (fate, mut guard) in fates.into_iter().zip(guards) {
            self.publish(&fate);
            if let Some(reply) = guard.reply.take() {
                // Whoever asked may have gone.
                let _ = reply.send(fate);
            }
            // The hold is let go here, after the observer has heard of the charge.
            drop(guard);
        }
        drop(flights);
        Ok(())
    }

    fn publish(&self, fate: &Fate) {
        match fate {
            Fate::Made(receipt) => self.observer.receipted(receipt),
            Fate::MadeBefore | Fate::Superseded | Fate::Abandoned => {
                tracing::info!(?fate, "a draft needed no receipt");
            }
            Fate::NoAccount | Fate::Overflow => {
                tracing::error!(?fate, "a draft cannot be receipted; its node is not paid for it");
            }
        }
    }

    fn issuer(&self) -> Issuer {
        let now = self.inner.clock.now();
        let window = u64::try_from(self.inner.config.represent_window.as_millis());
        let keep = window.unwrap_or(u64::MAX).saturating_add(FORGET_MARGIN_MILLIS);
        Issuer {
            identity: self.inner.identity,
            signer: Arc::clone(&self.inner.signer),
            fee_rate: self.inner.fee_rate,
            now,
            attestation: self.inner.config.attestation.current(),
            forget_before: UnixMillis(now.0.saturating_sub(keep)),
        }
    }
}

/// Often enough that a draft waits hardly longer than it should.
fn sweep_interval(wait: Duration) -> Duration {
    let part = wait.checked_div(16).unwrap_or_default();
    part.clamp(Duration::from_millis(1), Duration::from_millis(100))
}

/// Where a draft's fate is told to someone who waits for it.
pub(super) fn reply() -> (oneshot::Sender<Fate>, oneshot::Receiver<Fate>) {
    oneshot::channel()
}
