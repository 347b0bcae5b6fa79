//! A request, and the part of its body that comes later.

use std::sync::Arc;
use std::task::{Poll, Waker};

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::INITIAL_WINDOW;
use crate::frame::RequestHead;

/// What a body is given room for before any of it is here.
const FORESIGHT: usize = 256 * 1024;

/// A request whose head is here.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub path: String,
    /// What goes with it.
    pub attachment: Bytes,
    /// The rest.
    pub body: RequestBody,
}

/// A request's body. Beyond what comes unasked, it is sent only once it is collected.
#[derive(Debug)]
pub struct RequestBody {
    length: u32,
    first: Bytes,
    rest: Option<Arc<Upload>>,
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError {
    /// It is longer than it may be.
    #[error("the body is too long")]
    TooLong,
    /// Whoever asked is gone.
    #[error("the body broke off")]
    Broken,
}

impl Request {
    /// A request, and where the rest of its body goes. `stream` is woken when that is wanted.
    pub(super) fn new(head: RequestHead, stream: &Waker) -> (Self, Option<Arc<Upload>>) {
        let RequestHead { path, attachment, length, first } = head;
        let have = u32::try_from(first.len()).unwrap_or(u32::MAX);
        let missing = length.saturating_sub(have);
        let rest = (missing > 0).then(|| Arc::new(Upload::new(missing, have, stream.clone())));
        let body = RequestBody { length, first, rest: rest.clone() };
        (Self { path, attachment, body }, rest)
    }
}

impl RequestBody {
    /// A body that is here.
    #[must_use]
    pub fn of(body: Bytes) -> Self {
        Self { length: u32::try_from(body.len()).unwrap_or(u32::MAX), first: body, rest: None }
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`RequestBodyError`]; of one that is too long nothing more is taken.
    pub async fn collect(self, limit: usize) -> Result<Bytes, RequestBodyError> {
        let length = self.length as usize;
        if length > limit {
            return Err(RequestBodyError::TooLong);
        }
        let Some(rest) = self.rest else { return Ok(self.first) };
        rest.ask(&self.first, length);
        std::future::poll_fn(|context| rest.poll(context.waker())).await
    }
}

/// The part of a body that comes after its request.
#[derive(Debug)]
pub(super) struct Upload(Mutex<State>);

#[derive(Debug)]
struct State {
    buffer: BytesMut,
    /// What is still to come.
    missing: u32,
    /// What of it may come without further credit.
    window: u32,
    /// Credit to be given.
    credit: u32,
    broken: bool,
    /// Who waits for the body.
    reader: Option<Waker>,
    /// Gives the credit.
    stream: Waker,
}

impl Upload {
    fn new(missing: u32, have: u32, stream: Waker) -> Self {
        Self(Mutex::new(State {
            buffer: BytesMut::new(),
            missing,
            window: INITIAL_WINDOW.saturating_sub(have),
            credit: 0,
            broken: false,
            reader: None,
            stream,
        }))
    }

    /// All of it is wanted.
    fn ask(&self, first: &[u8], length: usize) {
        let stream = {
            let mut state = self.0.lock();
            let mut whole = BytesMut::with_capacity(length.min(FORESIGHT));
            whole.extend_from_slice(first);
            whole.extend_from_slice(&state.buffer);
            state.buffer = whole;
            let wanted = state.missing.saturating_sub(state.window);
            state.window = state.window.saturating_add(wanted);
            state.credit = wanted;
            state.stream.clone()
        };
        stream.wake();
    }

    fn poll(&self, reader: &Waker) -> Poll<Result<Bytes, RequestBodyError>> {
        let mut state = self.0.lock();
        if state.missing == 0 {
            return Poll::Ready(Ok(std::mem::take(&mut state.buffer).freeze()));
        }
        if state.broken {
            return Poll::Ready(Err(RequestBodyError::Broken));
        }
        state.reader = Some(reader.clone());
        Poll::Pending
    }

    /// Credit that was not given yet.
    pub(super) fn credit(&self) -> Option<u32> {
        let mut state = self.0.lock();
        Some(std::mem::take(&mut state.credit)).filter(|credit| *credit > 0)
    }

    /// Takes a part of the body.
    ///
    /// # Errors
    /// When it is more than may come.
    pub(super) fn push(&self, bytes: &[u8]) -> Result<(), ()> {
        let reader = {
            let mut state = self.0.lock();
            let length = u32::try_from(bytes.len()).map_err(|_| ())?;
            state.missing = state.missing.checked_sub(length).ok_or(())?;
            state.window = state.window.checked_sub(length).ok_or(())?;
            state.buffer.extend_from_slice(bytes);
            // Nobody has use for a part.
            if state.missing == 0 { state.reader.take() } else { None }
        };
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }

    /// No more comes.
    pub(super) fn break_off(&self) {
        let reader = {
            let mut state = self.0.lock();
            state.broken = true;
            state.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
