//! Looks after what nobody is waiting on: clients that stopped reading, nodes that stopped sending,
//! answers whose count never comes.
//!
//! A stream that nobody polls runs no code of its own, so its time limits are checked from here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;
use super::stream::Relay;

/// How exact the time limits are.
const PERIOD: Duration = Duration::from_millis(250);

/// Waiting requests that look again in each period at most.
const CALLS: usize = 64;

/// The streams that are open.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: Mutex<Vec<Weak<Mutex<Relay>>>>,
}

impl Streams {
    /// Watches a stream until it is dropped.
    pub(super) fn add(&self, relay: &Arc<Mutex<Relay>>) {
        self.open.lock().push(Arc::downgrade(relay));
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.open.lock().iter().filter(|relay| relay.strong_count() > 0).count()
    }

    /// Ends all of them with an error.
    pub(super) fn cut(&self) {
        for relay in self.live() {
            relay.lock().cut();
        }
    }

    /// Those that are still there; the others are forgotten.
    fn live(&self) -> Vec<Arc<Mutex<Relay>>> {
        let mut open = self.open.lock();
        open.retain(|relay| relay.strong_count() > 0);
        open.iter().filter_map(Weak::upgrade).collect()
    }

    fn check(&self, now: Instant) {
        for relay in self.live() {
            // A stream that is being polled this moment is not stuck.
            if let Some(mut relay) = relay.try_lock() {
                relay.check(now);
            }
        }
    }
}

/// Runs until told to stop, and then until no answer waits for a count any more.
pub(super) async fn run(engine: Engine, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => break,
        }
        engine.streams.check(Instant::now());
        submit_overdue(&engine);
        // Nodes that came, and turns that found nothing for their model, free no place.
        for _ in 0..engine.queue.len().min(CALLS) {
            engine.queue.call();
        }
    }
    engine.interrupted.forget_reports();
    engine.tracker.close();
    engine.tracker.wait().await;
    while !engine.interrupted.is_empty() {
        ticks.tick().await;
        submit_overdue(&engine);
    }
}

fn submit_overdue(engine: &Engine) {
    for draft in engine.interrupted.overdue() {
        engine.submit(draft);
    }
}
