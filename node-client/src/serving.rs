//! The OpenAI router behind dispatch tickets.
//!
//! A request is served only with a ticket that is authentic, for this node, in time, taken for the
//! first time, priced at least as asked, and whose commitment is the body's. Everything else is refused
//! with 403 and a code, or answered with an OpenAI-shaped error. From the moment the backend is asked
//! for an answer, exactly one proof comes of it, whatever happens.
//!
//! Independent of the door a request came through: a door brings a [`Caller`]. Nothing here knows of
//! TLS, and nothing here waits for the disk unless the journal is far behind.

mod answer;
mod dispatch;
mod meter;
mod refusal;
pub(crate) mod replay;
mod request;

pub use answer::AnswerBody;
pub use refusal::Rejection;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use pinaivu_openai::{ApiError, Endpoint, ErrorCode, UpstreamError};
use pinaivu_protocol::answer::Answer;
use pinaivu_protocol::commitment::{Salt, request_commitment_raw};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::ticket::Ticket;
use pinaivu_protocol::tunnel::{SealError, TicketRefusal, TunnelMac};
use pinaivu_protocol::units::{Amount, UnixMillis};
use pinaivu_tunnel::{RequestBody, RequestBodyError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;

use crate::backend::{Backend, BackendBody, BackendInfo, TransportError};
use crate::clock::Clock;
use crate::config::{BackendKind, JournalConfig, ServingConfig};
use crate::counterparty::Counterparty;
use crate::identity::Identity;
use crate::offer::{Offer, Offers};
use crate::report::error_chain;
use answer::{StreamedAnswer, UnaryAnswer};
use dispatch::Dispatch;
use replay::Taken;

/// Longest time from now to a ticket's deadline.
pub const MAX_TICKET_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// Bodies longer than this are read beside the thread that serves.
const LARGE_BODY: usize = 128 * 1024;

/// How long a request waits for a journal that is far behind before it is refused.
const JOURNAL_WAIT: Duration = Duration::from_secs(5);

/// Longest error of a backend that is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// Authenticates tickets; each door has its own way.
pub trait TicketReader: Send + Sync {
    /// Reads a ticket as it came.
    ///
    /// # Errors
    /// [`SealError`].
    fn read(&self, ticket: &[u8]) -> Result<Ticket, SealError>;
}

impl TicketReader for TunnelMac {
    fn read(&self, ticket: &[u8]) -> Result<Ticket, SealError> {
        self.open(ticket)
    }
}

/// Who sent a request, as the door established.
pub struct Caller<'a> {
    /// Whose tickets count.
    pub counterparty: &'a Arc<Counterparty>,
    /// How they are read.
    pub tickets: &'a dyn TicketReader,
    /// Whether the answer goes to the client itself: then the coordinator gets it with the proof.
    pub direct: bool,
}

/// A request, as a door got it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Where.
    pub path: &'a str,
    /// The ticket as it came, for the [`TicketReader`].
    pub ticket: &'a [u8],
    /// The client's body.
    pub body: RequestBody,
}

/// An answer that has begun.
pub struct Served {
    /// Its type, as the backend says.
    pub kind: HeaderValue,
    /// Its body.
    pub body: AnswerBody,
}

/// Limits on what is taken on.
#[derive(Clone, Debug)]
struct Limits {
    request_bytes: usize,
    answer_bytes: usize,
    unpaid: Amount,
    within_guarantee: bool,
    journal_bytes: u64,
}

/// The router.
pub struct Server {
    identity: Arc<Identity>,
    backend: Arc<Backend>,
    offers: watch::Receiver<Arc<Offers>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    places: Arc<Semaphore>,
    most_places: usize,
    stopping: AtomicBool,
    /// Work that goes on after an answer was dropped.
    afterwork: TaskTracker,
    runtime: tokio::runtime::Handle,
}

impl Server {
    /// A router that serves `offers` from `backend`. Call within a runtime.
    #[must_use]
    pub fn new(
        identity: Arc<Identity>,
        backend: Arc<Backend>,
        offers: watch::Receiver<Arc<Offers>>,
        clock: Arc<dyn Clock>,
        serving: &ServingConfig,
        journal: &JournalConfig,
    ) -> Self {
        let most_places = serving.max_concurrent.min(Semaphore::MAX_PERMITS);
        Self {
            identity,
            backend,
            offers,
            clock,
            limits: Limits {
                request_bytes: serving.max_request_bytes,
                answer_bytes: serving.max_answer_bytes,
                unpaid: serving.max_unpaid_usdc,
                within_guarantee: serving.within_guarantee,
                journal_bytes: journal.max_bytes,
            },
            places: Arc::new(Semaphore::new(most_places)),
            most_places,
            stopping: AtomicBool::new(false),
            afterwork: TaskTracker::new(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Refuses new requests from now on, and waits up to `grace` until those that run have ended and
    /// their proofs are handed over.
    pub async fn stop(&self, grace: Duration) {
        self.stopping.store(true, Ordering::Relaxed);
        let all = u32::try_from(self.most_places).unwrap_or(u32::MAX);
        let idle = self.places.acquire_many(all);
        if tokio::time::timeout(grace, idle).await.is_err() {
            let running = self.most_places.saturating_sub(self.places.available_permits());
            tracing::warn!(running, "answers are cut off: their time to finish is over");
        }
    }

    /// Waits until work that outlived its answer is handed over.
    pub async fn finish_afterwork(&self) {
        self.afterwork.close();
        self.afterwork.wait().await;
    }

    /// Serves one request.
    ///
    /// # Errors
    /// [`Rejection`]; then there is nothing to prove.
    pub async fn serve(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        asked: Asked<'_>,
    ) -> Result<Served, Rejection> {
        let Some(endpoint) = Endpoint::at(asked.path) else {
            return Err(ApiError::new(ErrorCode::NotFound, "There is nothing at this path.").into());
        };
        let coordinator = caller.counterparty.name();
        if !caller.counterparty.keeps_up() && caller.tickets.read(asked.ticket).is_ok() {
            caller.counterparty.wait_until_it_keeps_up(JOURNAL_WAIT).await;
        }
        let admitted = self.admit(caller, asked.ticket).inspect_err(|refusal| {
            tracing::warn!(coordinator, code = refusal.code(), "ticket refused");
        })?;
        self.answer(caller, endpoint, admitted, asked.body).await
    }

    /// Everything that can be checked before the body is read. Takes the ticket.
    fn admit(&self, caller: &Caller<'_>, ticket: &[u8]) -> Result<Admitted, TicketRefusal> {
        let ticket = caller.tickets.read(ticket).map_err(|error| match error {
            SealError::Malformed => TicketRefusal::Malformed,
            SealError::Forged => TicketRefusal::Forged,
        })?;
        let parties = (ticket.deployment, ticket.node, ticket.coordinator);
        if parties != (self.identity.deployment, self.identity.node, caller.counterparty.id()) {
            return Err(TicketRefusal::WrongParty);
        }
        let now = self.clock.now();
        if now > ticket.deadline {
            return Err(TicketRefusal::Expired);
        }
        if ticket.deadline > now.saturating_add(UnixMillis(MAX_TICKET_MILLIS)) {
            return Err(TicketRefusal::Malformed);
        }
        self.check_capacity(caller.counterparty)?;
        let place =
            Arc::clone(&self.places).try_acquire_owned().map_err(|_| TicketRefusal::Unavailable)?;
        let offers = Arc::clone(&self.offers.borrow());
        let backend = offers.backend.clone().ok_or(TicketRefusal::Unavailable)?;
        let offer = offers.models.get(&ticket.model).ok_or(TicketRefusal::UnknownModel)?;
        if ticket.tariff.price < offer.price
            || !caller.counterparty.weighs_enough(&ticket.model, ticket.tariff)
        {
            return Err(TicketRefusal::Underpriced);
        }
        let hash = ticket.hash();
        match caller.counterparty.take_ticket(&hash, ticket.issued, now) {
            Ok(()) => {}
            Err(Taken::Before) => return Err(TicketRefusal::Replayed),
            Err(Taken::Late) => return Err(TicketRefusal::Expired),
            Err(Taken::Ahead) => return Err(TicketRefusal::Malformed),
            Err(Taken::Full) => return Err(TicketRefusal::Unavailable),
        }
        Ok(Admitted { ticket, hash, place, offer: Arc::clone(offer), backend })
    }

    /// Whether more work for this coordinator is taken on.
    fn check_capacity(&self, counterparty: &Counterparty) -> Result<(), TicketRefusal> {
        let exposure = counterparty.exposure();
        let unpaid = exposure.unpaid();
        let limited = if self.stopping.load(Ordering::Relaxed) {
            "the node is stopping"
        } else if !counterparty.keeps_up() {
            "the proof journal does not keep up"
        } else if exposure.journaled_bytes >= self.limits.journal_bytes {
            "the proof journal is full (journal.max_bytes)"
        } else if unpaid > self.limits.unpaid.to_fine() {
            "too much work is not credited yet (serving.max_unpaid_usdc)"
        } else if self.limits.within_guarantee && unpaid >= exposure.guaranteed.to_fine() {
            "the coordinator's bond guarantees no more work (serving.within_guarantee)"
        } else {
            return Ok(());
        };
        let unpaid = unpaid.to_amount_ceil().unwrap_or(Amount::MAX).to_usdc_string();
        tracing::warn!(coordinator = %counterparty.id(), unpaid, "request not taken: {limited}");
        Err(TicketRefusal::Unavailable)
    }

    async fn answer(
        self: &Arc<Self>,
        caller: &Caller<'_>,
        endpoint: Endpoint,
        admitted: Admitted,
        body: RequestBody,
    ) -> Result<Served, Rejection> {
        let Admitted { ticket, hash, place, offer, backend } = admitted;
        let body = body.collect(self.limits.request_bytes).await.map_err(|error| match error {
            RequestBodyError::TooLong => {
                ApiError::new(ErrorCode::BodyTooLarge, "The request body is too long.")
            }
            // The sender broke off; nobody reads this.
            RequestBodyError::Broken => ApiError::invalid_json("it broke off."),
        })?;
        let prepared = if body.len() <= LARGE_BODY {
            prepare(endpoint, &body, &ticket, &offer.backend_name, backend.kind)?
        } else {
            let (ticket, offer, kind) = (ticket.clone(), Arc::clone(&offer), backend.kind);
            let reading = tokio::task::spawn_blocking(move || {
                prepare(endpoint, &body, &ticket, &offer.backend_name, kind)
            });
            reading.await.unwrap_or_else(|_| Err(TicketRefusal::Unavailable.into()))?
        };
        let dispatch = Dispatch::new(
            Arc::clone(self),
            Arc::clone(caller.counterparty),
            ticket,
            hash,
            dispatch::Ran {
                model: offer.backend_name.clone(),
                backend: backend.label.clone(),
                request: prepared.body.clone(),
            },
            place,
            caller.direct,
        );
        let request = dispatch.request();
        let answer = match self.backend.ask_model(endpoint, prepared.body).await {
            Ok(answer) => answer,
            Err(error) => {
                // No answer was begun: another node may try, and there is nothing to prove.
                dispatch.abandon();
                return Err(self.backend_failed(request, &error));
            }
        };
        if !answer.status().is_success() {
            dispatch.abandon();
            return Err(self.backend_refused(request, answer).await);
        }
        if prepared.stream {
            Ok(self.stream(dispatch, answer))
        } else {
            self.unary(dispatch, answer).await
        }
    }

    fn stream(&self, dispatch: Dispatch, answer: Response<BackendBody>) -> Served {
        let (head, body) = answer.into_parts();
        let silence = self.backend.silence();
        let body = StreamedAnswer::new(body, dispatch, silence, self.limits.answer_bytes);
        let kind = kind(&head.headers, "text/event-stream");
        Served { kind, body: AnswerBody::Streamed(Box::new(body)) }
    }

    /// A unary answer is read whole before its first byte is sent, so that a backend that breaks off
    /// costs the client nothing: another node answers.
    async fn unary(
        &self,
        dispatch: Dispatch,
        answer: Response<BackendBody>,
    ) -> Result<Served, Rejection> {
        let (head, body) = answer.into_parts();
        let read = body.collect_up_to(self.limits.answer_bytes);
        let read = match tokio::time::timeout(self.backend.silence(), read).await {
            Ok(read) => read,
            Err(_) => Err(TransportError::Timeout),
        };
        let json = match read {
            Ok(json) => json,
            Err(error) => {
                let request = dispatch.request();
                dispatch.abandon();
                return Err(self.backend_failed(request, &error));
            }
        };
        let canonical = match Answer::from_server(&json) {
            Ok(canonical) => canonical,
            Err(error) => {
                tracing::warn!(
                    request = %dispatch.request(),
                    error = error_chain(&error),
                    "the backend's answer is no completion"
                );
                dispatch.abandon();
                return Err(upstream_failed());
            }
        };
        let concluded = dispatch.conclude(Outcome::Completed, &canonical, 0);
        let kind = kind(&head.headers, "application/json");
        Ok(Served { kind, body: AnswerBody::Unary(Box::new(UnaryAnswer::new(json, concluded))) })
    }

    fn backend_failed(&self, request: RequestId, error: &TransportError) -> Rejection {
        self.backend.suspect();
        tracing::warn!(%request, error = error_chain(error), "the backend gave no answer");
        if matches!(error, TransportError::Timeout) {
            return ApiError::new(ErrorCode::UpstreamTimeout, "The node's server took too long.")
                .into();
        }
        upstream_failed()
    }

    /// What is the client's fault goes back to the client; the rest is this node's failure.
    async fn backend_refused(
        &self,
        request: RequestId,
        answer: Response<BackendBody>,
    ) -> Rejection {
        let (head, body) = answer.into_parts();
        let text = body.collect_up_to(MAX_ERROR_BYTES).await.unwrap_or_default();
        match UpstreamError::read(head.status.as_u16(), &text) {
            UpstreamError::Request(error) => {
                let (status, code) = (head.status, &error.code);
                tracing::info!(%request, %status, %code, "backend refused the request");
                error.into()
            }
            UpstreamError::Server { message } => {
                self.backend.suspect();
                tracing::warn!(%request, status = %head.status, message, "backend failed");
                upstream_failed()
            }
        }
    }
}

/// A request whose ticket was taken.
struct Admitted {
    ticket: Ticket,
    hash: Hash32,
    place: OwnedSemaphorePermit,
    offer: Arc<Offer>,
    backend: Arc<BackendInfo>,
}

fn upstream_failed() -> Rejection {
    ApiError::new(ErrorCode::UpstreamFailed, "The node's server did not answer.").into()
}

/// Checks that the body is the one the ticket commits to, and makes the server's request of it.
fn prepare(
    endpoint: Endpoint,
    body: &Bytes,
    ticket: &Ticket,
    backend_name: &str,
    kind: BackendKind,
) -> Result<request::Prepared, Rejection> {
    let committed = request_commitment_raw(&Salt(ticket.salt), body).ok();
    if committed != Some(ticket.request_commitment) {
        tracing::warn!(request = %ticket.request, "the body is not the one the ticket commits to");
        return Err(TicketRefusal::WrongBody.into());
    }
    request::prepare(endpoint, body, ticket, backend_name, kind)
}

/// What the backend says its answer is.
fn kind(headers: &HeaderMap, otherwise: &'static str) -> HeaderValue {
    let said = headers.get(CONTENT_TYPE).cloned();
    said.unwrap_or(HeaderValue::from_static(otherwise))
}
