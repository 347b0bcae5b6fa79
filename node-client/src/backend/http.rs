//! HTTP to the inference server: pooled hyper connections for `http://`, which is what a server on the
//! same machine speaks and costs least; reqwest for `https://`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::{MAX_PROBE_BYTES, PROBE_TIMEOUT};
use crate::config::BackendConfig;

/// llama.cpp and uvicorn close idle connections after five seconds; a request sent into a closing
/// connection fails, so ours are closed first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the server gave no answer, or no end of one.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No request can be made of the configured URL or key.
    #[error("backend.url or backend.api_key cannot be used in a request")]
    Request(#[source] ::http::Error),
    /// There is no TLS client.
    #[error("no HTTPS client")]
    Client(#[source] reqwest::Error),
    /// It cannot be reached, or the connection broke.
    #[error("the backend cannot be reached")]
    Plain(#[source] hyper_util::client::legacy::Error),
    /// It cannot be reached over TLS, or the connection broke.
    #[error("the backend cannot be reached")]
    Tls(#[source] reqwest::Error),
    /// The connection broke within an answer.
    #[error("the backend's answer broke off")]
    Broken(#[source] hyper::Error),
    /// It took too long.
    #[error("the backend took too long")]
    Timeout,
    /// Its answer is longer than it may be.
    #[error("the backend's answer is too long")]
    TooLong,
}

#[derive(Debug)]
enum Connections {
    Plain(Box<Client<HttpConnector, Full<Bytes>>>),
    Tls(reqwest::Client),
}

#[derive(Debug)]
pub(super) struct HttpClient {
    connections: Connections,
    base: String,
    authorization: Option<HeaderValue>,
}

impl HttpClient {
    pub(super) fn new(config: &BackendConfig) -> Result<Self, TransportError> {
        let base = config.url.trim_end_matches('/').trim_end_matches("/v1").to_owned();
        let authorization = match &config.api_key {
            None => None,
            Some(key) => {
                let mut value = HeaderValue::try_from(format!("Bearer {}", key.expose()))
                    .map_err(|error| TransportError::Request(error.into()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let connections = if base.starts_with("https://") {
            let client = reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(TransportError::Client)?;
            Connections::Tls(client)
        } else {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
            let client = Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_TIMEOUT)
                .build(connector);
            Connections::Plain(Box::new(client))
        };
        Ok(Self { connections, base, authorization })
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<BackendBody>, TransportError> {
        let uri = Uri::try_from(format!("{}{path}", self.base))
            .map_err(|error| TransportError::Request(error.into()))?;
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        match &self.connections {
            Connections::Plain(client) => {
                let request = request.body(Full::new(body)).map_err(TransportError::Request)?;
                let answer = client.request(request).await.map_err(TransportError::Plain)?;
                Ok(answer.map(BackendBody::Plain))
            }
            Connections::Tls(client) => {
                let request = request.body(body).map_err(TransportError::Request)?;
                let request = reqwest::Request::try_from(request).map_err(TransportError::Tls)?;
                let answer = client.execute(request).await.map_err(TransportError::Tls)?;
                Ok(Response::<reqwest::Body>::from(answer).map(BackendBody::Tls))
            }
        }
    }

    /// A whole short answer, within the time of a probe.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), TransportError> {
        let exchange = async {
            let (head, body) = self.send(method, path, body).await?.into_parts();
            Ok((head.status, body.collect_up_to(MAX_PROBE_BYTES).await?))
        };
        match tokio::time::timeout(PROBE_TIMEOUT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(TransportError::Timeout),
        }
    }
}

/// The body of a server's answer. Dropping it early closes its connection.
#[derive(Debug)]
pub enum BackendBody {
    /// Over a pooled plain connection.
    Plain(Incoming),
    /// Over TLS.
    Tls(reqwest::Body),
}

impl BackendBody {
    /// The whole body.
    ///
    /// # Errors
    /// [`TransportError`], [`TransportError::TooLong`] above `limit` bytes.
    pub async fn collect_up_to(self, limit: usize) -> Result<Bytes, TransportError> {
        match Limited::new(self, limit).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(TransportError::TooLong),
            // `Limited` boxes the body's own error, which is the only other one.
            Err(error) => Err(error
                .downcast::<TransportError>()
                .map_or(TransportError::TooLong, |error| *error)),
        }
    }
}

impl Body for BackendBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        match &mut *self {
            Self::Plain(body) => Pin::new(body).poll_frame(context).map_err(TransportError::Broken),
            Self::Tls(body) => Pin::new(body).poll_frame(context).map_err(TransportError::Tls),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Tls(body) => body.is_end_stream(),
        }
    }
}
