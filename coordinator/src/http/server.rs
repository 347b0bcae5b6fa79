//! The listener: HTTP/1.1 and HTTP/2, with TLS where it is configured, the hot route straight to its
//! handler, everything else through the router and within the limit of its address.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use http::header::{CACHE_CONTROL, HeaderValue, ORIGIN};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use pinaivu_openai::ApiError;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::ask::{self, Route};
use super::body::ResponseBody;
use super::cors::{self, Sharing};
use super::error::{self, REQUEST_ID_HEADER, request_id};
use super::progress::Progress;
use super::tls::{self, TlsError};
use super::{App, routes};
use crate::tasks::Tasks;

/// Streams of one HTTP/2 client.
const MAX_STREAMS: u32 = 256;

/// How often idle HTTP/2 clients are pinged.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// For streams that are cut to tell their clients so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// After `accept` failed, for example because no file descriptor was left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// What the system said.
    #[source]
    pub source: std::io::Error,
}

/// A listener that is not served yet.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Acceptor>,
}

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Listener {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let fail = |source| ListenError { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, tls: None })
    }

    /// The same with TLS, by PEM files of a certificate chain and its key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn with_tls(self, certificates: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self { tls: Some(Acceptor(tls::acceptor(certificates, key)?)), ..self })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts serving. When the task is told to end it accepts nothing more, lets running answers end for
    /// up to `drain`, and cuts the rest.
    pub fn serve(self, app: App, drain: Duration, tasks: &Tasks) {
        tasks.spawn("http listener", |stop| accept(self, app, drain, stop));
    }
}

#[derive(Clone)]
struct Gateway {
    app: Arc<App>,
    router: Router,
}

async fn accept(listener: Listener, app: App, drain: Duration, stop: CancellationToken) {
    let Listener { listener, tls, .. } = listener;
    let app = Arc::new(app);
    let gateway = Gateway { router: routes::router(Arc::clone(&app)), app };
    let connections = TaskTracker::new();
    // Told to finish what is running, and then to let go of it.
    let (finish, cut) = (CancellationToken::new(), CancellationToken::new());
    let engine = gateway.app.engine.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            // Refused by closing: there is no memory to say more with.
            Ok((stream, _)) if connections.len() >= gateway.app.limits.connections => drop(stream),
            Ok((stream, peer)) => {
                let (gateway, finish, cut) = (gateway.clone(), finish.clone(), cut.clone());
                let tls = tls.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = connect(stream, peer.ip(), tls, gateway, finish) => {}
                        () = cut.cancelled() => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a client");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    finish.cancel();
    connections.close();
    if tokio::time::timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(left = connections.len(), "answers cut at the end of the drain time");
        engine.cut_streams();
        tokio::time::timeout(LAST_WORDS, connections.wait()).await.ok();
        cut.cancel();
        connections.wait().await;
    }
}

async fn connect(
    stream: TcpStream,
    peer: IpAddr,
    tls: Option<Acceptor>,
    gateway: Gateway,
    finish: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = Progress::new(stream, gateway.app.timeouts.client_stall);
    let Some(Acceptor(acceptor)) = tls else { return serve(stream, peer, gateway, finish).await };
    // Who is slow to shake hands is slow to send a head.
    let limit = gateway.app.timeouts.request_head;
    match tokio::time::timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, peer, gateway, finish).await,
        Ok(Err(error)) => tracing::debug!(%error, "a client's TLS handshake failed"),
        Err(_) => tracing::debug!("a client's TLS handshake took too long"),
    }
}

async fn serve<S>(stream: S, peer: IpAddr, gateway: Gateway, finish: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let head = gateway.app.timeouts.request_head;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_INTERVAL);
    let begun = Arc::new(AtomicBool::new(false));
    let service_begun = Arc::clone(&begun);
    let service = service_fn(move |request| {
        service_begun.store(true, Ordering::Relaxed);
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.call(peer, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // A client that never says which protocol it speaks is not waited for by hyper's own time limit.
    let silent = async {
        tokio::time::sleep(head).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = silent => return tracing::debug!("a client connected and asked nothing"),
        () = finish.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "client connection failed");
    }
}

impl Gateway {
    /// An error when the client's address has asked too often.
    fn limit(&self, client: IpAddr) -> Result<(), ApiError> {
        self.app.addresses.take(client, Instant::now()).map_err(ApiError::rate_limited)
    }

    async fn call(self, peer: IpAddr, request: Request<Incoming>) -> Response<ResponseBody> {
        let shared = request.headers().contains_key(ORIGIN);
        if request.method() == Method::POST
            && let Some(route) = Route::at(request.uri().path())
        {
            let client = self.app.addresses.client(peer, request.headers());
            let mut response = ask::serve(&self.app, route, request).await;
            if response.status() == StatusCode::UNAUTHORIZED
                && let Err(error) = self.limit(client)
            {
                response = error::response(&error, self.app.engine.new_request());
            }
            if shared {
                cors::grant(response.headers_mut());
            }
            return response;
        }
        let (id, started) = (self.app.engine.new_request(), Instant::now());
        if let Some(mut response) = cors::preflight(&request) {
            response.headers_mut().insert(REQUEST_ID_HEADER, request_id(id));
            return response;
        }
        let path = request.uri().path();
        let (api, sharing) = (path.starts_with("/v1/"), cors::sharing(path));
        let limited = self.limit(self.app.addresses.client(peer, request.headers()));
        let mut response = match limited {
            Err(error) => error::response(&error, id),
            Ok(()) => match self.router.oneshot(request).await {
                Ok(response) => response.map(ResponseBody::Router),
                Err(never) => match never {},
            },
        };
        let headers = response.headers_mut();
        headers.entry(REQUEST_ID_HEADER).or_insert_with(|| request_id(id));
        if api {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            ask::tell_processing(started.elapsed(), headers);
        }
        if shared && sharing != Sharing::None {
            cors::grant(headers);
        }
        response
    }
}
