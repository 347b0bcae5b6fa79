//! Bodies: reading a request's within limits, and the kinds of response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use pinaivu_openai::ApiError;
use tokio::time::{Instant, Sleep, timeout_at};

use super::responses::ResponsesStream;
use crate::engine::AnswerStream;

/// What is thrown away of a body that is too long, so that a client that writes before it reads gets to
/// see the error instead of a broken connection.
const DISCARD_BYTES: usize = 32 * 1024 * 1024;
/// And for how long.
const DISCARD_TIME: Duration = Duration::from_secs(5);

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

/// Why a request's body is not here.
#[derive(Debug)]
pub(super) enum BodyError {
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
) -> Result<Bytes, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLong(body));
    }
    let deadline = Instant::now() + within;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| BodyError::TimedOut)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| BodyError::Gone)?.into_data() else { continue };
        if first.len().saturating_add(rest.len()).saturating_add(data.len()) > limit {
            return Err(BodyError::TooLong(body));
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
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len().saturating_add(rest.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}
