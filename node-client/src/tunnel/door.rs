//! What a coordinator may ask for on its tunnel: to prove itself, and after that everything else.

use std::sync::Arc;
use std::task::{Context, Poll};

use borsh::BorshDeserialize as _;
use bytes::Bytes;
use http::StatusCode;
use parking_lot::Mutex;
use pinaivu_attestation::{Attested, Expected, MAX_EVIDENCE_BYTES, TUNNEL_ATTESTATION_PATH};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::tunnel::{
    CONTROL_PATH, EVENTS_PATH, GOODBYE_PATH, Goodbye, HELLO_PATH, Hello, HelloReply,
    MAX_CONTROL_BYTES, NodeMessage, TicketRefusal,
};
use pinaivu_tunnel::{Answer, Piece, Reply, Request, RequestBody};
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
use crate::serving::{AnswerBody, Asked, Caller, Server};

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
    pub(super) async fn handle(self: Arc<Self>, request: Request) -> Reply<TunnelBody> {
        let Request { path, attachment, body } = request;
        match path.as_str() {
            HELLO_PATH => return self.hello(body).await,
            TUNNEL_ATTESTATION_PATH => return self.evidence(body).await,
            _ => {}
        }
        if !self.proven.is_cancelled() {
            tracing::warn!(coordinator = %self.counterparty.id(), "request before a valid hello");
            return status(StatusCode::FORBIDDEN);
        }
        match path.as_str() {
            EVENTS_PATH => self.events(),
            CONTROL_PATH => self.control(body).await,
            GOODBYE_PATH => self.goodbye(body).await,
            path => {
                let caller = Caller {
                    counterparty: &self.counterparty,
                    tickets: &self.keys.mac,
                    direct: false,
                };
                let asked = Asked { path, ticket: &attachment, body };
                let (status, refusal, answer) = match self.server.serve(&caller, asked).await {
                    Ok(served) => (200, None, served.body),
                    Err(rejection) => rejection.into_parts(),
                };
                let note = refusal.map_or("", TicketRefusal::code);
                let note = Bytes::from_static(note.as_bytes());
                Reply { status, note, answer: TunnelBody::Answer(answer) }
            }
        }
    }

    async fn hello(&self, body: RequestBody) -> Reply<TunnelBody> {
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
    async fn evidence(&self, body: RequestBody) -> Reply<TunnelBody> {
        let Ok(body) = body.collect(MAX_EVIDENCE_BYTES).await else {
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
        let found = attestation::check(&body, &expected, facts, rule, now);
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

    fn events(&self) -> Reply<TunnelBody> {
        let (session, messages) = self.counterparty.open_session();
        if let Some(address) = &self.public
            && let Err(error) = session.try_send(&NodeMessage::Door(address.to_string()))
        {
            tracing::warn!(%error, "the coordinator was not told of the public address");
        }
        let events = Events {
            messages,
            number: session.number(),
            counterparty: Arc::clone(&self.counterparty),
        };
        Reply { status: 200, note: Bytes::new(), answer: TunnelBody::Events(events) }
    }

    async fn control(&self, body: RequestBody) -> Reply<TunnelBody> {
        let received = match body.collect(MAX_CONTROL_BYTES).await {
            Ok(body) => control::receive(self, &body).await,
            Err(error) => Err(error.into()),
        };
        match received {
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

    async fn goodbye(&self, body: RequestBody) -> Reply<TunnelBody> {
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

async fn greeting(body: RequestBody) -> Option<Bytes> {
    body.collect(MAX_GREETING).await.ok()
}

fn status(status: StatusCode) -> Reply<TunnelBody> {
    text(status, Vec::new())
}

fn text(status: StatusCode, text: Vec<u8>) -> Reply<TunnelBody> {
    let answer = TunnelBody::Text(Some(text.into()));
    Reply { status: status.as_u16(), note: Bytes::new(), answer }
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

impl Answer for TunnelBody {
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Piece> {
        let end = || Piece::End(Bytes::new());
        match self {
            Self::Text(text) => Poll::Ready(text.take().map_or_else(end, Piece::Data)),
            Self::Events(events) => {
                events.messages.poll_recv(context).map(|frame| frame.map_or_else(end, Piece::Data))
            }
            Self::Answer(answer) => answer.poll_piece(context),
        }
    }
}
