//! The listener: HTTP/1.1 and HTTP/2 without TLS (a proxy in front ends TLS), the hot route straight to
//! its handler, everything else through the router.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::header::{CACHE_CONTROL, HeaderValue, ORIGIN};
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::ask::{self, Route};
use super::body::ResponseBody;
use super::cors::{self, Sharing};
use super::error::{REQUEST_ID_HEADER, request_id};
use super::{App, routes};
use crate::tasks::Tasks;

/// Streams of one HTTP/2 client.
const MAX_STREAMS: u32 = 256;

/// How often idle HTTP/2 clients are pinged.
const PING_INTERVAL: Duration = Duration::from_secs(20);

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
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts serving. When the task is told to end it accepts nothing more, lets running answers end for
    /// up to `drain`, and cuts the rest.
    pub fn serve(self, app: App, drain: Duration, tasks: &Tasks) {
        tasks.spawn("http listener", |stop| accept(self.listener, app, drain, stop));
    }
}

#[derive(Clone)]
struct Gateway {
    app: Arc<App>,
    router: Router,
}

async fn accept(listener: TcpListener, app: App, drain: Duration, stop: CancellationToken) {
    let app = Arc::new(app);
    let gateway = Gateway { router: routes::router(Arc::clone(&app)), app };
    let connections = TaskTracker::new();
    // Told to finish what is running, and then to let go of it.
    let (finish, cut) = (CancellationToken::new(), CancellationToken::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let (gateway, finish, cut) = (gateway.clone(), finish.clone(), cut.clone());
                connections.spawn(async move {
                    tokio::select! {
                        () = serve(stream, gateway, finish) => {}
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
        cut.cancel();
        connections.wait().await;
    }
}

async fn serve(stream: TcpStream, gateway: Gateway, finish: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let head = gateway.app.timeouts.request_head;
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_INTERVAL);
    let service = service_fn(move |request| {
        let gateway = gateway.clone();
        async move { Ok::<_, Infallible>(gateway.call(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
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
    async fn call(self, request: Request<Incoming>) -> Response<ResponseBody> {
        let shared = request.headers().contains_key(ORIGIN);
        if request.method() == Method::POST
            && let Some(route) = Route::at(request.uri().path())
        {
            let mut response = ask::serve(&self.app, route, request).await;
            if shared {
                cors::grant(response.headers_mut());
            }
            return response;
        }
        if let Some(response) = cors::preflight(&request) {
            return response;
        }
        let id = self.app.engine.new_request();
        let path = request.uri().path();
        let (api, sharing) = (path.starts_with("/v1/"), cors::sharing(path));
        let response = match self.router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let mut response = response.map(ResponseBody::Router);
        let headers = response.headers_mut();
        headers.entry(REQUEST_ID_HEADER).or_insert_with(|| request_id(id));
        if api {
            headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        if shared && sharing != Sharing::None {
            cors::grant(headers);
        }
        response
    }
}
