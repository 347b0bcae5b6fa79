//! The second door: a public address where clients ask this node themselves, because a coordinator sent
//! them with a ticket.
//!
//! The ticket stands in the URL, signed by the coordinator, and counts once. What a client gets is the
//! answer alone: the proof goes to the coordinator, in full and at once, for it has not seen the answer.
//! Nothing of the request but method, path, ticket and body is looked at; a client's key does not come
//! here, and would not be read.

mod answer;
mod tls;

pub use tls::PublicTlsError;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use pinaivu_openai::{ApiError, ChatRequest, Endpoint};
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::signed::Signed;
use pinaivu_protocol::ticket::{TICKET_PARAMETER, Ticket};
use pinaivu_protocol::tunnel::{SealError, TicketRefusal};
use pinaivu_tunnel::RequestBody;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::answer::PublicBody;
use crate::config::PublicConfig;
use crate::counterparty::Counterparty;
use crate::serving::{Asked, Caller, Rejection, Served, Server, TicketReader};

/// What a client may take to shake hands, to send the head of a request, and then its body.
const PATIENCE: Duration = Duration::from_secs(30);
/// After `accept` failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections at once; further ones are closed.
const MAX_CONNECTIONS: usize = 1024;

/// Names the request, as on the coordinator's answers.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Opens the receipt's commitments, as on the coordinator's answers.
const SALT_HEADER: HeaderName = HeaderName::from_static("x-pinaivu-salt");

/// Why there is no public door.
#[derive(Debug, thiserror::Error)]
pub enum PublicError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (public.listen)")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// There is no TLS.
    #[error("public.tls_cert_file")]
    Tls(#[from] PublicTlsError),
}

/// The listener of redirected clients.
pub struct PublicDoor {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    address: String,
}

/// Who serves what comes through it.
pub struct PublicServing {
    /// Answers requests.
    pub server: Arc<Server>,
    /// Whose tickets count.
    pub counterparties: Vec<Arc<Counterparty>>,
    /// Longest request body in bytes.
    pub max_request_bytes: usize,
}

impl PublicDoor {
    /// Takes the address.
    ///
    /// # Errors
    /// [`PublicError`].
    pub async fn open(config: &PublicConfig) -> Result<Self, PublicError> {
        let fail = |source| PublicError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(fail)?;
        let local = listener.local_addr().map_err(fail)?;
        let tls = match (&config.tls_cert_file, &config.tls_key_file) {
            (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
            _ => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let address = config.url.clone().unwrap_or_else(|| format!("{scheme}://{local}"));
        Ok(Self { listener, tls, address })
    }

    /// What coordinators send clients to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves until `stop`, and then what is running.
    pub async fn run(self, serving: PublicServing, stop: CancellationToken) {
        let serving = Arc::new(serving);
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok(_) if connections.len() >= MAX_CONNECTIONS => {}
                Ok((stream, _)) => {
                    let (serving, tls) = (Arc::clone(&serving), self.tls.clone());
                    connections.spawn(connect(stream, tls, serving, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        connections.wait().await;
    }
}

async fn connect(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    serving: Arc<PublicServing>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let Some(tls) = tls else { return serve(stream, serving, stop).await };
    match tokio::time::timeout(PATIENCE, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, serving, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client's TLS handshake failed"),
        Err(_) => tracing::debug!("a client's TLS handshake took too long"),
    }
}

async fn serve<S>(stream: S, serving: Arc<PublicServing>, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PATIENCE);
    let service = service_fn(move |request| {
        let serving = Arc::clone(&serving);
        async move { Ok::<_, Infallible>(serving.handle(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection failed");
    }
}

/// A coordinator's signature on a ticket.
struct SignedTickets(PublicKey);

impl TicketReader for SignedTickets {
    fn read(&self, ticket: &[u8]) -> Result<Ticket, SealError> {
        let signed = decode(ticket).ok_or(SealError::Malformed)?;
        signed.verify(&self.0).map_err(|_| SealError::Forged)?;
        Ok(signed.record)
    }
}

fn decode(text: &[u8]) -> Option<Signed<Ticket>> {
    Signed::<Ticket>::decode(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

impl PublicServing {
    async fn handle(&self, request: Request<Incoming>) -> Response<PublicBody> {
        match self.answer(request).await {
            Ok(answer) => answer,
            Err(rejection) => rejection.into_response().map(PublicBody::plain),
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<PublicBody>, Rejection> {
        let (head, body) = request.into_parts();
        let (method, path) = (head.method, head.uri.path());
        let endpoint = Endpoint::at(path).filter(|_| method == Method::POST);
        let endpoint = endpoint.ok_or_else(|| ApiError::not_found(method.as_str(), path))?;
        let prefix = format!("{TICKET_PARAMETER}=");
        let text = head.uri.query().into_iter().flat_map(|query| query.split('&'));
        let text = text.filter_map(|pair| pair.strip_prefix(&prefix)).next();
        let text = text.ok_or(TicketRefusal::Malformed)?;
        // Not believed before `SignedTickets` has read it.
        let claimed = decode(text.as_bytes()).ok_or(TicketRefusal::Malformed)?.record;
        let mut ours = self.counterparties.iter();
        let counterparty = ours.find(|known| known.id() == claimed.coordinator);
        let counterparty = counterparty.ok_or(TicketRefusal::WrongParty)?;
        // Its key is known from the chain since it has proved itself on a tunnel.
        let signer = counterparty.signer().ok_or(TicketRefusal::Unavailable)?;
        let read = Limited::new(body, self.max_request_bytes).collect();
        let body = match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(ApiError::body_too_large(self.max_request_bytes).into()),
            Err(_) => return Err(ApiError::request_timeout().into()),
        };
        let asked = ChatRequest::parse_for(endpoint, &body)?;
        let tickets = SignedTickets(signer);
        let caller = Caller { counterparty, tickets: &tickets, direct: true };
        let (path, ticket, body) = (endpoint.path(), text.as_bytes(), RequestBody::of(body));
        let served = self.server.serve(&caller, Asked { path, ticket, body }).await;
        let mut response = match served {
            Ok(Served { kind, body }) => {
                let mut response = Response::new(body);
                response.headers_mut().insert(CONTENT_TYPE, kind);
                response
            }
            Err(rejection) => rejection.into_response(),
        }
        .map(|answer| PublicBody::new(answer, asked, &claimed));
        let headers = response.headers_mut();
        let named = HeaderValue::try_from(claimed.request.to_string());
        let salt = HeaderValue::try_from(hex::encode(claimed.salt));
        if let (Ok(named), Ok(salt)) = (named, salt) {
            headers.insert(REQUEST_ID_HEADER, named);
            headers.insert(SALT_HEADER, salt);
        }
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }
}
