//! From an endpoint to a TLS connection and the keys of its session.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use pinaivu_attestation::tls_key_hash;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ticket::{TUNNEL_ALPN, TUNNEL_EXPORTER_LABEL};
use pinaivu_protocol::tunnel::{TunnelMac, binding};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// Where an endpoint without a port listens.
const DEFAULT_PORT: u16 = 443;

/// Where a tunnel listener is: `host:port`, `[v6]:port`, or a URL of which scheme and path are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// The text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not host:port")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let failed = || EndpointError(text.to_owned());
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        let authority: http::uri::Authority = authority.parse().map_err(|_| failed())?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str() == authority.host() => DEFAULT_PORT,
            // Something is there that is no port.
            None => return Err(failed()),
        };
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(failed());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Neither the operator nor the account gives an address.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No TCP connection or no TLS handshake.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// Where.
        endpoint: Endpoint,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing happened for too long.
    #[error("{0} did not answer in time")]
    Timeout(Endpoint),
    /// The peer speaks something else.
    #[error("{0} is not a coordinator's tunnel listener")]
    Protocol(Endpoint),
}

/// What both ends of one TLS session know and nobody else.
pub(super) struct SessionKeys {
    /// Hash of the key in the certificate that the other end showed and proved to hold.
    pub(super) tls_key: Hash32,
    /// What a hello must be bound to.
    pub(super) binding: Hash32,
    /// Authenticates tickets.
    pub(super) mac: TunnelMac,
}

pub(super) struct Dialled {
    pub(super) stream: TlsStream<BufReader<TcpStream>>,
    pub(super) keys: SessionKeys,
}

pub(super) async fn dial(
    endpoint: &Endpoint,
    tls: &Arc<ClientConfig>,
) -> Result<Dialled, DialError> {
    let connected = tokio::time::timeout(DIAL_TIMEOUT, connect(endpoint, tls)).await;
    let stream = match connected {
        Err(_) => return Err(DialError::Timeout(endpoint.clone())),
        Ok(Err(source)) => return Err(DialError::Connect { endpoint: endpoint.clone(), source }),
        Ok(Ok(stream)) => stream,
    };
    let session = stream.get_ref().1;
    let exported =
        session.export_keying_material(Zeroizing::new([0; 32]), TUNNEL_EXPORTER_LABEL, None);
    match exported {
        Ok(exporter) if session.alpn_protocol() == Some(TUNNEL_ALPN) => {
            let tls_key = tls_key(session).ok_or_else(|| DialError::Protocol(endpoint.clone()))?;
            let (binding, mac) = (binding(&exporter), TunnelMac::new(&exporter));
            let keys = SessionKeys { tls_key, binding, mac };
            Ok(Dialled { stream, keys })
        }
        _ => Err(DialError::Protocol(endpoint.clone())),
    }
}

/// Hash of the server's key.
fn tls_key(session: &ClientConnection) -> Option<Hash32> {
    let certificate = ParsedCertificate::try_from(session.peer_certificates()?.first()?).ok()?;
    Some(tls_key_hash(&certificate.subject_public_key_info()))
}

/// Dials, looks which key the listener's certificate holds, and hangs up: for people who compare it with
/// attestation evidence.
///
/// # Errors
/// [`DialError`].
pub async fn seen_tls_key(
    endpoint: &Endpoint,
    tls: &Arc<ClientConfig>,
) -> Result<Hash32, DialError> {
    Ok(dial(endpoint, tls).await?.keys.tls_key)
}

async fn connect(
    endpoint: &Endpoint,
    tls: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<BufReader<TcpStream>>> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(std::io::Error::other)?;
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    // Without it, small frames wait for acknowledgements: 44 ms measured.
    stream.set_nodelay(true)?;
    TlsConnector::from(Arc::clone(tls)).connect(name, pinaivu_tunnel::by_records(stream)).await
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Endpoint;

    #[test]
    fn endpoints_are_read_with_and_without_scheme_and_port() {
        for (text, shown) in [
            ("127.0.0.1:8403", "127.0.0.1:8403"),
            ("node.example", "node.example:443"),
            ("https://node.example:8403/", "node.example:8403"),
            ("tunnel://node.example/path", "node.example:443"),
            ("[::1]:9", "::1:9"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        for text in ["", ":1", "host:", "host:99999", "a b:1", "user@host:1"] {
            text.parse::<Endpoint>().unwrap_err();
        }
    }
}
