//! The one thread that writes. It takes what is waiting, runs it inside one transaction, commits, and
//! only then answers: many callers share one flush to disk.
//!
//! Jobs that share a transaction run in savepoints of their own, so that one that fails takes nothing
//! from the others; a job that is alone needs none, which spares a copy of every page it changes. Terms of
//! clearings come one for each request and wait for the next transaction, whoever needs that. When the disk itself fails during a commit, nobody knows what reached it, so the thread ends and with it
//! all writing: the process has to start again and look.

use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use pinaivu_protocol::ids::RequestId;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::archive::Archive;
use super::sqlite::WriteTransaction;
use super::{StoreError, Write};

/// Most jobs in one transaction.
const MAX_JOBS: usize = 256;

/// A job with its caller.
trait Job: Send {
    /// Runs it; whether what it did is to stay.
    fn run(&mut self, transaction: &mut dyn Write) -> bool;

    /// Answers the caller. `failure` when the transaction was not committed.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

struct Typed<F, T, E> {
    job: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Typed<F, T, E>
where
    F: FnOnce(&mut dyn Write) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, transaction: &mut dyn Write) -> bool {
        let result = self.job.take().map(|job| job(transaction));
        let stays = matches!(result, Some(Ok(_)));
        self.result = result;
        stays
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let result = match (self.result, failure) {
            (Some(Err(error)), _) => Err(error),
            (_, Some(failure)) => Err(StoreError::NotCommitted(failure.to_owned()).into()),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(StoreError::Closed.into()),
        };
        // The caller may have stopped waiting.
        let _ = self.reply.send(result);
    }
}

/// Terms of clearings that wait for the next transaction, in order.
type Waiting = Arc<Mutex<Vec<(RequestId, Vec<u8>)>>>;

/// Handle of the thread; ends it when dropped, after what is queued.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    waiting: Waiting,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn spawn(connection: Connection, archive: Archive) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel();
        let waiting = Waiting::default();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn({
                let waiting = Arc::clone(&waiting);
                move || work(&Disk { connection, archive }, &jobs, &waiting)
            })
            .map_err(|cause| StoreError::File { path: "store-writer".into(), cause })?;
        Ok(Self { queue: Some(queue), waiting, thread: Some(thread) })
    }

    /// Leaves the terms of a clearing for the next transaction. The callers bound how many there are.
    pub(super) fn put_clearing_with_next(&self, request: RequestId, terms: Vec<u8>) {
        self.waiting.lock().push((request, terms));
    }

    /// Whether anything waits for a next transaction.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.lock().is_empty()
    }

    /// Queues a job. The callers bound how many there are.
    pub(super) fn submit<F, T, E>(
        &self,
        job: F,
    ) -> Result<oneshot::Receiver<Result<T, E>>, StoreError>
    where
        F: FnOnce(&mut dyn Write) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Typed { job: Some(job), result: None, reply });
        let queue = self.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.send(job).map_err(|_| StoreError::Closed)?;
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What the thread writes to, and where it finds what is not there any more.
struct Disk {
    connection: Connection,
    archive: Archive,
}

fn work(disk: &Disk, jobs: &mpsc::Receiver<Box<dyn Job>>, waiting: &Waiting) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(MAX_JOBS.saturating_sub(1)));
        let failure = commit_together(disk, &mut batch, waiting).err();
        let text = failure.as_ref().map(ToString::to_string);
        for job in batch {
            job.answer(text.as_deref());
        }
        if let Some(error) = failure {
            tracing::error!(%error, "a transaction was not committed");
            if is_beyond_repair(&error) {
                return;
            }
        }
    }
    if !waiting.lock().is_empty()
        && let Err(error) = commit_together(disk, &mut [], waiting)
    {
        tracing::error!(%error, "the last clearings were not written");
    }
}

fn commit_together(
    disk: &Disk,
    batch: &mut [Box<dyn Job>],
    waiting: &Waiting,
) -> rusqlite::Result<()> {
    let connection = &disk.connection;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Taken after the jobs: what was left before a job was queued is written with it.
    let clearings = std::mem::take(&mut *waiting.lock());
    let result = run_all(disk, batch, &clearings).and_then(|stays| {
        let end = if stays { "COMMIT" } else { "ROLLBACK" };
        connection.execute_batch(end).map(|()| stays)
    });
    if result.is_err() && !connection.is_autocommit() {
        // Nothing more can be done when even this fails; the next BEGIN will say so.
        let _ = connection.execute_batch("ROLLBACK");
    }
    if !matches!(result, Ok(true)) {
        waiting.lock().splice(..0, clearings);
    }
    result.map(|_| ())
}

/// Runs what there is; whether it is to stay.
fn run_all(
    disk: &Disk,
    batch: &mut [Box<dyn Job>],
    clearings: &[(RequestId, Vec<u8>)],
) -> rusqlite::Result<bool> {
    let connection = &disk.connection;
    let mut transaction = WriteTransaction::new(connection, &disk.archive);
    for (request, terms) in clearings {
        if let Err(error) = transaction.put_clearing(request, terms) {
            tracing::error!(%request, %error, "writing a clearing failed");
            unless_undone(connection)?;
        }
    }
    if let [job] = batch {
        let stays = job.run(&mut transaction);
        unless_undone(connection)?;
        return Ok(stays);
    }
    for job in batch {
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        let stays = job.run(&mut transaction);
        unless_undone(connection)?;
        if !stays {
            connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        connection.prepare_cached("RELEASE job")?.execute([])?;
    }
    Ok(true)
}

/// A full or broken disk makes SQLite undo the whole transaction by itself: what ran before is gone as
/// well.
fn unless_undone(connection: &Connection) -> rusqlite::Result<()> {
    if !connection.is_autocommit() {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
        None,
    ))
}

/// Whether the disk gave an answer after which nobody knows what is on it.
fn is_beyond_repair(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
