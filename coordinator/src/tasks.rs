//! Starts and ends everything that runs in the background.
//!
//! Tasks end in the reverse of the order they were started in, one after the other: what was started
//! last may rely on everything before it until its own end. A task that does not end in time is
//! aborted; one that ends before it was told to is a fault of the whole process, which
//! [`Tasks::failure`] reports. Short-lived work (one connection, one drained answer) runs in a
//! [`TaskTracker`](tokio_util::task::TaskTracker) that its owner waits for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A task that ended although nobody asked it to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("background task {name} ended unexpectedly")]
pub struct TaskEnded {
    /// Its name.
    pub name: &'static str,
}

/// The background tasks of one process.
#[derive(Clone, Debug)]
pub struct Tasks {
    running: Arc<Mutex<Vec<Running>>>,
    failure: watch::Sender<Option<TaskEnded>>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    stop: CancellationToken,
    handle: JoinHandle<()>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self { running: Arc::default(), failure: watch::channel(None).0 }
    }

    /// Starts a task. `make` gets the token that tells it to end; a task that ends before that counts
    /// as failed, whether it returned or panicked.
    #[expect(clippy::disallowed_methods, reason = "the task manager itself")]
    pub fn spawn<F>(&self, name: &'static str, make: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let watchman = Watchman { name, stop: stop.clone(), failure: self.failure.clone() };
        let task = make(stop.clone());
        let handle = tokio::spawn(async move {
            // Dropped when the task returns, panics or is aborted.
            let _watchman = watchman;
            task.await;
        });
        self.running.lock().push(Running { name, stop, handle });
    }

    /// Waits until some task has ended unexpectedly; for ever if none does.
    pub async fn failure(&self) -> TaskEnded {
        let mut seen = self.failure.subscribe();
        loop {
            if let Some(ended) = seen.borrow_and_update().clone() {
                return ended;
            }
            if seen.changed().await.is_err() {
                // Not reached: `self` holds a sender.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends every task, last started first, each within `limit`, after which it is aborted.
    pub async fn shutdown(&self, limit: Duration) {
        loop {
            let Some(Running { name, stop, mut handle }) = self.running.lock().pop() else {
                return;
            };
            stop.cancel();
            match tokio::time::timeout(limit, &mut handle).await {
                Ok(Ok(())) => tracing::debug!(task = name, "ended"),
                Ok(Err(error)) => tracing::error!(task = name, %error, "panicked"),
                Err(_) => {
                    tracing::warn!(task = name, ?limit, "did not end in time and is aborted");
                    handle.abort();
                    let _ = handle.await;
                }
            }
        }
    }
}

struct Watchman {
    name: &'static str,
    stop: CancellationToken,
    failure: watch::Sender<Option<TaskEnded>>,
}

impl Drop for Watchman {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            let name = self.name;
            tracing::error!(task = name, "background task ended unexpectedly");
            self.failure.send_modify(|ended| {
                ended.get_or_insert(TaskEnded { name });
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn shutdown_of_two_tasks_ends_the_last_started_first() {
        let (tasks, order) = (Tasks::new(), Arc::new(Mutex::new(Vec::new())));
        for name in ["first", "second"] {
            let order = Arc::clone(&order);
            tasks.spawn(name, |stop| async move {
                stop.cancelled().await;
                order.lock().push(name);
            });
        }
        tasks.shutdown(Duration::from_secs(5)).await;
        assert_eq!(*order.lock(), ["second", "first"]);
    }

    #[tokio::test]
    async fn task_that_panics_is_reported_by_name() {
        let tasks = Tasks::new();
        tasks.spawn("steady", |stop| async move { stop.cancelled().await });
        tasks.spawn("fragile", |_| async { panic!("on purpose") });
        assert_eq!(tasks.failure().await, TaskEnded { name: "fragile" });
        tasks.shutdown(Duration::from_secs(5)).await;
    }

    #[tokio::test]
    async fn task_that_ignores_its_token_is_aborted() {
        let tasks = Tasks::new();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        tasks.spawn("stubborn", |_| async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        tasks.shutdown(Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
