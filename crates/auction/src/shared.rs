//! One writer, many readers that never wait.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::book::OrderBook;
use crate::outcome::Update;
use crate::snapshot::Snapshot;

/// Told of every entry, in order, before a clearing can see it.
pub type Journal = Box<dyn Fn(Vec<Update>) + Send + Sync>;

/// An [`OrderBook`] shared by the tasks of a process: changes take turns, clearings read the newest
/// [`Snapshot`] without a lock.
pub struct SharedBook {
    writer: Mutex<OrderBook>,
    current: ArcSwap<Snapshot>,
    journal: Option<Journal>,
}

impl fmt::Debug for SharedBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBook").field("current", &self.current).finish_non_exhaustive()
    }
}

impl SharedBook {
    /// Shares `book`.
    #[must_use]
    pub fn new(book: OrderBook) -> Self {
        let current = ArcSwap::from_pointee(book.snapshot());
        Self { writer: Mutex::new(book), current, journal: None }
    }

    /// Shares `book` and hands every entry it writes to `journal`, which must not block: it is called
    /// while other changes wait. `opened` is the entry that [`OrderBook::open`] gave.
    #[must_use]
    pub fn journaled(mut book: OrderBook, opened: Update, journal: Journal) -> Self {
        book.record();
        journal(vec![opened]);
        let current = ArcSwap::from_pointee(book.snapshot());
        Self { writer: Mutex::new(book), current, journal: Some(journal) }
    }

    /// The newest state. Never waits.
    #[must_use]
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Runs `change` on the book, hands what it chained to the journal and then publishes the result. It
    /// must not block for long, other changes wait for it.
    pub fn update<R>(&self, change: impl FnOnce(&mut OrderBook) -> R) -> R {
        let mut book = self.writer.lock();
        let result = change(&mut book);
        let fresh = book.take_fresh();
        if let Some(journal) = self.journal.as_ref().filter(|_| !fresh.is_empty()) {
            journal(fresh);
        }
        if self.current.load().version != book.version() {
            self.current.store(Arc::new(book.snapshot()));
        }
        result
    }
}
