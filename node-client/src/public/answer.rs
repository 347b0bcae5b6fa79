//! An answer as a redirected client gets it: OpenAI's shape, without what it did not ask for and without the
//! proof.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use pinaivu_openai::{
    AnswerFacts, ChatRequest, DONE_EVENT, Defaults, EventSplitter, encode_event, normalise_chunk,
    normalise_whole,
};
use pinaivu_protocol::ticket::Ticket;
use pinaivu_tunnel::{Answer as _, Piece};

use crate::serving::AnswerBody;

/// See the module.
pub(super) struct PublicBody {
    answer: AnswerBody,
    shape: Option<Shape>,
    events: EventSplitter,
    ended: bool,
}

/// What an answer is made to look like.
struct Shape {
    asked: ChatRequest,
    id: String,
    created: u64,
}

impl PublicBody {
    /// An answer to a request under a ticket.
    pub(super) fn new(answer: AnswerBody, asked: ChatRequest, ticket: &Ticket) -> Self {
        let created = ticket.request.arrived().0.checked_div(1_000).unwrap_or_default();
        let shape = Shape { asked, id: ticket.request.to_string(), created };
        Self { shape: Some(shape), ..Self::plain(answer) }
    }

    /// An answer as it is.
    pub(super) fn plain(answer: AnswerBody) -> Self {
        Self { answer, shape: None, events: EventSplitter::default(), ended: false }
    }
}

impl Shape {
    fn defaults(&self) -> Defaults<'_> {
        Defaults { id: &self.id, model: &self.asked.model, created: self.created }
    }

    fn whole(&self, answer: Bytes) -> Bytes {
        let whole = normalise_whole(self.asked.endpoint, &answer, self.defaults());
        whole.map_or(answer, Bytes::from)
    }

    /// The events that have arrived whole; nothing when the stream is no stream.
    fn events(&self, events: &mut EventSplitter, piece: Bytes) -> Option<Bytes> {
        events.push(piece);
        let mut out = BytesMut::new();
        while let Some(event) = events.next_event().ok()? {
            if event.is_done() {
                out.extend_from_slice(DONE_EVENT);
                continue;
            }
            let facts = AnswerFacts::parse(&event.data)?;
            if facts.is_bare && facts.usage.is_some() && !self.asked.include_usage {
                continue;
            }
            let chunk = match facts.is_error {
                true => None,
                false => normalise_chunk(self.asked.endpoint, &event.data, self.defaults()),
            };
            out.extend_from_slice(&encode_event(chunk.as_deref().unwrap_or(&event.data)));
        }
        Some(out.freeze())
    }
}

impl Body for PublicBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while !self.ended {
            // The end is the coordinator's; polling for it makes the proof.
            let Piece::Data(data) = ready!(self.answer.poll_piece(context)) else { break };
            let Self { answer, shape, events, .. } = &mut *self;
            let data = match (&*answer, shape) {
                (AnswerBody::Streamed(_), Some(shape)) => shape.events(events, data),
                (AnswerBody::Unary(_), Some(shape)) => Some(shape.whole(data)),
                _ => Some(data),
            };
            match data {
                Some(data) if data.is_empty() => {}
                Some(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                None => break,
            }
        }
        self.ended = true;
        Poll::Ready(None)
    }
}
