//! The task of a connection, at the end that asks.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Client;
use super::state::Shared;
use crate::Error;
use crate::frame::{self, Frame};
use crate::keep_alive::KeepAlive;
use crate::wire::Wire;

/// Begins to ask over `io`. The connection has to be polled for anything to happen. An end that is silent
/// for two to three times `keep_alive` counts as gone. Call within a runtime.
pub fn connect<S>(io: S, keep_alive: Duration) -> (Client, Connection<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shared = Arc::new(Shared::new());
    let connection = Connection {
        shared: Arc::clone(&shared),
        wire: Wire::new(io),
        keep_alive: KeepAlive::new(keep_alive),
        woken: Vec::new(),
    };
    (Client(shared), connection)
}

/// Reads and writes for all streams; ends with the last [`Client`] and the last answer, or with the
/// connection. When it ends or is dropped, whatever still runs ends with an error.
#[must_use = "nothing happens unless it is polled"]
pub struct Connection<S> {
    shared: Arc<Shared>,
    wire: Wire<S>,
    keep_alive: KeepAlive,
    /// Empty between polls; kept for its capacity.
    woken: Vec<Waker>,
}

impl<S> std::fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Connection<S> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let end = match self.drive(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(end) => end,
        };
        self.end(end.as_ref().err().unwrap_or(&Error::Closed));
        Poll::Ready(match end {
            // The other end may hang up when it likes.
            Err(Error::Closed) => Ok(()),
            end => end,
        })
    }
}

impl<S> Connection<S> {
    fn end(&self, error: &Error) {
        for waker in self.shared.with(|state| state.end(error)) {
            waker.wake();
        }
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.end(&Error::Closed);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn drive(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // From here on whatever is added while this runs wakes again.
        self.shared.with(|state| state.driver = Some(context.waker().clone()));
        loop {
            let read = self.wire.poll_read(context)?;
            if read.is_ready() {
                self.keep_alive.heard();
                self.receive()?;
            }
            if self.keep_alive.poll(context)? {
                self.shared.with(|state| frame::encode(&mut state.out, 0, &Frame::Ping));
            }
            let written = self.write(context)?;
            if let Poll::Ready(true) = written {
                return self.wire.poll_close(context);
            }
            if read.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Hands on all frames that are here whole.
    fn receive(&mut self) -> Result<(), Error> {
        let Self { shared, wire, woken, .. } = self;
        let received = shared.with(|state| {
            while let Some((id, frame)) = frame::decode(&mut wire.read)? {
                woken.extend(state.receive(id, frame)?);
            }
            Ok(())
        });
        for waker in woken.drain(..) {
            waker.wake();
        }
        received
    }

    /// Writes all that may be written now; whether the connection is at its end with it.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let Self { shared, wire, .. } = self;
        loop {
            std::task::ready!(wire.poll_write(context))?;
            let done = shared.with(|state| {
                state.fill();
                wire.refill(&mut state.out);
                state.pong = false;
                state.is_done()
            });
            if wire.waiting() == 0 {
                return Poll::Ready(Ok(done));
            }
        }
    }
}
