//! One request, from admission to the draft of its receipt.
//!
//! Admit (key, limits, hold), clear, dispatch with failover before the first byte, stream and meter; go on
//! at another node where one breaks off.
//! Invariants: a hold is given back exactly once, whatever becomes of the request; a node is paid for at
//! most what was delivered and never above the ticket's limits; nothing of a stream is buffered beyond
//! what flow control asks for. This module speaks neither OpenAI's error shape nor SQL.

mod admit;
mod assignment;
mod continuation;
mod direct;
mod dispatch;
mod error;
mod evidence;
mod interrupted;
mod meter;
mod queue;
mod relay;
mod stream;
mod unary;
mod watch;
mod wishes;

pub use admit::Asked;
pub use dispatch::{Answer, Reply};
pub use error::RequestError;
pub use evidence::EngineEvidence;
pub use stream::{AnswerStream, ClientStalled};

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, RequestId};
use pinaivu_protocol::proof::NodeEvidence;
use rand::RngCore as _;
use tokio_util::task::TaskTracker;

use self::direct::DirectTickets;
use self::interrupted::Interrupted;
use self::queue::{Queue, QueueLimits};
use self::watch::Streams;
use crate::accounts::Accounts;
use crate::clock::SharedClock;
use crate::config::{Limits, Timeouts};
use crate::receipts::{Draft, InvalidDraft, Receipts, Signer};
use crate::recount::Tokenizers;
use crate::tasks::Tasks;
use crate::tunnel::Nodes;

/// What an engine works with.
pub struct Parts {
    /// Cluster and program.
    pub deployment: DeploymentId,
    /// This coordinator's account.
    pub coordinator: CoordinatorId,
    /// Seals tickets.
    pub signer: Arc<Signer>,
    /// Who may spend how much.
    pub accounts: Accounts,
    /// Where drafts go.
    pub receipts: Receipts,
    /// The connected nodes and their book.
    pub nodes: Arc<Nodes>,
    /// For counting again what nodes count.
    pub tokenizers: Tokenizers,
    /// What one request may ask for.
    pub limits: Limits,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How long to wait for a node's own count of an answer that was cut off.
    pub interrupted_wait: Duration,
    /// The time.
    pub clock: SharedClock,
}

/// Serves requests. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

/// The engine's state; reached through [`Engine`].
pub struct Inner {
    parts: Parts,
    interrupted: Interrupted,
    direct: DirectTickets,
    streams: Streams,
    queue: Queue,
    tracker: TaskTracker,
}

impl Deref for Engine {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Deref for Inner {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("coordinator", &self.coordinator).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine. Time limits hold only while [`Self::watch`]'s task runs.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let interrupted = Interrupted::new(parts.interrupted_wait);
        let queue = Queue::new(QueueLimits {
            requests: parts.limits.queue,
            per_allowance: parts.limits.queue_per_allowance,
            bytes: parts.limits.queue_bytes,
        });
        Self(Arc::new(Inner {
            parts,
            interrupted,
            direct: DirectTickets::default(),
            streams: Streams::default(),
            queue,
            tracker: TaskTracker::new(),
        }))
    }

    /// Starts the task that watches over streams and over answers that wait for a count. It must end
    /// before the tunnel and the receipts do.
    pub fn watch(&self, tasks: &Tasks) {
        let engine = self.clone();
        tasks.spawn("stream watch", |stop| watch::run(engine, stop));
    }

    /// A new request id.
    #[must_use]
    pub fn new_request(&self) -> RequestId {
        let mut random = [0; 10];
        rand::rng().fill_bytes(&mut random);
        RequestId::new(self.clock.now(), random)
    }

    /// Ends all streams with an error, for a process that can wait no longer.
    pub fn cut_streams(&self) {
        self.streams.cut();
    }

    /// Streams that are being sent to clients right now.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.streams.open()
    }

    /// Requests that wait for a node right now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn submit(&self, draft: Draft) {
        report(self.receipts.submit(draft));
    }

    fn submit_proved(&self, draft: Draft, evidence: NodeEvidence) {
        report(self.receipts.submit_proved(draft, evidence));
    }
}

fn report(submitted: Result<(), InvalidDraft>) {
    if let Err(error) = submitted {
        tracing::error!(%error, "an answer cannot be receipted");
    }
}
