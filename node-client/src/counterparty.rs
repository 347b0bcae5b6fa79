//! One coordinator, as long as this process runs: what is owed, which tickets were taken, which terms it
//! announced, and the way to it while a tunnel is open. Outlives every tunnel.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, PublicKey};
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::units::{Tariff, UnixMillis};
use tokio::sync::{Notify, mpsc, watch};

use crate::evidence::Work;
use crate::exposure::Exposure;
use crate::journal::Holdings;
use crate::serving::replay::{ReplayCache, Taken};
use crate::session::Session;

/// Finished answers that may wait for their signature; more mean that the disk does not keep up.
const MAX_BACKLOG: usize = 4096;

/// Asks of a model whose answers may be under way.
const UNANSWERED: usize = 8;

/// A standing ask as the coordinator acknowledged it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Sequence of the newest ask it took.
    pub sequence: u64,
    /// Weight of a prompt token.
    pub input_weight: u16,
    /// Weight of a generated token.
    pub output_weight: u16,
}

/// One coordinator.
#[derive(Debug)]
pub struct Counterparty {
    id: CoordinatorId,
    /// As text, for every request's log.
    name: String,
    exposure: Mutex<Exposure>,
    replay: Mutex<ReplayCache>,
    terms: watch::Sender<HashMap<String, Terms>>,
    /// The newest asks that were sent, by model.
    sent: Mutex<HashMap<String, VecDeque<Signed<Ask>>>>,
    session: watch::Sender<Option<Session>>,
    sessions: AtomicU64,
    work: mpsc::UnboundedSender<Work>,
    backlog: AtomicUsize,
    storing: AtomicBool,
    /// The journal may keep up again.
    room: Notify,
    signer: Mutex<Option<PublicKey>>,
}

impl Counterparty {
    /// A coordinator with what the journal holds for it. Finished work goes to `work`.
    #[must_use]
    pub fn new(id: CoordinatorId, holdings: &Holdings, work: mpsc::UnboundedSender<Work>) -> Self {
        let mut exposure = Exposure::default();
        exposure.add(holdings.unreceipted, holdings.bytes);
        if let Some(promise) = &holdings.promise {
            exposure.promise(promise.record.node_cumulative);
        }
        let replay = ReplayCache::restored(holdings.newest_issue, &holdings.answered);
        Self {
            id,
            name: id.to_string(),
            exposure: Mutex::new(exposure),
            replay: Mutex::new(replay),
            terms: watch::Sender::default(),
            sent: Mutex::default(),
            session: watch::Sender::default(),
            sessions: AtomicU64::new(0),
            work,
            backlog: AtomicUsize::new(0),
            storing: AtomicBool::new(true),
            room: Notify::new(),
            signer: Mutex::default(),
        }
    }

    /// Its account.
    #[must_use]
    pub const fn id(&self) -> CoordinatorId {
        self.id
    }

    /// Its account's address.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It has proved that it holds this key, which the chain names.
    pub fn proved(&self, signer: PublicKey) {
        *self.signer.lock() = Some(signer);
    }

    /// The key it last proved to hold, which signs tickets that clients carry here.
    #[must_use]
    pub fn signer(&self) -> Option<PublicKey> {
        *self.signer.lock()
    }

    /// What it owes.
    #[must_use]
    pub fn exposure(&self) -> Exposure {
        *self.exposure.lock()
    }

    /// Changes what it owes.
    pub fn update_exposure(&self, change: impl FnOnce(&mut Exposure)) {
        change(&mut self.exposure.lock());
    }

    pub(crate) fn take_ticket(
        &self,
        ticket: &Hash32,
        issued: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), Taken> {
        self.replay.lock().take(ticket, issued, now)
    }

    /// Hands finished work over to be journaled and signed.
    pub(crate) fn submit(&self, work: Work) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        if self.work.send(work).is_err() {
            tracing::error!(coordinator = %self.id, "a proof was lost: its signer has ended");
        }
    }

    /// Some handed-over work is durable.
    pub(crate) fn stored(&self, count: usize) {
        self.backlog.fetch_sub(count, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// Whether the journal takes what is handed over.
    pub(crate) fn set_storing(&self, storing: bool) {
        self.storing.store(storing, Ordering::Relaxed);
        self.room.notify_waiters();
    }

    /// Whether finished work is journaled in time; more must not be taken on otherwise.
    #[must_use]
    pub fn keeps_up(&self) -> bool {
        self.storing.load(Ordering::Relaxed) && self.backlog.load(Ordering::Relaxed) < MAX_BACKLOG
    }

    /// Waits until finished work is journaled in time, at most so long: a disk that is busy for a moment
    /// slows requests down and fails none. Whether it [keeps up](Self::keeps_up) is for the caller to ask
    /// again.
    pub async fn wait_until_it_keeps_up(&self, most: Duration) {
        let room = async {
            loop {
                let mut notified = std::pin::pin!(self.room.notified());
                // Before the look, so that nothing is missed in between.
                notified.as_mut().enable();
                if self.keeps_up() {
                    return;
                }
                notified.await;
            }
        };
        // Late or not, the caller looks.
        let _ = tokio::time::timeout(most, room).await;
    }

    /// How much finished work is not durable yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// An ask goes out.
    pub fn sending(&self, ask: Signed<Ask>) {
        let mut sent = self.sent.lock();
        let asks = sent.entry(ask.record.model.clone()).or_default();
        asks.truncate(UNANSWERED.saturating_sub(1));
        asks.push_front(ask);
    }

    /// An ask that was sent, for its answer.
    #[must_use]
    pub fn sent(&self, model: &str, sequence: u64) -> Option<Signed<Ask>> {
        let sent = self.sent.lock();
        let mut asks = sent.get(model)?.iter();
        asks.find(|ask| ask.record.sequence == sequence).cloned()
    }

    /// It took an ask, on these terms.
    pub fn acknowledge(&self, model: String, terms: Terms) {
        self.terms.send_modify(|all| {
            all.insert(model, terms);
        });
    }

    /// Follows the terms by model.
    #[must_use]
    pub fn terms(&self) -> watch::Receiver<HashMap<String, Terms>> {
        self.terms.subscribe()
    }

    /// Whether a tariff weighs tokens no less than what was announced with the ask. Before any
    /// announcement, only a tariff that pays for nothing is refused.
    #[must_use]
    pub fn weighs_enough(&self, model: &str, tariff: Tariff) -> bool {
        match self.terms.borrow().get(model) {
            Some(terms) => {
                tariff.input_weight >= terms.input_weight
                    && tariff.output_weight >= terms.output_weight
            }
            None => tariff.input_weight > 0 || tariff.output_weight > 0,
        }
    }

    /// Opens the way to it: an events stream, whose messages are returned. Replaces the one before.
    pub fn open_session(&self) -> (Session, mpsc::Receiver<bytes::Bytes>) {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let (session, messages) = Session::open(number);
        self.session.send_replace(Some(session.clone()));
        (session, messages)
    }

    /// Closes the way to it, unless a newer one is open already. Terms end with it: asks are made
    /// anew for the next.
    pub fn close_session(&self, number: u64) {
        let closed = self.session.send_if_modified(|session| {
            let current = session.as_ref().is_some_and(|open| open.number() == number);
            if current {
                *session = None;
            }
            current
        });
        if closed {
            self.terms.send_modify(HashMap::clear);
        }
    }

    /// Closes the way to it, whichever it is.
    pub fn end_session(&self) {
        self.session.send_replace(None);
    }

    /// Follows the way to it.
    #[must_use]
    pub fn session(&self) -> watch::Receiver<Option<Session>> {
        self.session.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixtures::{proof, ticket};

    #[tokio::test]
    async fn requests_wait_for_a_journal_that_is_behind_and_not_for_ever() {
        let (sender, _waiting) = mpsc::unbounded_channel();
        let held = Holdings::default();
        let counterparty = Arc::new(Counterparty::new(CoordinatorId([1; 32]), &held, sender));
        let ticket = ticket(1);
        let proof = proof(&ticket);
        let work = Work { ticket, proof, answer_json: Vec::new(), delivered: true };
        let wait = async |most| {
            counterparty.wait_until_it_keeps_up(most).await;
            counterparty.keeps_up()
        };
        let later = async |change: fn(&Counterparty)| {
            tokio::time::sleep(Duration::from_millis(20)).await;
            change(&counterparty);
        };
        let (short, long) = (Duration::from_millis(20), Duration::from_secs(600));
        assert!(wait(long).await);

        for _ in 0..MAX_BACKLOG {
            counterparty.submit(work.clone());
        }
        assert!(!wait(short).await);
        let stored = later(|counterparty| counterparty.stored(1));
        assert_eq!(tokio::join!(wait(long), wait(long), stored), (true, true, ()));

        counterparty.set_storing(false);
        assert!(!wait(short).await);
        let storing = later(|counterparty| counterparty.set_storing(true));
        assert_eq!(tokio::join!(wait(long), storing), (true, ()));
    }
}
