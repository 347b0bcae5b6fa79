//! HTTP to the inference server: connections of our own for `http://`, which is what a server on the same
//! machine speaks and costs least; reqwest for `https://`.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::{AUTHORIZATION, CONTENT_TYPE};
use ::http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::plain::{PlainBody, PlainClient, PlainError};
use super::{MAX_PROBE_BYTES, PROBE_TIMEOUT};
use crate::config::BackendConfig;

/// As [`super::plain`] has it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const HTTP_PORT: u16 = 80;

/// Why the server gave no answer, or no end of one.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No request can be made of the configured URL or key.
    #[error("backend.url or backend.api_key cannot be used in a request")]
    Request(#[source] ::http::Error),
    /// The configured URL names no server.
    #[error("backend.url names no server")]
    Url,
    /// There is no TLS client.
    #[error("no HTTPS client")]
    Client(#[source] reqwest::Error),
    /// It cannot be reached, or the connection broke.
    #[error("the backend cannot be reached")]
    Plain(#[source] PlainError),
    /// It cannot be reached over TLS, or the connection broke.
    #[error("the backend cannot be reached")]
    Tls(#[source] reqwest::Error),
    /// The connection broke within an answer.
    #[error("the backend's answer broke off")]
    Broken(#[source] PlainError),
    /// It took too long.
    #[error("the backend took too long")]
    Timeout,
    /// Its answer is longer than it may be.
    #[error("the backend's answer is too long")]
    TooLong,
}

#[derive(Debug)]
enum Connections {
    Plain {
        client: PlainClient,
        /// Of the base, without a slash at its end.
        path: String,
    },
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
            let uri: Uri = base
                .parse()
                .map_err(|error: ::http::uri::InvalidUri| TransportError::Request(error.into()))?;
            let authority = uri.authority().ok_or(TransportError::Url)?;
            let port = authority.port_u16().unwrap_or(HTTP_PORT);
            let shown = authority.as_str().rsplit('@').next().unwrap_or_default();
            let client = PlainClient::new(authority.host(), port, shown);
            Connections::Plain { client, path: uri.path().trim_end_matches('/').to_owned() }
        };
        Ok(Self { connections, base, authorization })
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<BackendBody>, TransportError> {
        let authorization = self.authorization.as_ref();
        let client = match &self.connections {
            Connections::Plain { client, path: base } => {
                let target = format!("{base}{path}");
                let answer = client.send(&method, &target, authorization, &body).await;
                return Ok(answer.map_err(TransportError::Plain)?.map(BackendBody::Plain));
            }
            Connections::Tls(client) => client,
        };
        let uri = Uri::try_from(format!("{}{path}", self.base))
            .map_err(|error| TransportError::Request(error.into()))?;
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(body).map_err(TransportError::Request)?;
        let request = reqwest::Request::try_from(request).map_err(TransportError::Tls)?;
        let answer = client.execute(request).await.map_err(TransportError::Tls)?;
        Ok(Response::<reqwest::Body>::from(answer).map(BackendBody::Tls))
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
    /// Over a plain connection.
    Plain(PlainBody),
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
