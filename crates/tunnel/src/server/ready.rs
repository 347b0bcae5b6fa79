//! Which streams can go on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use parking_lot::Mutex;

/// The streams of one connection that were woken, in order, and the connection's task.
#[derive(Default)]
pub(super) struct Ready(Mutex<State>);

#[derive(Default)]
struct State {
    queue: VecDeque<u64>,
    driver: Option<Waker>,
}

impl Ready {
    /// Whom to wake when a stream becomes ready.
    pub(super) fn register(&self, waker: &Waker) {
        self.0.lock().driver = Some(waker.clone());
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().queue.len()
    }

    pub(super) fn pop(&self) -> Option<u64> {
        self.0.lock().queue.pop_front()
    }
}

/// Wakes one stream: it is in the queue at most once.
pub(super) struct StreamWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl StreamWaker {
    pub(super) fn new(id: u64, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { id, queued: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    /// It was taken off the queue and may be woken again.
    pub(super) fn taken(&self) {
        self.queued.store(false, Ordering::Release);
    }

    /// Puts it into the queue, by the connection's task itself.
    pub(super) fn again(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.0.lock().queue.push_back(self.id);
        }
    }
}

impl Wake for StreamWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let driver = {
            let mut state = self.ready.0.lock();
            state.queue.push_back(self.id);
            state.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}
