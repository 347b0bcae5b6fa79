//! Bodies: reading a request's within limits, and the kinds of response.
//!
//! All bodies that are being read or served together take no more memory than there is [`BodyRoom`]: what has
//! come of one takes room until the last copy of it is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use pinaivu_openai::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, timeout_at};

use super::responses::ResponsesStream;
use crate::engine::AnswerStream;

/// What is thrown away of a body that is too long, so that a client that writes before it reads gets to
/// see the error instead of a broken connection.
const DISCARD_BYTES: usize = 32 * 1024 * 1024;
/// And for how long.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// When to come back after there was no room.
const ROOM_RETRY: Duration = Duration::from_secs(1);

/// Any boxed error.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a response.
pub(super) enum ResponseBody {
    /// All of it.
    Full(Full<Bytes>),
    /// An answer as it comes.
    Stream(AnswerStream),
    /// The same in the shape of responses.
    Responses(Box<ResponsesStream>),
    /// From the router.
    Router(axum::body::Body),
    /// An error, after which the rest of the request is thrown away.
    Discard(Box<Discard>),
}

impl ResponseBody {
    /// A body that is here already.
    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Full::new(bytes.into()))
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ResponseBody")
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut *self {
            Self::Full(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Stream(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Responses(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Router(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Discard(body) => body.poll(context).map(|frame| frame.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
            Self::Responses(body) => body.is_end_stream(),
            Self::Router(body) => body.is_end_stream(),
            Self::Discard(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
            Self::Responses(body) => body.size_hint(),
            Self::Router(body) => body.size_hint(),
            Self::Discard(_) => SizeHint::default(),
        }
    }
}

/// Sends its message at once and ends when the request has been read to its end, or enough of it.
pub(super) struct Discard {
    message: Option<Bytes>,
    request: Incoming,
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl Discard {
    pub(super) fn after(message: Bytes, request: Incoming) -> Self {
        Self {
            message: Some(message),
            request,
            left: DISCARD_BYTES,
            until: Box::pin(tokio::time::sleep(DISCARD_TIME)),
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Some(message) = self.message.take() {
            return Poll::Ready(Some(Frame::data(message)));
        }
        loop {
            if self.until.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            let Some(Ok(frame)) = ready!(Pin::new(&mut self.request).poll_frame(context)) else {
                return Poll::Ready(None);
            };
            let length = frame.data_ref().map_or(0, Bytes::len);
            match self.left.checked_sub(length) {
                Some(left) => self.left = left,
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Room for bodies of requests, in bytes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Semaphore>);

impl BodyRoom {
    /// So much of it.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }
}

/// Bytes and what gives back the room they take when they are gone.
struct Kept<R> {
    bytes: Bytes,
    _room: R,
}

impl<R> AsRef<[u8]> for Kept<R> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a body was translated into, in the room of that body.
pub(super) fn in_place_of(body: Bytes, translated: Bytes) -> Bytes {
    Bytes::from_owner(Kept { bytes: translated, _room: body })
}

/// Why a request's body is not here.
#[derive(Debug)]
pub(super) enum BodyError {
    /// Other requests take all the room; the rest of it is still to come.
    NoRoom(Incoming),
    /// Too long; the rest of it is still to come.
    TooLong(Incoming),
    /// Too slow.
    TimedOut,
    /// The client went away.
    Gone,
}

impl BodyError {
    /// As the client gets it.
    pub(super) fn error(&self, limit: usize) -> ApiError {
        match self {
            Self::NoRoom(_) => ApiError::overloaded(ROOM_RETRY),
            Self::TooLong(_) => ApiError::body_too_large(limit),
            Self::TimedOut | Self::Gone => ApiError::request_timeout(),
        }
    }
}

/// Reads a whole body of at most `limit` bytes; stops reading as soon as it is known to be longer.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    within: Duration,
    room: &BodyRoom,
) -> Result<Bytes, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLong(body));
    }
    let deadline = Instant::now() + within;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    // What a client announces takes no room, or nothing but a head would take all of it.
    let mut taken: Option<OwnedSemaphorePermit> = None;
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| BodyError::TimedOut)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| BodyError::Gone)?.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Err(BodyError::TooLong(body));
        }
        let Some(more) = room.take(data.len()) else { return Err(BodyError::NoRoom(body)) };
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        if first.is_empty() {
            // Nearly every request comes in one piece, which is then not copied.
            first = data;
        } else {
            if rest.is_empty() {
                // What a client announces is only room to be reserved once it has sent something.
                rest.reserve(announced.saturating_sub(first.len()).max(data.len()));
            }
            rest.extend_from_slice(&data);
        }
    }
    let Some(taken) = taken else { return Ok(first) };
    let bytes = if rest.is_empty() {
        first
    } else {
        let mut whole = BytesMut::with_capacity(first.len().saturating_add(rest.len()));
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&rest);
        whole.freeze()
    };
    Ok(Bytes::from_owner(Kept { bytes, _room: taken }))
}
