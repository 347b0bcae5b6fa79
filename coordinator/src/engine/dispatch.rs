//! Gives a request to the best candidate, and to the next one when that fails before anything has
//! reached the client.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{Bytes, BytesMut};
use pinaivu_auction::Candidate;
use pinaivu_openai::{ApiError, ChatRequest, Endpoint, UpstreamError};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::ticket::TICKET_PARAMETER;
use pinaivu_protocol::tunnel::TicketRefusal;
use pinaivu_tunnel::Body;
use tokio::time::{Instant, timeout_at};

use super::Engine;
use super::admit::{Admitted, Asked};
use super::assignment::{Assignment, Fault, Means, Race, RequestFacts};
use super::continuation::{self, Continuation};
use super::error::RequestError;
use super::relay::{Additions, Broken, EventRelay};
use super::stream::AnswerStream;
use super::unary::{self, UnaryError};
use crate::accounts::Caller;
use crate::tunnel::DispatchError;

/// Longest error a node's server may send.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// An answer, with what its headers say.
#[derive(Debug)]
pub struct Reply {
    /// Which request it answers.
    pub request: RequestId,
    /// Salt of the commitments to request and answer.
    pub salt: Salt,
    /// The answer.
    pub answer: Answer,
}

/// An answer's body.
#[derive(Debug)]
pub enum Answer {
    /// JSON.
    Whole(Bytes),
    /// Server-sent events.
    Stream(AnswerStream),
    /// The node answers the client itself, at this URL.
    Elsewhere(String),
}

/// Why one node did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    #[error("it refused the ticket: {0}")]
    Ticket(String),
    #[error("its server answered {status}")]
    Server { status: u16, message: String },
    #[error("its server refuses the request: {0}")]
    Request(ApiError),
    #[error("its stream broke before the first chunk")]
    Stream(#[source] pinaivu_tunnel::Error),
    #[error("its stream ended before the first chunk")]
    Empty,
    #[error("its stream cannot be forwarded: {0}")]
    Broken(#[from] Broken),
    #[error(transparent)]
    Unary(#[from] UnaryError),
    #[error("it did not answer in time")]
    TimedOut,
}

impl Failure {
    /// Whose fault it is.
    pub(super) const fn fault(&self) -> Fault {
        match self {
            Self::Request(_) => Fault::Other,
            _ => Fault::Node,
        }
    }

    /// Whether the node takes on no more work for now.
    fn is_full(&self) -> bool {
        matches!(self, Self::Ticket(code) if code == TicketRefusal::Unavailable.code())
    }
}

/// A stream of which the first chunk is here.
pub(super) struct Begun {
    pub(super) upstream: Body,
    pub(super) events: EventRelay,
    pub(super) ready: BytesMut,
}

/// What all attempts at one segment of a request have in common.
#[derive(Clone)]
pub(super) struct Errand {
    pub(super) request: Arc<ChatRequest>,
    pub(super) body: Bytes,
    pub(super) facts: RequestFacts,
    pub(super) additions: Additions,
    pub(super) deadline: Instant,
}

/// Who was tried, and what may still be.
struct Course<'a> {
    engine: &'a Engine,
    errand: &'a Errand,
    means: &'a Means,
    candidates: std::slice::Iter<'a, Candidate>,
    attempts: u16,
    /// Whether all that failed so far took on no more work for now.
    full: bool,
}

impl Course<'_> {
    /// A ticket for the next candidate with room.
    fn next(&mut self) -> Option<Assignment> {
        let Self { engine, errand, means, .. } = *self;
        if self.attempts >= engine.limits.attempts || Instant::now() >= errand.deadline {
            return None;
        }
        // Between clearing and now it may have left or filled up.
        let (candidate, (node, seat)) =
            self.candidates.by_ref().find_map(|c| Some((c, engine.nodes.seat(c)?)))?;
        self.attempts = self.attempts.saturating_add(1);
        Some(Assignment::new(engine, &errand.facts, candidate, node, seat, means.clone()))
    }

    /// A node did not answer.
    fn failed(&mut self, failure: &Failure) {
        self.full &= failure.is_full();
    }

    /// Whether yet another candidate may be asked, as far as can be told before it is.
    fn has_another(&self) -> bool {
        self.attempts < self.engine.limits.attempts && !self.candidates.as_slice().is_empty()
    }

    /// Where the best candidate with an address answers the client itself. Nothing when there is none, or
    /// when too many tickets of this allowance are out already: then the answer passes here.
    fn redirect(&self) -> Option<String> {
        let Self { engine, errand, means, .. } = *self;
        let (allowance, most) = (means.hold.payer().allowance, engine.limits.direct_per_allowance);
        let out = engine.direct.take(allowance, most)?;
        let (candidate, node, seat, address) = self.candidates.clone().find_map(|candidate| {
            let (node, seat) = engine.nodes.seat(candidate)?;
            let address = node.address()?;
            Some((candidate, node, seat, address))
        })?;
        let assignment =
            Assignment::new(engine, &errand.facts, candidate, node, seat, means.clone());
        let (ticket, handed) = assignment.hand_over()?;
        let until = errand.deadline + engine.timeouts.report;
        engine.interrupted.wait_for_report(handed, out, until);
        let ticket = URL_SAFE_NO_PAD.encode(ticket.encode());
        let path = errand.request.endpoint.path();
        Some(format!("{address}{path}?{TICKET_PARAMETER}={ticket}"))
    }
}

/// How an attempt ended, and whose it was.
type Attempt = (Assignment, Result<Begin, Failure>);

impl Engine {
    /// Serves one request.
    ///
    /// Dropping the future, or later a stream, is the client going away: the node's stream is reset and
    /// what was delivered is accounted for.
    ///
    /// # Errors
    /// [`RequestError`]; nothing is charged then.
    pub async fn serve(
        &self,
        id: RequestId,
        caller: &Caller,
        asked: Asked,
    ) -> Result<Reply, RequestError> {
        let admitted = self.admit_in_turn(id, caller, asked).await?;
        let facts = RequestFacts::of(&admitted);
        let Admitted { body, request, salt, clearing, order, hedge, direct, hold, flight, .. } =
            admitted;
        let means = Means { hold: Arc::new(hold), flight };
        let candidates = order.as_deref().unwrap_or(clearing.ranked());
        let continuable = continuation::is_possible(&request, candidates);
        let mut additions =
            Additions::new(id, &salt).bounded(facts.bounds.output, self.limits.answer_bytes);
        if continuable {
            additions = additions.continuable();
        }
        let deadline = Instant::now() + self.timeouts.total;
        let errand = Errand { request, body, facts, additions, deadline };
        let mut course = Course {
            engine: self,
            errand: &errand,
            means: &means,
            candidates: candidates.iter(),
            attempts: 0,
            full: true,
        };
        if direct && let Some(url) = course.redirect() {
            return Ok(Reply { request: id, salt, answer: Answer::Elsewhere(url) });
        }
        let mut timed_out = false;
        while let Some(assignment) = course.next() {
            let (assignment, begin) = match hedge {
                None => self.attempt(assignment, &errand, course.has_another()).await,
                Some(after) => self.attempt_hedged(assignment, after, &mut course).await,
            };
            let node = assignment.node().id();
            let failure = match begin {
                Ok(Begin::Stream(begun)) => {
                    let attempts = course.attempts;
                    let continuation = continuable.then(|| {
                        Continuation::new(self, errand, means, candidates, node, attempts)
                    });
                    let stream = AnswerStream::new(self, begun, assignment, continuation, deadline);
                    return Ok(Reply { request: id, salt, answer: Answer::Stream(stream) });
                }
                Ok(Begin::Whole(collected)) => {
                    let answer = Answer::Whole(collected.complete(assignment));
                    return Ok(Reply { request: id, salt, answer });
                }
                Err(failure) => failure,
            };
            assignment.give_up(failure.fault());
            if let Failure::Request(error) = failure {
                tracing::info!(request = %id, %node, %error, "request refused by the node's server");
                return Err(RequestError::Refused(error));
            }
            tracing::warn!(request = %id, %node, reason = %failure, "node failed before its answer");
            timed_out = matches!(failure, Failure::TimedOut);
            course.failed(&failure);
        }
        Err(match (course.attempts, timed_out) {
            _ if course.full => RequestError::NoCapacity {
                model: errand.facts.model,
                retry_after: super::admit::CAPACITY_RETRY,
            },
            (_, true) => RequestError::TimedOut,
            (_, false) => RequestError::AllFailed,
        })
    }

    /// Asks a second node as well when the first has given nothing after a while. Whoever begins first
    /// serves; the other one's ticket is void and it is paid nothing.
    async fn attempt_hedged(
        &self,
        first: Assignment,
        after: Duration,
        course: &mut Course<'_>,
    ) -> Attempt {
        let race = Race::default();
        let errand = course.errand;
        let mut first = Box::pin(self.attempt(first.racing(&race), errand, false));
        if let Ok(ended) = timeout_at(Instant::now() + after, &mut first).await {
            return ended;
        }
        let Some(second) = course.next() else { return first.await };
        let mut second = Box::pin(self.attempt(second.racing(&race), errand, false));
        let ((mut assignment, begin), other) = tokio::select! {
            biased;
            ended = &mut first => (ended, second),
            ended = &mut second => (ended, first),
        };
        match begin {
            // The other one goes on alone.
            Err(failure) if failure.fault() == Fault::Node => {
                let (request, node) = (errand.additions.request_id(), assignment.node().id());
                tracing::warn!(%request, %node, reason = %failure, "one of two nodes failed");
                course.failed(&failure);
                assignment.give_up(Fault::Node);
                other.await
            }
            begin => {
                assignment.win();
                drop(other);
                (assignment, begin)
            }
        }
    }

    /// Admits a request, waiting for room where every node that could serve it is full.
    async fn admit_in_turn(
        &self,
        id: RequestId,
        caller: &Caller,
        asked: Asked,
    ) -> Result<Admitted, RequestError> {
        let until = Instant::now() + self.timeouts.queue;
        let allowance = caller.allowance();
        let bytes = asked.body.len();
        let read = self.read(asked).await?;
        let (model, retry_after) = (read.model().to_owned(), super::admit::CAPACITY_RETRY);
        // Whoever waits for the same model came before.
        if !self.queue.has_others(allowance, &model) {
            match self.admit(id, caller, read.clone()) {
                Err(RequestError::NoCapacity { .. }) if self.limits.queue > 0 => {}
                admitted => return admitted,
            }
        }
        let place = self.queue.join(allowance, &model, bytes);
        let place = place.ok_or(RequestError::QueueFull { retry_after })?;
        // There may be room by now, or room that is of no use to those who wait.
        self.queue.call();
        while place.turn(until).await {
            match self.admit(id, caller, read.clone()) {
                Err(RequestError::NoCapacity { .. }) => place.keep(),
                admitted => {
                    place.leave();
                    return admitted;
                }
            }
        }
        Err(RequestError::NoCapacity { model, retry_after })
    }

    /// One node, up to the point where the client gets something. With `another`, one that could be asked
    /// instead is left time for it.
    pub(super) async fn attempt(
        &self,
        mut assignment: Assignment,
        errand: &Errand,
        another: bool,
    ) -> Attempt {
        let Errand { request, body, additions, deadline, .. } = errand;
        let now = Instant::now();
        // A unary answer's first byte may come with its last.
        let limit = match (request.stream, another) {
            (true, _) => (*deadline).min(now + self.timeouts.first_byte),
            (false, true) => {
                let half = deadline.saturating_duration_since(now) / 2;
                now + half.min(self.timeouts.unary)
            }
            (false, false) => *deadline,
        };
        let begin = async {
            let upstream = self.send(&assignment, request.endpoint, body).await?;
            if request.stream {
                let begun = begin_stream(upstream, additions, request).await?;
                assignment.begun();
                Ok(Begin::Stream(begun))
            } else {
                assignment.begun();
                let limit = self.limits.answer_bytes;
                Ok(Begin::Whole(unary::collect(upstream, request, additions, limit).await?))
            }
        };
        let begin = timeout_at(limit, begin).await.unwrap_or(Err(Failure::TimedOut));
        (assignment, begin)
    }

    async fn send(
        &self,
        assignment: &Assignment,
        endpoint: Endpoint,
        body: &Bytes,
    ) -> Result<Body, Failure> {
        let Some(ticket) = assignment.ticket() else { return Err(Failure::Empty) };
        let response = assignment.node().dispatch(ticket, endpoint.path(), body.clone()).await?;
        let (status, note) = (response.status, response.note);
        if status == 200 {
            return Ok(response.body);
        }
        if !note.is_empty() {
            return Err(Failure::Ticket(String::from_utf8_lossy(&note).into_owned()));
        }
        let (error, _) = response.body.collect(MAX_ERROR_BYTES).await.unwrap_or_default();
        Err(match UpstreamError::read(status, &error) {
            UpstreamError::Request(error) => Failure::Request(error),
            UpstreamError::Server { message } => Failure::Server { status, message },
        })
    }
}

/// The beginning of an answer, or all of it.
pub(super) enum Begin {
    Stream(Begun),
    Whole(unary::Collected),
}

/// Reads until the first chunk is here.
async fn begin_stream(
    mut upstream: Body,
    additions: &Additions,
    request: &Arc<ChatRequest>,
) -> Result<Begun, Failure> {
    let mut events = EventRelay::new(additions.clone(), Arc::clone(request));
    let mut ready = BytesMut::new();
    while !events.has_begun() {
        let data = upstream.data().await.ok_or(Failure::Empty)?.map_err(Failure::Stream)?;
        events.feed(data, &mut ready)?;
    }
    Ok(Begun { upstream, events, ready })
}
