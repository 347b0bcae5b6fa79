//! What a scripted server saw.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method};

/// How far the answer to a request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being answered, or hangs by script.
    Running,
    /// It was answered to the end of its script, which may be a cut connection.
    Finished,
    /// The client went away before.
    Disconnected,
}

/// One request.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Its method.
    pub method: Method,
    /// Its path, without query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// How far its answer got.
    pub outcome: Outcome,
}

impl RecordedRequest {
    /// The body as JSON; null when it is not.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    requests: Arc<Mutex<Vec<RecordedRequest>>>,
}

impl Record {
    pub(crate) fn begin(&self, request: RecordedRequest) -> Observed {
        let mut requests = self.lock();
        requests.push(request);
        Observed { record: self.clone(), at: requests.len() - 1, finished: false }
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<RecordedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lives as long as a request is being answered: dropped before its end, the client went away.
#[derive(Debug)]
pub(crate) struct Observed {
    record: Record,
    at: usize,
    finished: bool,
}

impl Observed {
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let outcome = if self.finished { Outcome::Finished } else { Outcome::Disconnected };
        if let Some(request) = self.record.lock().get_mut(self.at) {
            request.outcome = outcome;
        }
    }
}
