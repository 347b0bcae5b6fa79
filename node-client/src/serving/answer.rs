//! The body of an answer: the backend's bytes, untouched, and the proof after them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Body as _;
use pinaivu_protocol::proof::Outcome;
use pinaivu_tunnel::{Answer, Piece};
use tokio::time::{Instant, Sleep};

use super::dispatch::{Concluded, Dispatch};
use super::meter::Meter;
use crate::backend::BackendBody;
use crate::report::error_chain;

/// Chunks that wait already are sent together up to about this many bytes.
const MERGE_BYTES: usize = 16 * 1024;
/// What a server may take to close its stream after it said that it is done.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Any body this router sends. Ends with the proof when there was an answer.
pub enum AnswerBody {
    /// An error.
    Text(Option<Bytes>),
    /// A whole answer.
    Unary(Box<UnaryAnswer>),
    /// A stream.
    Streamed(Box<StreamedAnswer>),
}

impl AnswerBody {
    pub(super) fn text(text: Vec<u8>) -> Self {
        Self::Text(Some(text.into()))
    }
}

impl Answer for AnswerBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        match self {
            Self::Text(text) => {
                Poll::Ready(text.take().map_or(Piece::End(Bytes::new()), Piece::Data))
            }
            Self::Unary(answer) => Poll::Ready(answer.next_piece()),
            Self::Streamed(answer) => answer.poll_next(context),
        }
    }
}

/// A whole answer and its proof.
pub struct UnaryAnswer {
    json: Option<Bytes>,
    concluded: Option<Concluded>,
}

impl UnaryAnswer {
    pub(super) const fn new(json: Bytes, concluded: Option<Concluded>) -> Self {
        Self { json: Some(json), concluded }
    }

    fn next_piece(&mut self) -> Piece {
        match self.json.take() {
            Some(json) => Piece::Data(json),
            None => Piece::End(self.concluded.take().map(Concluded::deliver).unwrap_or_default()),
        }
    }
}

/// A stream as it comes from the backend. Dropping it before its end cancels the backend.
pub struct StreamedAnswer {
    /// Gone once it has ended.
    upstream: Option<BackendBody>,
    silence: Duration,
    /// Until when it may be silent.
    patience: Instant,
    /// Goes off at that time or before: each piece moves the time, and only an alarm that goes off too early is
    /// set again, because that costs more than to look at a clock.
    alarm: Pin<Box<Sleep>>,
    /// Both gone once the proof is made.
    answer: Option<(Dispatch, Meter)>,
    sound: bool,
}

impl StreamedAnswer {
    pub(super) fn new(
        upstream: BackendBody,
        dispatch: Dispatch,
        silence: Duration,
        limit: usize,
    ) -> Self {
        let patience = Instant::now() + silence;
        Self {
            upstream: Some(upstream),
            silence,
            patience,
            alarm: Box::pin(tokio::time::sleep_until(patience)),
            answer: Some((dispatch, Meter::new(limit))),
            sound: true,
        }
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        let mut merged = Merged::default();
        while self.upstream.is_some() && merged.len() < MERGE_BYTES {
            match self.poll_upstream(context) {
                Poll::Ready(Some(bytes)) => merged.push(bytes),
                Poll::Ready(None) => self.upstream = None,
                Poll::Pending if merged.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        if let Some(bytes) = merged.take() {
            return Poll::Ready(Piece::Data(bytes));
        }
        Poll::Ready(Piece::End(self.conclude().unwrap_or_default()))
    }

    /// The next bytes that have been looked at; nothing at the end, sound or not.
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let (Some(upstream), Some((dispatch, meter))) = (&mut self.upstream, &mut self.answer)
        else {
            return Poll::Ready(None);
        };
        let request = dispatch.request();
        loop {
            match Pin::new(&mut *upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // A backend's trailers say nothing that is needed.
                    let Ok(bytes) = frame.into_data() else { continue };
                    if bytes.is_empty() {
                        continue;
                    }
                    if let Err(fault) = meter.push(bytes.clone()) {
                        tracing::warn!(%request, %fault, "answer cut off");
                        self.sound = false;
                        self.upstream = None;
                        return Poll::Ready(Some(bytes));
                    }
                    let now = Instant::now();
                    if meter.is_done() {
                        self.patience = now + CLOSE_TIME;
                        self.alarm.as_mut().reset(self.patience);
                    } else {
                        self.patience = now + self.silence;
                    }
                    return Poll::Ready(Some(bytes));
                }
                Poll::Ready(Some(Err(error))) => {
                    if !meter.is_done() {
                        let error = error_chain(&error);
                        tracing::warn!(%request, error, "backend failed mid-answer");
                        self.sound = false;
                    }
                    return Poll::Ready(None);
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    std::task::ready!(self.alarm.as_mut().poll(context));
                    if Instant::now() < self.patience {
                        self.alarm.as_mut().reset(self.patience);
                        continue;
                    }
                    if !meter.is_done() {
                        let silence = self.silence;
                        tracing::warn!(%request, ?silence, "backend fell silent mid-answer");
                        self.sound = false;
                    }
                    return Poll::Ready(None);
                }
            }
        }
    }

    /// The proof of what has passed, once.
    fn conclude(&mut self) -> Option<Bytes> {
        let (dispatch, meter) = self.answer.take()?;
        let seen = meter.seen();
        let (answer, whole) = meter.finish();
        let outcome = if whole && self.sound { Outcome::Completed } else { Outcome::Failed };
        dispatch.conclude(outcome, &answer, seen).map(Concluded::deliver)
    }
}

impl Drop for StreamedAnswer {
    fn drop(&mut self) {
        if let Some((dispatch, meter)) = self.answer.take() {
            // Close the connection first: the backend stops generating.
            self.upstream = None;
            let seen = meter.seen();
            dispatch.cancel(meter.finish().0, seen);
        }
    }
}

/// Chunks to send as one.
#[derive(Default)]
struct Merged {
    first: Option<Bytes>,
    more: BytesMut,
}

impl Merged {
    fn push(&mut self, bytes: Bytes) {
        match &self.first {
            None => self.first = Some(bytes),
            Some(first) => {
                if self.more.is_empty() {
                    self.more.put_slice(first);
                }
                self.more.put_slice(&bytes);
            }
        }
    }

    fn len(&self) -> usize {
        self.more.len().max(self.first.as_ref().map_or(0, Bytes::len))
    }

    const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn take(self) -> Option<Bytes> {
        if self.more.is_empty() { self.first } else { Some(self.more.freeze()) }
    }
}
