//! The end that asks.
//!
//! Callers write their frames straight into the buffer that goes out next and wake the connection's task
//! once; that task reads for all streams and wakes whoever waits for what has come.

mod body;
mod connection;
mod state;

pub use body::{Body, CollectError};
pub use connection::{Connection, connect};

use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;

use crate::Error;
use state::Shared;

/// Asks. Clones share the connection, which ends with the last of them and the answers they got.
pub struct Client(Arc<Shared>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Clone for Client {
    fn clone(&self) -> Self {
        self.0.with(|state| state.clients = state.clients.saturating_add(1));
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.clients = state.clients.saturating_sub(1);
            state.wake_if_done();
        });
    }
}

/// An answer of which the head is here.
#[derive(Debug)]
pub struct Response {
    /// How the request was taken.
    pub status: u16,
    /// What goes with the status.
    pub note: Bytes,
    /// The rest.
    pub body: Body,
}

impl Client {
    /// Asks; resolves when the head of the answer is here. Nothing is sent before the first poll. Dropping
    /// the future, or later the body before its end, ends the stream at the other end.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn request(
        &self,
        path: &str,
        attachment: &[u8],
        body: Bytes,
    ) -> Result<Response, Error> {
        let id = self.0.with(|state| state.open(path, attachment, body))?;
        let body = Body::new(Arc::clone(&self.0), id);
        let (status, note) = std::future::poll_fn(|context| {
            self.0.with(|state| match state.streams.get_mut(&id) {
                Some(stream) => stream.poll_head(context),
                None => Poll::Ready(Err(Error::Closed)),
            })
        })
        .await?;
        Ok(Response { status, note, body })
    }
}
