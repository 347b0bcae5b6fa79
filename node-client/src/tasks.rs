//! Background tasks in stages, ended stage by stage.
//!
//! Every task gets a token that tells it to end and is given time to. One that ends before it was told
//! to, by returning or by a panic, is a fault of the whole process. Dropping a stage aborts its tasks.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Tasks that end together.
#[derive(Debug)]
pub(crate) struct Stage {
    stop: CancellationToken,
    failed: CancellationToken,
    tasks: JoinSet<()>,
}

impl Stage {
    /// No tasks yet. `failed` is cancelled when one of them ends unasked.
    pub(crate) fn new(failed: &CancellationToken) -> Self {
        Self { stop: CancellationToken::new(), failed: failed.clone(), tasks: JoinSet::new() }
    }

    /// Starts a task.
    pub(crate) fn spawn<F>(&mut self, name: &'static str, make: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let watchman = Watchman { name, stop: self.stop.clone(), failed: self.failed.clone() };
        let task = make(self.stop.clone());
        self.tasks.spawn(async move {
            let _watchman = watchman;
            task.await;
        });
    }

    /// Tells every task to end, waits up to `limit` and aborts what is left.
    pub(crate) async fn end(mut self, limit: Duration) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!(left = self.tasks.len(), ?limit, "tasks did not end in time");
            self.tasks.shutdown().await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Aborted tasks were not at fault.
        self.stop.cancel();
    }
}

struct Watchman {
    name: &'static str,
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Drop for Watchman {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            tracing::error!(task = self.name, "a background task ended unexpectedly");
            self.failed.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "tests")]

    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::Stage;

    #[tokio::test]
    async fn task_that_panics_fails_the_process() {
        let failed = CancellationToken::new();
        let mut stage = Stage::new(&failed);
        stage.spawn("steady", |stop| async move { stop.cancelled().await });
        stage.spawn("fragile", |_| async { panic!("on purpose") });
        failed.cancelled().await;
    }

    #[tokio::test]
    async fn ended_stage_is_no_failure_and_outlasts_no_limit() {
        let failed = CancellationToken::new();
        let mut stage = Stage::new(&failed);
        stage.spawn("steady", |stop| async move { stop.cancelled().await });
        stage.spawn("stubborn", |_| std::future::pending());
        stage.end(Duration::from_millis(1)).await;
        assert!(!failed.is_cancelled());
    }
}
