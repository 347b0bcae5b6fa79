//! The connection's bytes: what has been read and not looked at, and what is waiting to be written.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::poll_read_buf;

use crate::Error;
use crate::frame::HEADER;

/// What is read at once, at most. A body's first piece keeps a buffer of this size alive while it waits.
const READ: usize = 32 * 1024;
/// Room below which a fresh buffer is read into.
const LEAST_READ: usize = 8 * 1024;
/// A write buffer that has grown beyond this is not kept.
const KEPT: usize = 1024 * 1024;

pub(crate) struct Wire<S> {
    io: S,
    pub(crate) read: BytesMut,
    write: Vec<u8>,
    written: usize,
    unflushed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(io: S) -> Self {
        Self { io, read: BytesMut::new(), write: Vec::new(), written: 0, unflushed: false }
    }

    /// Reads what is there; how much.
    ///
    /// # Errors
    /// [`Error::Closed`] when nothing more comes.
    pub(crate) fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let Self { io, read, .. } = self;
        if read.capacity().saturating_sub(read.len()) < LEAST_READ {
            read.reserve(READ);
        }
        match ready!(poll_read_buf(Pin::new(io), context, read)) {
            Ok(0) => Poll::Ready(Err(Error::Closed)),
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Where frames are added.
    pub(crate) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.write
    }

    /// Bytes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.write.len().saturating_sub(self.written)
    }

    /// Takes what another buffer holds, and leaves it an empty one. Only while nothing waits.
    pub(crate) fn refill(&mut self, from: &mut Vec<u8>) {
        if self.waiting() == 0 {
            std::mem::swap(&mut self.write, from);
        }
    }

    /// Writes all that waits.
    pub(crate) fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(rest) = self.write.get(self.written..).filter(|rest| !rest.is_empty()) {
            self.unflushed = true;
            match ready!(Pin::new(&mut self.io).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(Error::Closed)),
                written => self.written = self.written.saturating_add(written),
            }
        }
        self.written = 0;
        if self.write.capacity() > KEPT {
            self.write = Vec::new();
        }
        self.write.clear();
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Says that nothing more is written.
    pub(crate) fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.io).poll_shutdown(context).map_err(Error::from)
    }
}

// The end of a frame that is longer than one read still has a place.
const _: () = assert!(LEAST_READ > HEADER);
