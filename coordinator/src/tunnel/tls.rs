//! TLS of the nodes' door: version 1.3 only, one ALPN protocol, a client certificate with an Ed25519
//! key.
//!
//! Certificates carry keys here, not trust: the client's says which signer the peer holds, and the chain
//! says which node that is; the server's is made at start, and the coordinator proves itself by its
//! signature over the session's exporter (`pinaivu_protocol::tunnel::Hello`). So names, dates and chains
//! of certificates are not looked at. Attestation evidence binds the server's key, so that a node of an
//! attested coordinator knows that the session ends inside the attested code.

use std::sync::Arc;

use pinaivu_attestation::tls_key_hash;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::ticket::{TUNNEL_ALPN, TUNNEL_EXPORTER_LABEL};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    ServerConfig, ServerConnection, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

/// What comes before the 32 key bytes in the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410).
const ED25519_SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Why the door cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate cannot be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// rustls does not take the configuration.
    #[error("cannot configure TLS")]
    Config(#[from] Error),
}

/// What is known of a peer once the handshake is done.
#[derive(Clone)]
pub(super) struct Peer {
    /// The key in its certificate; the handshake proved that it holds the private half.
    pub(super) key: PublicKey,
    /// 32 bytes that only the two ends of this session know.
    pub(super) exporter: [u8; 32],
}

/// The certificate of this process's tunnel and its key, which never leaves the process.
pub struct TlsIdentity {
    key: rcgen::KeyPair,
    certificate: CertificateDer<'static>,
}

impl TlsIdentity {
    /// A fresh one.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub fn generate() -> Result<Self, TlsError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let names = vec!["pinaivu-coordinator".into()];
        let certificate = rcgen::CertificateParams::new(names)?.self_signed(&key)?;
        Ok(Self { key, certificate: certificate.der().clone() })
    }

    /// SHA-256 of its key's SubjectPublicKeyInfo: what attestation evidence binds.
    ///
    /// # Errors
    /// [`TlsError::Config`] when rustls cannot read the certificate that rcgen wrote.
    pub fn key_hash(&self) -> Result<Hash32, TlsError> {
        let certificate = ParsedCertificate::try_from(&self.certificate)?;
        Ok(tls_key_hash(&certificate.subject_public_key_info()))
    }
}

/// The server's side.
///
/// # Errors
/// [`TlsError`].
pub(super) fn server_config(identity: &TlsIdentity) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(NodeKeyVerifier { provider: Arc::clone(&provider) });
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![identity.certificate.clone()], private)?;
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    // A tunnel lives for hours; resumption would save nothing and would have to carry the client's key.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Reads the peer's key and the exporter from a finished handshake. Nothing when the peer chose no or
/// another ALPN protocol, or the session is not what [`server_config`] asks for.
#[must_use]
pub(super) fn peer(connection: &ServerConnection) -> Option<Peer> {
    if connection.alpn_protocol() != Some(TUNNEL_ALPN) {
        return None;
    }
    let key = ed25519_key(connection.peer_certificates()?.first()?).ok()?;
    let exporter = connection.export_keying_material([0; 32], TUNNEL_EXPORTER_LABEL, None).ok()?;
    Some(Peer { key, exporter })
}

fn ed25519_key(certificate: &CertificateDer<'_>) -> Result<PublicKey, Error> {
    let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    spki.strip_prefix(&ED25519_SPKI_PREFIX)
        .and_then(|key| key.try_into().ok())
        .map(PublicKey)
        .ok_or(Error::InvalidCertificate(CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: spki.to_vec(),
            supported_algorithms: Vec::new(),
        }))
}

/// Takes any certificate with an Ed25519 key, and checks that the peer holds that key.
#[derive(Debug)]
struct NodeKeyVerifier {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for NodeKeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        ed25519_key(end_entity).map(|_| ClientCertVerified::assertion())
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
        vec![SignatureScheme::ED25519]
    }
}
