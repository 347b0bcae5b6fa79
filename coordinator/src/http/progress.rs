//! A connection whose other side has to take what is written to it.
//!
//! A client that asks and never reads would keep its answer in memory for as long as it stays connected.
//! Whoever takes nothing for a while, with something waiting to be taken, counts as gone; a connection on
//! which nothing waits may be as silent as it likes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// See the module.
pub(super) struct Progress<S> {
    inner: S,
    within: Duration,
    /// Since the other side stopped taking.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Progress<S> {
    /// The other side may take nothing for `within`.
    pub(super) const fn new(inner: S, within: Duration) -> Self {
        Self { inner, within, stalled: None }
    }

    fn judge(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let within = self.within;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(within)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the other side takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, buffer);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, buffers);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn other_side_that_takes_nothing_is_given_up() {
        let (here, there) = duplex(8);
        let mut here = Progress::new(here, Duration::from_millis(20));
        here.write_all(&[1; 8]).await.unwrap();
        let error = here.write_all(&[2; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(there);
    }

    #[tokio::test]
    async fn other_side_that_takes_everything_in_the_end_is_waited_for() {
        let (here, mut there) = duplex(8);
        let mut here = Progress::new(here, Duration::from_secs(60));
        let mut taken = [0; 1_000];
        let (written, read) =
            tokio::join!(here.write_all(&[7; 1_000]), there.read_exact(&mut taken));
        written.unwrap();
        assert_eq!(read.unwrap(), 1_000);
        assert!(here.stalled.is_none());
        assert_eq!(taken, [7; 1_000]);
    }
}
