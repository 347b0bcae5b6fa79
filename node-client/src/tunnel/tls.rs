//! TLS towards a coordinator: version 1.3, one ALPN protocol, our hot key as client certificate.
//!
//! Any server certificate is taken, as long as the peer holds its key: the hello's signature over the
//! exporter says who the peer is, and a certificate could not say it better.

use std::sync::Arc;

use pinaivu_protocol::ticket::TUNNEL_ALPN;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, PeerIncompatible, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::key::{HotKey, KeyError};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The hot key makes no certificate.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// rustls does not take the configuration.
    #[error("cannot configure TLS")]
    Config(#[from] Error),
}

/// The client's side of every tunnel.
///
/// # Errors
/// [`TlsError`].
pub fn client_config(key: &HotKey) -> Result<ClientConfig, TlsError> {
    let (certificate, private) = key.tls_identity()?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyCertificate { provider: Arc::clone(&provider) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![certificate], private)?;
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    // Every tunnel is a session of its own, with an exporter of its own.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes any certificate, and checks that the peer holds its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
