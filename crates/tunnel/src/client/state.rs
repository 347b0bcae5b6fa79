//! What callers and the connection's task share: the streams, and what goes out next.

use std::collections::{HashMap, VecDeque};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::frame::{self, Frame, Kind};
use crate::{
    Error, HIGH_WATER, INITIAL_WINDOW, MAX_STREAMS, MAX_WINDOW, ResetCode, TURN, Violation,
};

/// A body up to this length goes out with its request; a longer one begins with a turn.
const WITH_REQUEST: usize = 32 * 1024;

/// Bytes waiting to be written beyond which nothing new is asked: the other end does not read.
const MOST_WAITING: usize = 64 * 1024 * 1024;

/// Consumed bytes for which credit is given at once.
const CREDIT_STEP: u32 = INITIAL_WINDOW / 2;

pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            out: Vec::new(),
            driver: None,
            due: None,
            streams: HashMap::new(),
            last: 0,
            uploads: VecDeque::new(),
            clients: 1,
            pong: false,
            closing: false,
            ended: None,
        }))
    }

    /// Does something with the state, and then wakes the connection's task when there is a reason to.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, due) = {
            let mut state = self.0.lock();
            let result = change(&mut state);
            (result, state.due.take())
        };
        if let Some(waker) = due {
            waker.wake();
        }
        result
    }
}

pub(super) struct State {
    /// Frames that go out next.
    pub(super) out: Vec<u8>,
    /// The connection's task while it sleeps.
    pub(super) driver: Option<Waker>,
    /// The same once there is a reason to wake it.
    due: Option<Waker>,
    pub(super) streams: HashMap<u64, Stream>,
    /// The newest stream.
    last: u64,
    /// Streams with a body to send and credit for it, in turn.
    uploads: VecDeque<u64>,
    pub(super) clients: usize,
    /// Whether a pong is in `out`.
    pub(super) pong: bool,
    closing: bool,
    ended: Option<Error>,
}

/// One request and its answer.
pub(super) struct Stream {
    head: Option<(u16, Bytes)>,
    answered: bool,
    /// What has come and was not taken: a slice of what was read, and what came while that waited. Small
    /// pieces that wait are copied together, so that they keep no buffers alive.
    front: Bytes,
    tail: BytesMut,
    /// What the other end may still send.
    window: u32,
    /// What was taken and no credit given for.
    taken: u32,
    /// How it ended, with what came before still to be taken.
    end: Option<Result<Bytes, Error>>,
    waker: Option<Waker>,
    /// What is still to be sent, and how much of it may be.
    upload: Bytes,
    credit: u32,
}

impl Stream {
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(u16, Bytes), Error>> {
        match (self.head.take(), &self.end) {
            (Some(head), _) => Poll::Ready(Ok(head)),
            (None, Some(Err(error))) => Poll::Ready(Err(error.clone())),
            (None, _) => {
                self.wait(context);
                Poll::Pending
            }
        }
    }

    fn wait(&mut self, context: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.waker = Some(context.waker().clone()),
        }
    }

    fn push(&mut self, bytes: Bytes) {
        if self.front.is_empty() && self.tail.is_empty() {
            self.front = bytes;
        } else {
            self.tail.extend_from_slice(&bytes);
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = match self.front.is_empty() {
            false => std::mem::take(&mut self.front),
            true if self.tail.is_empty() => return None,
            true => std::mem::take(&mut self.tail).freeze(),
        };
        self.taken = self.taken.saturating_add(length(piece.len()));
        Some(piece)
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

impl State {
    pub(super) fn wake_driver(&mut self) {
        if let Some(waker) = self.driver.take() {
            self.due = Some(waker);
        }
    }

    /// The connection is at its end when nobody can ask any more and nothing runs.
    pub(super) fn is_done(&self) -> bool {
        self.streams.is_empty() && (self.clients == 0 || self.closing)
    }

    pub(super) fn wake_if_done(&mut self) {
        if self.is_done() {
            self.wake_driver();
        }
    }

    /// Opens a stream.
    pub(super) fn open(
        &mut self,
        path: &str,
        attachment: &[u8],
        mut body: Bytes,
    ) -> Result<u64, Error> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        if self.closing {
            return Err(Error::Closing);
        }
        if self.streams.len() >= MAX_STREAMS || self.out.len() > MOST_WAITING {
            return Err(Error::Crowded);
        }
        let total = u32::try_from(body.len()).map_err(|_| Error::TooLong)?;
        let id = self.last.checked_add(1).ok_or(Error::Closing)?;
        let first = match body.len() <= WITH_REQUEST {
            true => std::mem::take(&mut body),
            false => body.split_to(TURN),
        };
        frame::request(&mut self.out, id, (path, attachment), total, &first)?;
        self.last = id;
        if !body.is_empty() {
            self.uploads.push_back(id);
        }
        let stream = Stream {
            head: None,
            answered: false,
            front: Bytes::new(),
            tail: BytesMut::new(),
            window: INITIAL_WINDOW,
            taken: 0,
            end: None,
            waker: None,
            upload: body,
            credit: INITIAL_WINDOW.saturating_sub(length(first.len())),
        };
        self.streams.insert(id, stream);
        self.wake_driver();
        Ok(id)
    }

    /// The next piece of an answer's body, or its attachment.
    pub(super) fn poll_piece(
        &mut self,
        id: u64,
        context: &Context<'_>,
    ) -> Poll<Result<Piece, Error>> {
        let Some(stream) = self.streams.get_mut(&id) else {
            return Poll::Ready(Err(Error::Closed));
        };
        if let Some(piece) = stream.take() {
            if stream.end.is_none() && stream.taken >= CREDIT_STEP {
                let credit = std::mem::take(&mut stream.taken);
                stream.window = stream.window.saturating_add(credit);
                frame::encode(&mut self.out, id, &Frame::Credit(credit));
                self.wake_driver();
            }
            return Poll::Ready(Ok(Piece::Data(piece)));
        }
        match stream.end.take() {
            Some(end) => {
                self.remove(id);
                Poll::Ready(end.map(Piece::End))
            }
            None => {
                stream.wait(context);
                Poll::Pending
            }
        }
    }

    /// Nobody wants the answer any more.
    pub(super) fn leave(&mut self, id: u64) {
        let Some(stream) = self.streams.get(&id) else { return };
        if stream.end.is_none() && self.ended.is_none() {
            frame::encode(&mut self.out, id, &Frame::Reset(ResetCode::CANCELLED));
            self.wake_driver();
        }
        self.remove(id);
    }

    fn remove(&mut self, id: u64) {
        self.streams.remove(&id);
        self.wake_if_done();
    }

    /// Adds what bodies may send now, each a turn.
    pub(super) fn fill(&mut self) {
        while self.out.len() < HIGH_WATER
            && let Some(id) = self.uploads.pop_front()
        {
            let Some(stream) = self.streams.get_mut(&id) else { continue };
            let most = TURN.min(stream.credit as usize);
            let piece = stream.upload.split_to(most.min(stream.upload.len()));
            if piece.is_empty() {
                continue;
            }
            stream.credit = stream.credit.saturating_sub(length(piece.len()));
            frame::payload(&mut self.out, Kind::RequestData, id, &piece);
            if stream.credit > 0 && !stream.upload.is_empty() {
                self.uploads.push_back(id);
            }
        }
    }

    /// Takes a frame of the other end; whom to wake.
    pub(super) fn receive(&mut self, id: u64, frame: Frame) -> Result<Option<Waker>, Violation> {
        let kind = frame.kind();
        match frame {
            Frame::Request(_) | Frame::RequestData(_) => return Err(Violation::Direction(kind)),
            Frame::Pong => return Ok(None),
            Frame::Ping => {
                // One that still waits answers all pings.
                if !std::mem::replace(&mut self.pong, true) {
                    frame::encode(&mut self.out, 0, &Frame::Pong);
                }
                return Ok(None);
            }
            Frame::Close => {
                self.closing = true;
                return Ok(None);
            }
            _ => {}
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            // On its way while the stream was ended here.
            return if id <= self.last { Ok(None) } else { Err(Violation::NoStream(id)) };
        };
        if stream.end.is_some() {
            return Err(Violation::Order { kind, stream: id });
        }
        match frame {
            Frame::Response { status, note } if !stream.answered => {
                stream.answered = true;
                stream.head = Some((status, note));
            }
            Frame::Data(bytes) if stream.answered => {
                let window = stream.window.checked_sub(length(bytes.len()));
                stream.window = window.ok_or(Violation::Overrun(id))?;
                stream.push(bytes);
            }
            Frame::End(attachment) if stream.answered => {
                stream.end = Some(Ok(attachment));
                stream.upload = Bytes::new();
            }
            Frame::Reset(code) => {
                stream.end = Some(Err(Error::Reset(code)));
                stream.upload = Bytes::new();
            }
            Frame::Credit(credit) => {
                let sum = stream.credit.checked_add(credit).filter(|sum| *sum <= MAX_WINDOW);
                let had = std::mem::replace(&mut stream.credit, sum.ok_or(Violation::Credit(id))?);
                // With credit left it is in the queue already.
                if had == 0 && !stream.upload.is_empty() {
                    self.uploads.push_back(id);
                }
                return Ok(None);
            }
            _ => return Err(Violation::Order { kind, stream: id }),
        }
        Ok(stream.waker.take())
    }

    /// The connection has ended; whom to wake.
    pub(super) fn end(&mut self, error: &Error) -> Vec<Waker> {
        if self.ended.is_none() {
            self.ended = Some(error.clone());
        }
        self.out = Vec::new();
        self.uploads.clear();
        let mut woken = Vec::new();
        for stream in self.streams.values_mut() {
            stream.end.get_or_insert_with(|| Err(error.clone()));
            stream.upload = Bytes::new();
            woken.extend(stream.waker.take());
        }
        woken
    }
}

pub(super) enum Piece {
    Data(Bytes),
    End(Bytes),
}
