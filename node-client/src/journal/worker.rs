//! The thread that owns the database. Jobs that wait together run in one transaction, each in a
//! savepoint of its own, and hear of their success only after the commit is on disk.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::JournalError;
use super::index::Index;

/// Most jobs in one transaction: bounds how long the first of them waits for the last.
const MAX_JOBS: usize = 256;

/// Runs in the transaction, unless that could not begin; of what it returns, the first runs after the
/// commit, with how that went, and the second says whether the job itself succeeded.
type Job = Box<dyn FnOnce(Result<&mut Database, JournalError>) -> (Reply, bool) + Send>;
type Reply = Box<dyn FnOnce(Result<(), JournalError>) + Send>;

/// The connection, and what its tables hold.
struct Database {
    connection: Connection,
    index: Index,
    /// A transaction failed: the index is ahead of the tables.
    stale: bool,
}

impl Database {
    /// Reads the index again when it may be wrong.
    fn refresh(&mut self) -> Result<(), JournalError> {
        if self.stale {
            self.index = Index::load(&self.connection)?;
            self.stale = false;
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Worker {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start(connection: Connection) -> Result<Self, JournalError> {
        let (sender, jobs) = channel();
        let index = Index::load(&connection)?;
        let database = Database { connection, index, stale: false };
        let thread = std::thread::Builder::new()
            .name("proof-journal".to_owned())
            .spawn(move || work(database, &jobs))
            .map_err(|_| JournalError::Closed)?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Some(thread) })
    }

    /// Runs `job` in the next transaction and waits until that is durable.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection, &mut Index) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            let outcome = database.and_then(|database| in_savepoint(database, job));
            let stays = outcome.is_ok();
            let reply: Reply = Box::new(move |committed| {
                // A caller that no longer waits loses only the answer.
                let _ = reply.send(committed.and(outcome));
            });
            (reply, stays)
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
    database: &mut Database,
    job: impl FnOnce(&Connection, &mut Index) -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    database.refresh()?;
    let savepoint = database.connection.savepoint()?;
    let value = job(&savepoint, &mut database.index)?;
    savepoint.commit()?;
    Ok(value)
}

fn work(mut database: Database, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut waiting = vec![first];
        while waiting.len() < MAX_JOBS
            && let Ok(job) = jobs.try_recv()
        {
            waiting.push(job);
        }
        let (replies, committed) = transact(&mut database, waiting);
        for reply in replies {
            reply(committed.clone());
        }
    }
}

fn transact(database: &mut Database, jobs: Vec<Job>) -> (Vec<Reply>, Result<(), JournalError>) {
    let began = execute(&database.connection, "BEGIN IMMEDIATE");
    let replies = jobs
        .into_iter()
        .map(|job| {
            let (reply, stays) = match &began {
                Ok(()) => job(Ok(&mut *database)),
                Err(error) => job(Err(error.clone())),
            };
            database.stale |= !stays;
            reply
        })
        .collect();
    let committed = began.and_then(|()| execute(&database.connection, "COMMIT"));
    if let Err(error) = &committed {
        database.stale = true;
        tracing::error!(%error, "the proof journal cannot store; nothing is signed until it can");
        // A commit that failed, for lack of space for example, may have left the transaction open.
        if !database.connection.is_autocommit()
            && let Err(error) = execute(&database.connection, "ROLLBACK")
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
