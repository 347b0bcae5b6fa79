//! TLS of the public listener, by configuration: a certificate and its key, HTTP/2 or HTTP/1.1 as the client
//! chooses. Without it a proxy in front ends TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The protocols offered, the better one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds something else.
    #[error("cannot read {path} as PEM")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The certificate's file holds none.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// Key and certificate do not fit each other, or cannot be used.
    #[error("cannot use the certificate")]
    Certificate(#[source] rustls::Error),
}

/// What ends TLS for clients.
///
/// # Errors
/// [`TlsError`].
pub(super) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { path, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(file(certificates))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificates.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Certificate)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
