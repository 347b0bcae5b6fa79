//! The end that answers.
//!
//! Everything happens in the connection's own task: a request is handed on as it is read, and an answer is
//! asked for its next piece only while there is room to send it, so that a slow reader makes its answers
//! wait and nothing is queued between them and the connection.

mod ready;
mod request;

pub use request::{Request, RequestBody, RequestBodyError};

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::frame::{self, Frame, Kind, RequestHead};
use crate::keep_alive::KeepAlive;
use crate::wire::Wire;
use crate::{
    Error, HIGH_WATER, INITIAL_WINDOW, MAX_ATTACHMENT, MAX_NOTE, MAX_PAYLOAD, MAX_STREAMS,
    MAX_WINDOW, ResetCode, TURN, Violation,
};
use ready::{Ready, StreamWaker};
use request::Upload;

/// How a request is taken, and its answer.
#[derive(Debug)]
pub struct Reply<A> {
    /// The status.
    pub status: u16,
    /// What goes with it, at most [`MAX_NOTE`] bytes.
    pub note: Bytes,
    /// The rest.
    pub answer: A,
}

/// The next of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// More of its body.
    Data(Bytes),
    /// It is complete; the attachment, at most [`MAX_ATTACHMENT`] bytes.
    End(Bytes),
    /// It has broken off.
    Broken,
}

/// An answer's body. Dropped when nobody wants it any more.
pub trait Answer {
    /// The next piece. Not called again after the end.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece>;
}

/// Answers what is asked over one connection, with what `handler` says. Ends when the other end hangs up,
/// or once all answers are sent after [`Server::shut_down`]. Dropping it drops all requests and answers.
#[must_use = "nothing happens unless it is polled"]
pub struct Server<S, H, F, A> {
    wire: Wire<S>,
    handler: H,
    streams: HashMap<u64, Stream<F, A>>,
    ready: Arc<Ready>,
    keep_alive: KeepAlive,
    /// The newest stream.
    last: u64,
    /// Whether a pong is due.
    pong: bool,
    closing: bool,
}

struct Stream<F, A> {
    work: Work<F, A>,
    /// What waits for credit.
    pending: Bytes,
    credit: u32,
    ready: Arc<StreamWaker>,
    waker: Waker,
    /// Where the rest of the request's body goes.
    upload: Option<Arc<Upload>>,
}

enum Work<F, A> {
    Asked(Pin<Box<F>>),
    Answering(A),
}

/// What became of a stream's turn.
enum Turn {
    /// It waits for something.
    Waits,
    /// It has more, and the others are next.
    Again,
    Ended,
}

impl<S, H, F, A> std::fmt::Debug for Server<S, H, F, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

impl<S, H, F, A> Unpin for Server<S, H, F, A> {}

impl<F, A> Drop for Stream<F, A> {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            upload.break_off();
        }
    }
}

impl<S, H, F, A> Future for Server<S, H, F, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request) -> F,
    F: Future<Output = Reply<A>>,
    A: Answer,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.drive(context).map(|end| match end {
            // The other end may hang up when it likes.
            Err(Error::Closed) => Ok(()),
            end => end,
        })
    }
}

impl<S, H, F, A> Server<S, H, F, A>
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request) -> F,
    F: Future<Output = Reply<A>>,
    A: Answer,
{
    /// Answers on `io`. An end that is silent for two to three times `keep_alive` counts as gone. Call
    /// within a runtime.
    pub fn new(io: S, keep_alive: Duration, handler: H) -> Self {
        Self {
            wire: Wire::new(io),
            handler,
            streams: HashMap::new(),
            ready: Arc::default(),
            keep_alive: KeepAlive::new(keep_alive),
            last: 0,
            pong: false,
            closing: false,
        }
    }

    /// Takes no further request, and ends when those that run are answered. Has to be polled on.
    pub fn shut_down(&mut self) {
        if !std::mem::replace(&mut self.closing, true) {
            frame::encode(self.wire.out(), 0, &Frame::Close);
        }
    }

    fn drive(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // From here on whatever becomes ready while this runs wakes again.
        self.ready.register(context.waker());
        loop {
            let read = self.wire.poll_read(context)?;
            if read.is_ready() {
                self.keep_alive.heard();
                while let Some((id, frame)) = frame::decode(&mut self.wire.read)? {
                    self.receive(id, frame)?;
                }
            }
            if self.keep_alive.poll(context)? {
                frame::encode(self.wire.out(), 0, &Frame::Ping);
            }
            if std::mem::take(&mut self.pong) {
                frame::encode(self.wire.out(), 0, &Frame::Pong);
            }
            let more = self.answer();
            let written = self.wire.poll_write(context)?;
            if written.is_ready() && self.closing && self.streams.is_empty() {
                return self.wire.poll_close(context);
            }
            if read.is_pending() && (!more || written.is_pending()) {
                return Poll::Pending;
            }
        }
    }

    /// Gives each stream that is ready its turn, as far as there is room; whether one of them has more to
    /// say at once.
    fn answer(&mut self) -> bool {
        let mut more = false;
        // What becomes ready meanwhile has its turn the next time.
        for _ in 0..self.ready.len() {
            if self.wire.waiting() >= HIGH_WATER {
                return true;
            }
            let Some(id) = self.ready.pop() else { break };
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            stream.ready.taken();
            match stream.turn(id, self.wire.out()) {
                Turn::Waits => {}
                Turn::Again => {
                    stream.ready.again();
                    more = true;
                }
                Turn::Ended => drop(self.streams.remove(&id)),
            }
        }
        more
    }

    fn receive(&mut self, id: u64, frame: Frame) -> Result<(), Violation> {
        let kind = frame.kind();
        match frame {
            Frame::Request(head) => return self.open(id, head),
            Frame::Ping => {
                self.pong = true;
                return Ok(());
            }
            Frame::Pong => return Ok(()),
            Frame::Response { .. } | Frame::Data(_) | Frame::End(_) | Frame::Close => {
                return Err(Violation::Direction(kind));
            }
            _ => {}
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            // On its way while the stream was ended here.
            return if id <= self.last { Ok(()) } else { Err(Violation::NoStream(id)) };
        };
        match frame {
            Frame::RequestData(bytes) => {
                let upload = stream.upload.as_ref().ok_or(Violation::Overrun(id))?;
                upload.push(&bytes).map_err(|()| Violation::Overrun(id))
            }
            Frame::Credit(credit) => {
                let sum = stream.credit.checked_add(credit).filter(|sum| *sum <= MAX_WINDOW);
                stream.credit = sum.ok_or(Violation::Credit(id))?;
                if !stream.pending.is_empty() {
                    stream.ready.again();
                }
                Ok(())
            }
            // A reset: whoever asked is gone.
            _ => {
                self.streams.remove(&id);
                Ok(())
            }
        }
    }

    fn open(&mut self, id: u64, head: RequestHead) -> Result<(), Violation> {
        if id <= self.last {
            return Err(Violation::Reused(id));
        }
        if self.streams.len() >= MAX_STREAMS {
            return Err(Violation::Crowded);
        }
        self.last = id;
        if self.closing {
            // Whoever asks on and reads nothing is not answered.
            if self.wire.waiting() >= HIGH_WATER {
                return Err(Violation::Crowded);
            }
            frame::encode(self.wire.out(), id, &Frame::Reset(ResetCode::CLOSING));
            return Ok(());
        }
        let ready = StreamWaker::new(id, &self.ready);
        let waker = Waker::from(Arc::clone(&ready));
        let (request, upload) = Request::new(head, &waker);
        let work = Work::Asked(Box::pin((self.handler)(request)));
        ready.again();
        let (pending, credit) = (Bytes::new(), INITIAL_WINDOW);
        self.streams.insert(id, Stream { work, pending, credit, ready, waker, upload });
        Ok(())
    }
}

impl<F, A> Stream<F, A>
where
    F: Future<Output = Reply<A>>,
    A: Answer,
{
    /// Sends what there is, up to a turn's worth.
    fn turn(&mut self, id: u64, out: &mut Vec<u8>) -> Turn {
        let mut spent = 0;
        loop {
            if !self.pending.is_empty() {
                let most = MAX_PAYLOAD.min(self.credit as usize);
                let piece = self.pending.split_to(most.min(self.pending.len()));
                if piece.is_empty() {
                    return Turn::Waits;
                }
                self.credit =
                    self.credit.saturating_sub(u32::try_from(piece.len()).unwrap_or(u32::MAX));
                frame::payload(out, Kind::Data, id, &piece);
                spent += piece.len();
                if spent >= TURN {
                    return Turn::Again;
                }
                continue;
            }
            let polled = catch_unwind(AssertUnwindSafe(|| self.poll(id, out)));
            match polled {
                Ok(Poll::Ready(None)) => {}
                Ok(Poll::Ready(Some(end))) => {
                    frame::encode(out, id, &end);
                    return Turn::Ended;
                }
                Ok(Poll::Pending) => {
                    if let Some(credit) = self.upload.as_ref().and_then(|upload| upload.credit()) {
                        frame::encode(out, id, &Frame::Credit(credit));
                    }
                    return Turn::Waits;
                }
                // A panic is this request's end and no other's.
                Err(_) => {
                    frame::encode(out, id, &Frame::Reset(ResetCode::BROKEN));
                    return Turn::Ended;
                }
            }
        }
    }

    /// Goes one step on; with what the stream ends, at its end.
    fn poll(&mut self, id: u64, out: &mut Vec<u8>) -> Poll<Option<Frame>> {
        let mut context = Context::from_waker(&self.waker);
        let broken = Frame::Reset(ResetCode::BROKEN);
        let end = match &mut self.work {
            Work::Asked(asked) => {
                let reply = std::task::ready!(asked.as_mut().poll(&mut context));
                let Reply { status, note, answer } = reply;
                self.work = Work::Answering(answer);
                if note.len() > MAX_NOTE {
                    Some(broken)
                } else {
                    frame::encode(out, id, &Frame::Response { status, note });
                    None
                }
            }
            Work::Answering(answer) => match std::task::ready!(answer.poll_piece(&mut context)) {
                Piece::Data(bytes) => {
                    self.pending = bytes;
                    None
                }
                Piece::End(attachment) if attachment.len() <= MAX_ATTACHMENT => {
                    Some(Frame::End(attachment))
                }
                Piece::End(_) | Piece::Broken => Some(broken),
            },
        };
        Poll::Ready(end)
    }
}
