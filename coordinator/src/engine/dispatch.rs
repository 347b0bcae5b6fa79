//! Gives a request to the best candidate, and to the next one when that fails before anything has
//! reached the client.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use pinaivu_openai::{ApiError, ChatRequest, Endpoint, UpstreamError};
use pinaivu_protocol::commitment::Salt;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::tunnel::REFUSAL_HEADER;
use tokio::time::{Instant, timeout_at};

use super::Engine;
use super::admit::{Admitted, Asked};
use super::assignment::{Assignment, Fault, Means, RequestFacts};
use super::error::RequestError;
use super::queue::NoTurn;
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
}

/// Why one node did not answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    #[error("it refused the ticket: {0}")]
    Ticket(String),
    #[error("its server answered {status}")]
    Server { status: StatusCode, message: String },
    #[error("its server refuses the request: {0}")]
    Request(ApiError),
    #[error("its stream broke before the first chunk")]
    Stream(#[source] hyper::Error),
    #[error("its stream ended before the first chunk")]
    Empty,
    #[error("its stream cannot be forwarded: {0}")]
    Broken(#[from] Broken),
    #[error(transparent)]
    Unary(#[from] UnaryError),
    #[error("it did not answer in time")]
    TimedOut,
}

/// A stream of which the first chunk is here.
struct Begun {
    upstream: Incoming,
    events: EventRelay,
    ready: BytesMut,
}

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
        let additions = Additions::new(id, &admitted.salt);
        let (salt, request, body) = (admitted.salt, admitted.request, admitted.body);
        let mut means = Means { hold: admitted.hold, flight: admitted.flight };
        let deadline = Instant::now() + self.timeouts.total;
        let mut attempts = 0_u16;
        let mut timed_out = false;
        let candidates = admitted.order.as_deref().unwrap_or(admitted.clearing.ranked());
        for candidate in candidates {
            if attempts >= self.limits.attempts || Instant::now() >= deadline {
                break;
            }
            // Between clearing and now it may have left or filled up.
            let Some((node, seat)) = self.nodes.seat(candidate) else { continue };
            attempts = attempts.saturating_add(1);
            let mut assignment = Assignment::new(self, &facts, candidate, node, seat, means);
            let attempt = self.attempt(&mut assignment, &request, &body, &additions, deadline);
            let failure = match attempt.await {
                Ok(Begin::Stream(Begun { upstream, events, ready })) => {
                    let stream =
                        AnswerStream::new(self, upstream, events, assignment, ready, deadline);
                    return Ok(Reply { request: id, salt, answer: Answer::Stream(stream) });
                }
                Ok(Begin::Whole(collected)) => {
                    let answer = Answer::Whole(collected.complete(assignment));
                    return Ok(Reply { request: id, salt, answer });
                }
                Err(failure) => failure,
            };
            let node = assignment.node().id();
            if let Failure::Request(error) = failure {
                tracing::info!(request = %id, %node, %error, "request refused by the node's server");
                assignment.give_up(Fault::Other);
                return Err(RequestError::Refused(error));
            }
            tracing::warn!(request = %id, %node, reason = %failure, "node failed before its answer");
            timed_out = matches!(failure, Failure::TimedOut);
            means = match assignment.give_up(Fault::Node) {
                Some(means) => means,
                None => return Err(RequestError::AllFailed),
            };
        }
        drop(means);
        Err(match (attempts, timed_out) {
            (0, _) => RequestError::NoCapacity {
                model: request.model,
                retry_after: super::admit::CAPACITY_RETRY,
            },
            (_, true) => RequestError::TimedOut,
            (_, false) => RequestError::AllFailed,
        })
    }

    /// Admits a request, waiting for room where every node that could serve it is full.
    async fn admit_in_turn(
        &self,
        id: RequestId,
        caller: &Caller,
        asked: Asked,
    ) -> Result<Admitted, RequestError> {
        let until = Instant::now() + self.timeouts.queue;
        loop {
            let full = match self.admit(id, caller, asked.clone()).await {
                Err(error @ RequestError::NoCapacity { .. }) if self.limits.queue > 0 => error,
                admitted => return admitted,
            };
            match self.queue.wait(caller.allowance(), asked.body.len(), until).await {
                Ok(()) => {}
                Err(NoTurn::TimedOut) => return Err(full),
                Err(NoTurn::Full) => {
                    let retry_after = super::admit::CAPACITY_RETRY;
                    return Err(RequestError::QueueFull { retry_after });
                }
            }
        }
    }

    /// One node, up to the point where the client gets something.
    async fn attempt(
        &self,
        assignment: &mut Assignment,
        request: &ChatRequest,
        body: &Bytes,
        additions: &Additions,
        deadline: Instant,
    ) -> Result<Begin, Failure> {
        // A unary answer's first byte may come with its last.
        let limit = match request.stream {
            true => deadline.min(Instant::now() + self.timeouts.first_byte),
            false => deadline,
        };
        let begin = async {
            let upstream = self.send(assignment, request.endpoint, body).await?;
            if request.stream {
                let begun = begin_stream(upstream, additions, request.include_usage).await?;
                assignment.begun();
                Ok(Begin::Stream(begun))
            } else {
                assignment.begun();
                let limit = self.limits.answer_bytes;
                Ok(Begin::Whole(unary::collect(upstream, request, additions, limit).await?))
            }
        };
        timeout_at(limit, begin).await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn send(
        &self,
        assignment: &Assignment,
        endpoint: Endpoint,
        body: &Bytes,
    ) -> Result<Incoming, Failure> {
        let Some(ticket) = assignment.ticket() else { return Err(Failure::Empty) };
        let response = assignment.node().dispatch(ticket, endpoint.path(), body.clone()).await?;
        let (head, upstream) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok(upstream);
        }
        if let Some(refusal) = head.headers.get(REFUSAL_HEADER) {
            let code = String::from_utf8_lossy(refusal.as_bytes()).into_owned();
            return Err(Failure::Ticket(code));
        }
        let error = Limited::new(upstream, MAX_ERROR_BYTES).collect().await;
        let error = error.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(match UpstreamError::read(head.status.as_u16(), &error) {
            UpstreamError::Request(error) => Failure::Request(error),
            UpstreamError::Server { message } => Failure::Server { status: head.status, message },
        })
    }
}

enum Begin {
    Stream(Begun),
    Whole(unary::Collected),
}

/// Reads until the first chunk is here.
async fn begin_stream(
    mut upstream: Incoming,
    additions: &Additions,
    include_usage: bool,
) -> Result<Begun, Failure> {
    let mut events = EventRelay::new(additions.clone(), include_usage);
    let mut ready = BytesMut::new();
    while !events.has_begun() {
        let frame = upstream.frame().await.ok_or(Failure::Empty)?.map_err(Failure::Stream)?;
        if let Ok(data) = frame.into_data() {
            events.feed(data, &mut ready)?;
        }
    }
    Ok(Begun { upstream, events, ready })
}
