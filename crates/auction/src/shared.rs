//! One writer, many readers that never wait.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::book::OrderBook;
use crate::snapshot::Snapshot;

/// An [`OrderBook`] shared by the tasks of a process: changes take turns, clearings read the newest
/// [`Snapshot`] without a lock.
#[derive(Debug)]
pub struct SharedBook {
    writer: Mutex<OrderBook>,
    current: ArcSwap<Snapshot>,
}

impl SharedBook {
    /// Shares `book`.
    #[must_use]
    pub fn new(book: OrderBook) -> Self {
        let current = ArcSwap::from_pointee(book.snapshot());
        Self { writer: Mutex::new(book), current }
    }

    /// The newest state. Never waits.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Runs `change` on the book and publishes the result. Storing the entry before it is published,
    /// if at all, is for `change` to do; it must not block for long, other changes wait for it.
    pub fn update<R>(&self, change: impl FnOnce(&mut OrderBook) -> R) -> R {
        let mut book = self.writer.lock();
        let result = change(&mut book);
        if self.current.load().version != book.version() {
            self.current.store(Arc::new(book.snapshot()));
        }
        result
    }
}
