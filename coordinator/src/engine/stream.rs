//! A streamed answer on its way to the client.
//!
//! The client's connection pulls: each poll takes what the node has sent and nothing more is read until
//! the next one, so a slow client holds back its own stream by that stream's window and needs no buffer
//! here. Dropping the body resets the node's stream at once. When the node breaks off and another can go
//! on, the client waits for that one's first chunk as it would for any other.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use borsh::BorshDeserialize as _;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use parking_lot::Mutex;
use pinaivu_openai::ApiError;
use pinaivu_protocol::ids::{NodeId, RequestId};
use pinaivu_protocol::proof::{Outcome, ProofOfInference};
use pinaivu_protocol::units::TokenCount;
use tokio::time::Instant;

use super::Engine;
use super::assignment::Assignment;
use super::continuation::{Continuation, Resumed};
use super::dispatch::Begun;
use super::meter::Delivered;
use super::relay::EventRelay;

/// Chunks that are waiting are sent on as one, up to about this many bytes.
const MERGE_BYTES: usize = 16 * 1024;

/// How long after `[DONE]` the node's proof may take.
const PROOF_WAIT: Duration = Duration::from_secs(2);

/// The client's connection has to be cut: the client has not read for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client has not read the answer for too long")]
pub struct ClientStalled;

/// The body of a streamed answer.
pub struct AnswerStream(Arc<Mutex<Relay>>);

impl std::fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnswerStream")
    }
}

/// What [`AnswerStream`] and the watch share.
pub(super) struct Relay {
    engine: Engine,
    state: State,
    deadline: Instant,
    /// When the client's connection last took something.
    taken: Instant,
    /// Since when the client's connection waits for the node, and whom to wake.
    waiting: Option<(Instant, Waker)>,
}

enum State {
    Open(Box<Open>),
    /// The node broke off, another is asked to go on.
    Resuming(Box<Resuming>),
    /// Nothing more comes from the node; this is still to be said.
    LastWords(Bytes),
    Aborted,
    Ended,
}

struct Open {
    upstream: pinaivu_tunnel::Body,
    events: EventRelay,
    assignment: Assignment,
    proof: Option<ProofOfInference>,
    /// Written before the first poll.
    ready: BytesMut,
    /// Where another node may go on with the answer.
    continuation: Option<Box<Continuation>>,
}

/// What a node that broke off has done. It is accounted for when it is known whether another goes on.
struct BrokenOff {
    assignment: Assignment,
    delivered: Delivered,
    /// What of the request's limit that was counted as.
    taken: TokenCount,
    proof: Option<ProofOfInference>,
}

struct Resuming {
    broken: BrokenOff,
    resumed: Pin<Box<dyn Future<Output = Option<Resumed>> + Send>>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay")
    }
}

impl AnswerStream {
    /// Goes on with an answer that has begun: `ready` is what the client gets first.
    pub(super) fn new(
        engine: &Engine,
        begun: Begun,
        assignment: Assignment,
        continuation: Option<Box<Continuation>>,
        deadline: Instant,
    ) -> Self {
        let open = Open::new(begun, assignment, continuation);
        let relay = Arc::new(Mutex::new(Relay {
            engine: engine.clone(),
            state: State::Open(open),
            deadline,
            taken: Instant::now(),
            waiting: None,
        }));
        engine.streams.add(&relay);
        Self(relay)
    }
}

impl Body for AnswerStream {
    type Data = Bytes;
    type Error = ClientStalled;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientStalled>>> {
        self.0.lock().poll(context)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0.lock().state, State::Ended)
    }
}

/// How a stream from the node went on.
enum Step {
    Pending,
    Ended,
    Broken,
}

impl Open {
    fn new(
        begun: Begun,
        assignment: Assignment,
        continuation: Option<Box<Continuation>>,
    ) -> Box<Self> {
        let Begun { upstream, events, ready } = begun;
        Box::new(Self { upstream, events, assignment, proof: None, ready, continuation })
    }

    /// Which request is answered, and by whom.
    fn who(&self) -> (RequestId, NodeId) {
        (self.events.request_id(), self.assignment.node().id())
    }

    /// Takes what the node has sent.
    fn pull(&mut self, context: &mut Context<'_>, out: &mut BytesMut) -> Step {
        loop {
            if out.len() >= MERGE_BYTES {
                // More may be there: the next poll looks.
                return Step::Pending;
            }
            match self.upstream.poll_data(context) {
                Poll::Pending => return Step::Pending,
                Poll::Ready(None) => {
                    let attachment = self.upstream.attachment();
                    self.proof = attachment.and_then(|it| proof(self.events.request_id(), it));
                    return Step::Ended;
                }
                Poll::Ready(Some(Err(error))) => {
                    let (request, node) = self.who();
                    tracing::warn!(%request, %node, %error, "stream failed");
                    return Step::Broken;
                }
                Poll::Ready(Some(Ok(data))) => {
                    if let Err(error) = self.events.feed(data, out) {
                        let (request, node) = self.who();
                        tracing::warn!(%request, %node, %error, "stream cannot be forwarded");
                        return Step::Broken;
                    }
                }
            }
        }
    }

    fn complete(self) {
        let Self { events, assignment, proof, .. } = self;
        assignment.complete(&events.finish(), proof);
    }

    /// Asks another node to go on; gives itself back where none can.
    fn resume(mut self: Box<Self>) -> Result<Resuming, Box<Self>> {
        let Some(mut continuation) = self.continuation.take() else { return Err(self) };
        let delivered = self.events.so_far();
        if self.events.is_finished() {
            return Err(self);
        }
        let Some(taken) = continuation.take_up(&delivered, self.events.origin()) else {
            return Err(self);
        };
        let Self { upstream, assignment, proof, .. } = *self;
        drop(upstream);
        let broken = BrokenOff { assignment, delivered, taken, proof };
        Ok(Resuming { broken, resumed: Box::pin(continuation.go_on()) })
    }

    fn interrupt(self, outcome: Outcome) {
        let Self { upstream, events, assignment, proof, .. } = self;
        // First of all, so that the node stops working.
        drop(upstream);
        assignment.interrupt(events.finish(), outcome, proof);
    }
}

impl Relay {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientStalled>>> {
        self.taken = Instant::now();
        self.waiting = None;
        let mut out = BytesMut::new();
        loop {
            match &mut self.state {
                State::Open(open) => {
                    out = std::mem::take(&mut open.ready);
                    match open.pull(context, &mut out) {
                        Step::Pending if out.is_empty() => {
                            self.waiting = Some((self.taken, context.waker().clone()));
                            return Poll::Pending;
                        }
                        Step::Pending => {}
                        Step::Ended => {
                            if open.events.is_done() || open.events.end_without_done(&mut out) {
                                self.close(Open::complete);
                            } else {
                                self.fail(&mut out);
                            }
                        }
                        Step::Broken => self.fail(&mut out),
                    }
                }
                State::Resuming(resuming) => match resuming.resumed.as_mut().poll(context) {
                    Poll::Pending if out.is_empty() => {
                        self.waiting = Some((self.taken, context.waker().clone()));
                        return Poll::Pending;
                    }
                    // What is here goes first; the next poll asks again.
                    Poll::Pending => {}
                    Poll::Ready(resumed) => self.go_on(resumed, &mut out),
                },
                State::LastWords(words) => {
                    out.extend_from_slice(words);
                    self.state = State::Ended;
                }
                State::Aborted => {
                    self.state = State::Ended;
                    return Poll::Ready(Some(Err(ClientStalled)));
                }
                State::Ended if out.is_empty() => return Poll::Ready(None),
                State::Ended => {}
            }
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
            }
        }
    }

    /// Ends the node's part; what follows is [`State::Ended`] unless the caller says otherwise.
    fn close(&mut self, end: impl FnOnce(Open)) {
        if let State::Open(open) = std::mem::replace(&mut self.state, State::Ended) {
            end(*open);
        }
    }

    /// The node broke off: another goes on, or the answer ends with an error.
    fn fail(&mut self, out: &mut BytesMut) {
        let State::Open(mut open) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        // All of the answer is here; what is missing says nothing more of it.
        if open.events.end_without_done(out) {
            return open.complete();
        }
        match open.resume() {
            Ok(resuming) => self.state = State::Resuming(Box::new(resuming)),
            Err(mut open) => {
                open.events.break_off(&ApiError::answer_interrupted(), out);
                open.interrupt(Outcome::Failed);
            }
        }
    }

    /// Another node goes on, or none does.
    fn go_on(&mut self, resumed: Option<Resumed>, out: &mut BytesMut) {
        let State::Resuming(resuming) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        let BrokenOff { assignment, delivered, taken, proof } = resuming.broken;
        match resumed {
            Some(Resumed { begun, assignment: next, continuation }) => {
                assignment.superseded(delivered, proof, taken);
                self.state = State::Open(Open::new(begun, next, Some(continuation)));
            }
            None => {
                assignment.interrupt(delivered, Outcome::Failed, proof);
                out.extend_from_slice(&ApiError::answer_interrupted().to_event());
            }
        }
    }

    /// Checks the time limits, from outside.
    pub(super) fn check(&mut self, now: Instant) {
        let timeouts = self.engine.timeouts;
        let waited = self.waiting.as_ref().map(|(since, _)| now.saturating_duration_since(*since));
        let stalled =
            waited.is_none() && now.saturating_duration_since(self.taken) > timeouts.client_stall;
        let open = match &self.state {
            State::Open(open) => open,
            // Asking another node has time limits of its own; the client's is this one.
            State::Resuming(_) if stalled => return self.abort(),
            _ => return,
        };
        if open.events.is_done() {
            if waited.is_some_and(|waited| waited > PROOF_WAIT) {
                self.close(Open::complete);
                self.wake();
            }
        } else if now >= self.deadline || waited.is_some_and(|waited| waited > timeouts.idle) {
            let (request, node) = open.who();
            tracing::warn!(%request, %node, "stream timed out");
            let mut out = BytesMut::new();
            self.fail(&mut out);
            if !out.is_empty() {
                self.state = State::LastWords(out.freeze());
            }
            self.wake();
        } else if stalled {
            let (request, node) = open.who();
            tracing::info!(%request, %node, "client stopped reading");
            self.abort();
        }
    }

    /// The process cannot wait for the rest any longer: the client is told so.
    pub(super) fn cut(&mut self) {
        let error = ApiError::answer_cut();
        let mut out = BytesMut::new();
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Open(open) if open.events.is_done() => return self.state = State::Open(open),
            State::Open(mut open) => {
                out = std::mem::take(&mut open.ready);
                open.events.break_off(&error, &mut out);
                open.interrupt(Outcome::Cancelled);
            }
            State::Resuming(resuming) => {
                resuming.cancel();
                out.extend_from_slice(&error.to_event());
            }
            other => return self.state = other,
        }
        self.state = State::LastWords(out.freeze());
        self.wake();
    }

    /// The client has left, or counts as gone.
    fn abort(&mut self) {
        match std::mem::replace(&mut self.state, State::Aborted) {
            State::Open(open) => open.interrupt(Outcome::Cancelled),
            State::Resuming(resuming) => resuming.cancel(),
            _ => {}
        }
    }

    fn wake(&mut self) {
        if let Some((_, waker)) = self.waiting.take() {
            waker.wake();
        }
    }
}

impl Resuming {
    fn cancel(self) {
        let Self { broken: BrokenOff { assignment, delivered, proof, .. }, resumed } = self;
        // First of all, so that no other node begins.
        drop(resumed);
        assignment.interrupt(delivered, Outcome::Cancelled, proof);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let open = match std::mem::replace(&mut self.state, State::Ended) {
            State::Open(open) => open,
            State::Resuming(resuming) => return resuming.cancel(),
            _ => return,
        };
        if !open.events.is_done() {
            return open.interrupt(Outcome::Cancelled);
        }
        // The client has the whole answer and left without waiting for the end of the response; the
        // node's proof is still to come. Outside a runtime nothing can be waited for.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.engine.tracker.spawn(await_proof(open));
        } else {
            open.complete();
        }
    }
}

async fn await_proof(mut open: Box<Open>) {
    let end = async {
        while let Some(Ok(_)) = open.upstream.data().await {}
        open.upstream.attachment().and_then(|it| proof(open.events.request_id(), it))
    };
    open.proof = tokio::time::timeout(PROOF_WAIT, end).await.ok().flatten();
    open.complete();
}

/// The node's proof at the end of its answer.
pub(super) fn proof(request: RequestId, attachment: &Bytes) -> Option<ProofOfInference> {
    if attachment.is_empty() {
        return None;
    }
    let proof = ProofOfInference::try_from_slice(attachment).ok();
    if proof.is_none() {
        tracing::warn!(%request, "a node's proof cannot be read");
    }
    proof
}
