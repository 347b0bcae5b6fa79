//! What a coordinator may ask for on its tunnel: to prove itself, and after that everything else.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use borsh::BorshDeserialize as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use pinaivu_attestation::{Attested, Expected, MAX_EVIDENCE_BYTES, TUNNEL_ATTESTATION_PATH};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{
    CONTROL_PATH, EVENTS_PATH, GOODBYE_PATH, Goodbye, HELLO_PATH, Hello, HelloReply, NodeMessage,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attestation::{self, AttestationFault, AttestationRule};
use super::control;
use super::dial::SessionKeys;
use crate::chain::CoordinatorFacts;
use crate::clock::Clock;
use crate::counterparty::Counterparty;
use crate::identity::Identity;
use crate::journal::Journal;
use crate::serving::{AnswerBody, Caller, Server};

/// Longest hello or goodbye.
const MAX_GREETING: usize = 4096;
/// A clock that is off by more makes tickets look expired.
const MAX_SKEW_MILLIS: u64 = 2_000;

/// One session, seen from inside.
pub(super) struct Door {
    pub(super) identity: Arc<Identity>,
    pub(super) counterparty: Arc<Counterparty>,
    pub(super) server: Arc<Server>,
    pub(super) journal: Journal,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: SessionKeys,
    /// The coordinator's key on chain.
    pub(super) signer: PublicKey,
    /// What else the chain says of it.
    pub(super) facts: CoordinatorFacts,
    /// What it must prove about its code.
    pub(super) attestation: AttestationRule,
    /// What it has proved about its code on this session.
    pub(super) attested: Mutex<Result<Attested, AttestationFault>>,
    /// Cancelled, for good, by a valid hello.
    pub(super) proven: CancellationToken,
    pub(super) goodbye: Mutex<Option<Goodbye>>,
    /// Where clients reach this node, if they do.
    pub(super) public: Option<Arc<str>>,
}

/// Why a hello does not prove anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HelloFault {
    #[error("not a signed hello")]
    Encoding,
    #[error("the hello is for another deployment or coordinator")]
    Party,
    #[error("the hello is bound to another TLS session; somebody stands between the two ends")]
    Binding,
    #[error("the hello is not signed by the coordinator's key on chain, {0}")]
    Signature(PublicKey),
    #[error("this node serves attested coordinators only: {0}")]
    Unattested(String),
}

impl Door {
    pub(super) async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Response<TunnelBody> {
        let path = request.uri().path();
        if (request.method(), path) == (&Method::POST, HELLO_PATH) {
            return self.hello(request.into_body()).await;
        }
        if (request.method(), path) == (&Method::POST, TUNNEL_ATTESTATION_PATH) {
            return self.evidence(request.into_body()).await;
        }
        if !self.proven.is_cancelled() {
            tracing::warn!(coordinator = %self.counterparty.id(), "request before a valid hello");
            return status(StatusCode::FORBIDDEN);
        }
        match (request.method(), path) {
            (&Method::GET, EVENTS_PATH) => self.events(),
            (&Method::POST, CONTROL_PATH) => self.control(request.into_body()).await,
            (&Method::POST, GOODBYE_PATH) => self.goodbye(request.into_body()).await,
            _ => {
                let caller = Caller {
                    counterparty: &self.counterparty,
                    tickets: &self.keys.mac,
                    direct: false,
                };
                self.server.serve(&caller, request).await.map(TunnelBody::Answer)
            }
        }
    }

    async fn hello(&self, body: Incoming) -> Response<TunnelBody> {
        let Some(body) = greeting(body).await else { return status(StatusCode::BAD_REQUEST) };
        match self.check_hello(&body) {
            Ok(hello) => {
                self.warn_of_skew(&hello);
                if !self.proven.is_cancelled() {
                    tracing::info!(coordinator = %self.counterparty.id(), "tunnel open");
                }
                self.counterparty.proved(self.signer);
                self.proven.cancel();
                let reply = HelloReply {
                    node: self.identity.node,
                    software: Identity::SOFTWARE.to_owned(),
                };
                text(StatusCode::OK, borsh::to_vec(&reply).unwrap_or_default())
            }
            Err(fault) => {
                tracing::error!(coordinator = %self.counterparty.id(), %fault, "not the coordinator");
                text(StatusCode::FORBIDDEN, fault.to_string().into_bytes())
            }
        }
    }

    /// Evidence about the code at the other end of this session.
    async fn evidence(&self, body: Incoming) -> Response<TunnelBody> {
        let Ok(body) = Limited::new(body, MAX_EVIDENCE_BYTES).collect().await else {
            return status(StatusCode::BAD_REQUEST);
        };
        let expected = Expected {
            deployment: self.identity.deployment,
            coordinator: self.counterparty.id(),
            signer: self.signer,
            tls_key: Some(self.keys.tls_key),
            configuration: None,
            nonce: Some(attestation::nonce(self.keys.binding)),
        };
        let now = self.clock.now();
        let (facts, rule) = (&self.facts, &self.attestation);
        let found = attestation::check(&body.to_bytes(), &expected, facts, rule, now);
        let coordinator = self.counterparty.id();
        let answer = match &found {
            Ok(attested) => {
                tracing::info!(
                    %coordinator, by = %attested.kind, measurement = %attested.measurement,
                    "the coordinator's code is attested"
                );
                status(StatusCode::OK)
            }
            Err(fault) => {
                tracing::warn!(%coordinator, %fault, "the coordinator is unattested");
                text(StatusCode::FORBIDDEN, fault.to_string().into_bytes())
            }
        };
        *self.attested.lock() = found;
        answer
    }

    fn check_hello(&self, bytes: &[u8]) -> Result<Hello, HelloFault> {
        let signed = Signed::<Hello>::decode(bytes).map_err(|_| HelloFault::Encoding)?;
        let hello = signed.verify(&self.signer).map_err(|_| HelloFault::Signature(self.signer))?;
        let parties = (hello.deployment, hello.coordinator);
        if parties != (self.identity.deployment, self.counterparty.id()) {
            return Err(HelloFault::Party);
        }
        if hello.binding != self.keys.binding {
            return Err(HelloFault::Binding);
        }
        if self.attestation.requires(&self.facts)
            && let Err(fault) = &*self.attested.lock()
        {
            return Err(HelloFault::Unattested(fault.to_string()));
        }
        Ok(signed.record)
    }

    fn warn_of_skew(&self, hello: &Hello) {
        let skew = self.clock.now().0.abs_diff(hello.now.0);
        if skew > MAX_SKEW_MILLIS {
            tracing::warn!(
                coordinator = %self.counterparty.id(), skew_millis = skew,
                "this clock and the coordinator's differ: tickets may look expired; set the clock (NTP)"
            );
        }
    }

    fn events(&self) -> Response<TunnelBody> {
        let (session, messages) = self.counterparty.open_session();
        if let Some(address) = &self.public
            && let Err(error) = session.try_send(&NodeMessage::Door(address.to_string()))
        {
            tracing::warn!(%error, "the coordinator was not told of the public address");
        }
        Response::new(TunnelBody::Events(Events {
            messages,
            number: session.number(),
            counterparty: Arc::clone(&self.counterparty),
        }))
    }

    async fn control(&self, body: Incoming) -> Response<TunnelBody> {
        match control::receive(self, body).await {
            Ok(()) => status(StatusCode::OK),
            Err(error) => {
                tracing::warn!(
                    coordinator = %self.counterparty.id(),
                    error = crate::report::error_chain(&error), "control messages not taken"
                );
                status(error.status())
            }
        }
    }

    async fn goodbye(&self, body: Incoming) -> Response<TunnelBody> {
        let Some(body) = greeting(body).await else { return status(StatusCode::BAD_REQUEST) };
        match Goodbye::try_from_slice(&body) {
            Ok(goodbye) => {
                *self.goodbye.lock() = Some(goodbye);
                status(StatusCode::OK)
            }
            Err(_) => status(StatusCode::BAD_REQUEST),
        }
    }
}

async fn greeting(body: Incoming) -> Option<Bytes> {
    let collected = Limited::new(body, MAX_GREETING).collect().await.ok()?;
    Some(collected.to_bytes())
}

fn status(status: StatusCode) -> Response<TunnelBody> {
    text(status, Vec::new())
}

fn text(status: StatusCode, text: Vec<u8>) -> Response<TunnelBody> {
    let mut response = Response::new(TunnelBody::Text(Some(text.into())));
    *response.status_mut() = status;
    response
}

/// Any body sent on a tunnel.
pub(super) enum TunnelBody {
    Text(Option<Bytes>),
    Events(Events),
    Answer(AnswerBody),
}

/// The stream of messages; its end is the session's.
pub(super) struct Events {
    messages: mpsc::Receiver<Bytes>,
    number: u64,
    counterparty: Arc<Counterparty>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.counterparty.close_session(self.number);
    }
}

impl Body for TunnelBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Text(text) => {
                let text = text.take().filter(|text| !text.is_empty());
                Poll::Ready(text.map(|text| Ok(Frame::data(text))))
            }
            Self::Events(events) => {
                events.messages.poll_recv(context).map(|frame| frame.map(Frame::data).map(Ok))
            }
            Self::Answer(answer) => Pin::new(answer).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(text) if text.as_ref().is_none_or(Bytes::is_empty))
    }
}
