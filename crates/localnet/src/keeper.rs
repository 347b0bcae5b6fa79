//! The thread that looks after a running chain: it keeps the chain's clock with the real one, saves the
//! ledger, empties surfpool's event channel, and ends everything in order.
//!
//! surfpool adds one slot time to its clock per slot, and a slot takes a little longer than that, so the
//! clock alone would fall behind.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use surfpool_types::{SimnetCommand, SimnetEvent};
use tokio_util::sync::CancellationToken;

use crate::clock::unix_millis;
use crate::error::LocalnetError;
use crate::ledger::Ledger;
use crate::recorder::Recorder;
use crate::surfnet::Running;

/// Between two corrections of the clock.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);

/// The longest the ledger may lag behind a transaction.
const SAVE_INTERVAL: Duration = Duration::from_millis(200);

/// Between two saves when no transaction was seen: the tip, and accounts set by cheatcodes.
const IDLE_SAVE_INTERVAL: Duration = Duration::from_secs(10);

/// How long the servers may take to close.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// surfpool reports the end of its RPC and of its WebSocket server.
const SERVERS: usize = 2;

/// A ledger with the genesis hash it belongs to.
pub(crate) struct Book {
    pub(crate) ledger: Ledger,
    pub(crate) genesis_hash: [u8; 32],
}

/// A handle to the thread; stops everything when dropped.
pub(crate) struct Keeper {
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
    ended: CancellationToken,
}

impl Keeper {
    /// Looks after `running` from now on.
    pub(crate) fn start(
        running: Running,
        recorder: Recorder,
        book: Option<Book>,
        slot_time: Duration,
    ) -> Result<Self, LocalnetError> {
        let (stop, stopped) = crossbeam_channel::bounded(1);
        let ended = CancellationToken::new();
        let watch = Watch {
            running,
            recorder,
            book,
            processed: None,
            last_save: Instant::now(),
            last_clock: Instant::now(),
        };
        let guard = ended.clone().drop_guard();
        let thread = std::thread::Builder::new()
            .name("localnet-keeper".to_owned())
            .spawn(move || {
                let _ended = guard;
                watch.run(&stopped, slot_time.min(SAVE_INTERVAL));
            })
            .map_err(LocalnetError::Thread)?;
        Ok(Self { stop, thread: Some(thread), ended })
    }

    /// Cancelled once the chain has ended, for whatever reason.
    pub(crate) const fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Stops the chain and waits until its ports are free and its ledger is written.
    pub(crate) fn stop(&mut self) {
        // Full or closed means that it is stopping already.
        let _ = self.stop.try_send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Watch {
    running: Running,
    recorder: Recorder,
    book: Option<Book>,
    /// surfpool's transaction counter at the last save.
    processed: Option<u64>,
    last_save: Instant,
    last_clock: Instant,
}

impl Watch {
    fn run(mut self, stop: &Receiver<()>, interval: Duration) {
        let ticks = crossbeam_channel::tick(interval.max(Duration::from_millis(10)));
        let mut closed = 0;
        while closed < SERVERS {
            crossbeam_channel::select! {
                recv(self.running.events) -> event => match event {
                    Ok(event) => closed += note(&event),
                    Err(_) => break,
                },
                recv(ticks) -> _ => self.tick(),
                recv(stop) -> _ => break,
            }
        }
        self.end(closed);
    }

    fn tick(&mut self) {
        if self.last_clock.elapsed() >= CLOCK_INTERVAL {
            self.last_clock = Instant::now();
            let mut svm = self.running.locker.0.blocking_write();
            svm.updated_at = svm.updated_at.max(unix_millis());
        }
        self.save(false);
    }

    /// Saves when there is something to save; `last` means that there will be no other time.
    fn save(&mut self, last: bool) {
        let idle = self.last_save.elapsed() >= IDLE_SAVE_INTERVAL;
        let outcome = {
            let svm = self.running.locker.0.blocking_read();
            let processed = Some(svm.transactions_processed);
            // A block closes after its transactions are seen: look once more afterwards.
            let settled = self.processed == processed && !self.recorder.has_open_blocks();
            if settled && !idle && !last {
                return;
            }
            self.processed = processed;
            self.recorder.changes(&svm)
        };
        self.last_save = Instant::now();
        let outcome = outcome.and_then(|changes| {
            if let Some(book) = &mut self.book {
                book.ledger.save(&book.genesis_hash, &changes)?;
            }
            self.recorder.remember(changes);
            if self.recorder.is_full() {
                self.recorder.forget_oldest(&mut self.running.locker.0.blocking_write())?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            // The differences stay differences; the next save tries again.
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger was not saved");
        }
    }

    fn end(mut self, mut closed: usize) {
        // No more transactions from here on; then the last state is the one to keep.
        let _ = self.running.commands.send(SimnetCommand::Terminate(None));
        let deadline = Instant::now() + STOP_LIMIT;
        while closed < SERVERS {
            match self.running.events.recv_deadline(deadline) {
                Ok(event) => closed += note(&event),
                Err(_) => {
                    tracing::warn!("the chain's servers did not close in time");
                    break;
                }
            }
        }
        while !self.running.thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.save(true);
    }
}

/// Logs what an event says; gives how many servers it says have closed.
fn note(event: &SimnetEvent) -> usize {
    match event {
        SimnetEvent::Shutdown => return 1,
        SimnetEvent::Aborted(reason) => tracing::error!(reason, "the chain was aborted"),
        // A refused transaction is an error to surfpool; here it is its sender's business.
        SimnetEvent::ErrorLog(_, text) | SimnetEvent::WarnLog(_, text) => tracing::debug!("{text}"),
        _ => {}
    }
    0
}
