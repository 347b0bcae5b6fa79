//! TLS of the public door, by PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Why TLS cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum PublicTlsError {
    /// A file cannot be read, or holds something else.
    #[error("cannot read {path} as PEM")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// Key and certificate do not fit each other, or cannot be used.
    #[error("cannot use the certificate")]
    Certificate(#[source] rustls::Error),
}

/// What ends TLS for clients.
///
/// # Errors
/// [`PublicTlsError`].
pub(super) fn acceptor(certificates: &Path, key: &Path) -> Result<TlsAcceptor, PublicTlsError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| PublicTlsError::File { path, source }
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect)
        .map_err(file(certificates))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(file(key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(PublicTlsError::Certificate)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
