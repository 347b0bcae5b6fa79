//! The thread that owns the database. Jobs that wait together run in one transaction, each in a
//! savepoint of its own, and hear of their success only after the commit is on disk.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::JournalError;

/// Most jobs in one transaction: bounds how long the first of them waits for the last.
const MAX_JOBS: usize = 256;

/// Runs in the transaction, unless that could not begin; what it returns runs after the commit, with
/// how that went.
type Job = Box<dyn FnOnce(Result<&mut Connection, JournalError>) -> Reply + Send>;
type Reply = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

#[derive(Debug)]
pub(super) struct Worker {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(connection: Connection) -> Result<Self, JournalError> {
        let (sender, jobs) = channel();
        let thread = std::thread::Builder::new()
            .name("proof-journal".to_owned())
            .spawn(move || work(connection, &jobs))
            .map_err(|_| JournalError::Closed)?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Some(thread) })
    }

    /// Runs `job` in the next transaction and waits until that is durable.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let outcome = connection.and_then(|connection| in_savepoint(connection, job));
            Box::new(move |committed| {
                // A caller that no longer waits loses only the answer.
                let _ = reply.send(committed.and(outcome));
            })
        });
        let sent = match self.jobs.lock().as_ref() {
            Some(jobs) => jobs.send(job).is_ok(),
            None => false,
        };
        if !sent {
            return Err(JournalError::Closed);
        }
        result.await.unwrap_or(Err(JournalError::Closed))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Closes the queue; what is in it is still written. Then the file is free for the next owner.
        self.jobs.lock().take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the proof journal's thread panicked");
        }
    }
}

fn in_savepoint<T>(
    connection: &mut Connection,
    job: impl FnOnce(&Connection) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    let savepoint = connection.savepoint()?;
    let value = job(&savepoint)?;
    savepoint.commit()?;
    Ok(value)
}

fn work(mut connection: Connection, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut waiting = vec![first];
        while waiting.len() < MAX_JOBS
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push(job);
        }
        let (replies, committed) = transact(&mut connection, waiting);
        for reply in replies {
            reply(committed.clone());
        }
    }
}

fn transact(connection: &mut Connection, jobs: Vec<Job>) -> (Vec<Reply>, Result<(), JournalError>) {
    let began = execute(connection, "BEGIN IMMEDIATE");
    let replies = jobs
        .into_iter()
        .map(|job| match &began {
            Ok(()) => job(Ok(connection)),
            Err(error) => job(Err(error.clone())),
        })
        .collect();
    let committed = began.and_then(|()| execute(connection, "COMMIT"));
    if let Err(error) = &committed {
        tracing::error!(%error, "the proof journal cannot store; nothing is signed until it can");
        // A commit that failed, for lack of space for example, may have left the transaction open.
        if !connection.is_autocommit()
            && let Err(error) = execute(connection, "ROLLBACK")
        {
            tracing::error!(%error, "the proof journal cannot roll back");
        }
    }
    (replies, committed)
}

/// The transaction is opened by hand because a guard would borrow the connection that the jobs'
/// savepoints need.
fn execute(connection: &Connection, statement: &str) -> Result<(), JournalError> {
    Ok(connection.execute_batch(statement)?)
}
