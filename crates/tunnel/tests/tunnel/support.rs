//! Two ends over a pipe, and an end made by hand.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pinaivu_tunnel::{
    Answer, Client, Error, Frame, Piece, Reply, Request, Server, connect, decode, encode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Nothing in these tests takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Waits no longer than a test may take.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("waited in vain")
}

/// Lets everything run that can.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// What a scripted server answers.
pub(crate) enum Script {
    /// These pieces.
    Pieces(VecDeque<Piece>),
    /// Pieces of this many bytes without an end, counting them.
    Endless(usize, Arc<AtomicUsize>),
    /// What comes.
    Channel(mpsc::UnboundedReceiver<Piece>),
    Panics,
}

impl Script {
    pub(crate) fn whole(body: impl Into<Bytes>, attachment: impl Into<Bytes>) -> Self {
        Self::Pieces([Piece::Data(body.into()), Piece::End(attachment.into())].into())
    }
}

impl Answer for Script {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        match self {
            Self::Pieces(pieces) => Poll::Ready(pieces.pop_front().unwrap()),
            Self::Endless(size, sent) => {
                sent.fetch_add(*size, Ordering::Relaxed);
                Poll::Ready(Piece::Data(vec![b'x'; *size].into()))
            }
            Self::Channel(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.unwrap_or(Piece::Broken))
            }
            Self::Panics => panic!("scripted"),
        }
    }
}

pub(crate) fn ok(answer: Script) -> Reply<Script> {
    Reply { status: 200, note: Bytes::new(), answer }
}

/// Tells that it was dropped.
pub(crate) struct Dropped(Option<oneshot::Sender<()>>);

impl Dropped {
    pub(crate) fn new() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Some(sender)), receiver)
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.take().map(|sender| sender.send(()));
    }
}

/// How the two ends of a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Client(Result<(), Error>),
    Server(Result<(), Error>),
}

/// Both ends of a connection, driven until they end or are dropped.
pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) ends: JoinSet<End>,
    /// Shuts the server down when sent to.
    pub(crate) stop: Option<oneshot::Sender<()>>,
}

impl Pair {
    pub(crate) fn new<F>(pipe: usize, handler: impl Fn(Request) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Reply<Script>> + Send + 'static,
    {
        let (near, far) = duplex(pipe);
        let mut ends = JoinSet::new();
        let (client, connection) = connect(near, KEEP_ALIVE);
        ends.spawn(async { End::Client(connection.await) });
        let (stop, stopped) = oneshot::channel();
        ends.spawn(async move {
            let mut server = pin!(Server::new(far, KEEP_ALIVE, handler));
            let mut stopped = pin!(stopped);
            let mut stopping = false;
            End::Server(
                poll_fn(|context| {
                    if !stopping && let Poll::Ready(told) = stopped.as_mut().poll(context) {
                        stopping = true;
                        if told.is_ok() {
                            server.as_mut().get_mut().shut_down();
                        }
                    }
                    server.as_mut().poll(context)
                })
                .await,
            )
        });
        Self { client, ends, stop: Some(stop) }
    }

    /// Both ends, the client's first.
    pub(crate) async fn ended(mut self) -> (Result<(), Error>, Result<(), Error>) {
        drop(self.client);
        let (mut client, mut server) = (None, None);
        while let Some(end) = soon(self.ends.join_next()).await {
            match end.unwrap() {
                End::Client(end) => client = Some(end),
                End::Server(end) => server = Some(end),
            }
        }
        (client.unwrap(), server.unwrap())
    }
}

/// An end made by hand.
pub(crate) struct Raw {
    pub(crate) io: DuplexStream,
    buffer: BytesMut,
}

impl Raw {
    pub(crate) fn new(io: DuplexStream) -> Self {
        Self { io, buffer: BytesMut::new() }
    }

    pub(crate) async fn send(&mut self, stream: u64, frame: Frame) {
        let mut bytes = Vec::new();
        encode(&mut bytes, stream, &frame);
        soon(self.io.write_all(&bytes)).await.unwrap();
    }

    /// The next frame; nothing at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<(u64, Frame)> {
        loop {
            if let Some(frame) = decode(&mut self.buffer).unwrap() {
                return Some(frame);
            }
            if soon(self.io.read_buf(&mut self.buffer)).await.unwrap() == 0 {
                return None;
            }
        }
    }
}

/// A client driven by hand at the other end.
pub(crate) fn raw_server() -> (Client, JoinSet<Result<(), Error>>, Raw) {
    let (near, far) = duplex(1 << 20);
    let (client, connection) = connect(near, KEEP_ALIVE);
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    (client, driver, Raw::new(far))
}

/// A server driven by hand at the other end.
pub(crate) fn raw_client<F>(
    handler: impl Fn(Request) -> F + Send + 'static,
) -> (JoinSet<Result<(), Error>>, Raw)
where
    F: Future<Output = Reply<Script>> + Send + 'static,
{
    let (near, far) = duplex(1 << 20);
    let mut driver = JoinSet::new();
    driver.spawn(async move { Server::new(far, KEEP_ALIVE, handler).await });
    (driver, Raw::new(near))
}
