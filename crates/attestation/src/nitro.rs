//! AWS Nitro attestation documents.
//!
//! A document is an untagged COSE_Sign1 (RFC 9052) with algorithm ES384 over a CBOR map: module, time,
//! PCRs, the certificate whose key signed it with its chain, and what the enclave asked to be put in.
//! The format is AWS's "Verifying the root of trust"; the root certificate is pinned here, by its bytes.
//!
//! [`verify`] checks signature and chain at a time that the caller gives. What the document is about
//! (measurement, binding, nonce) is for [`crate::verify`].

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use ciborium::Value;
use coset::{CborSerializable as _, CoseSign1, HeaderBuilder, iana};
use pinaivu_protocol::hash::{Hash32, tagged};
use pinaivu_protocol::units::UnixMillis;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, aws_lc_rs::ECDSA_P384_SHA384};

/// The root of AWS's Nitro attestation PKI, "G1", as AWS publishes it: valid until 2049.
/// SHA-256 `641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b`.
pub const ROOT_G1: &[u8] = include_bytes!("nitro-root-g1.der");

/// Longest document that is read; the security module's own limit.
pub const MAX_DOCUMENT_BYTES: usize = 0x3000;

/// How far ahead of the verifier's clock a document may be.
const MAX_AHEAD_MILLIS: u64 = 5 * 60 * 1000;

/// Most certificates in a chain.
const MAX_CHAIN: usize = 16;

/// Longest certificate, nonce, user data and public key.
const MAX_FIELD: usize = 2048;

/// What precedes the point in the SubjectPublicKeyInfo of every P-384 key (RFC 5480), up to and with the
/// zero count of unused bits.
const P384_SPKI_PREFIX: [u8; 23] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

/// What a document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NitroDocument {
    /// The enclave.
    pub module_id: String,
    /// When it was made.
    pub timestamp: UnixMillis,
    /// Platform configuration registers by number, SHA-384.
    pub pcrs: BTreeMap<u8, Vec<u8>>,
    /// DER of the certificate that signed.
    pub certificate: Vec<u8>,
    /// DER of its issuers, root first.
    pub chain: Vec<Vec<u8>>,
    /// What the enclave asked for.
    pub public_key: Option<Vec<u8>>,
    /// What the enclave asked for.
    pub user_data: Option<Vec<u8>>,
    /// What the enclave asked for.
    pub nonce: Option<Vec<u8>>,
}

/// Why a document is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NitroError {
    /// Longer than [`MAX_DOCUMENT_BYTES`].
    #[error("the document has {0} bytes, more than a security module gives")]
    TooLong(usize),
    /// Not one COSE_Sign1, or cut off, or with bytes after it.
    #[error("this is not one COSE_Sign1")]
    Cose,
    /// Signed with something else than ES384, or with headers a security module does not write.
    #[error("the document is not signed with ES384 and nothing else in its headers")]
    Algorithm,
    /// The payload is not a map in CBOR.
    #[error("the payload is not a map in CBOR")]
    Payload,
    /// A field is missing, twice there, of another type or of an impossible length.
    #[error("the field '{0}' is not as it must be")]
    Field(&'static str),
    /// The certificate or its chain.
    #[error("the certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The key in the certificate did not sign this document.
    #[error("the document's signature does not verify")]
    Signature,
    /// Made after the time it is checked at.
    #[error("the document is from {made}, it is {now}")]
    Ahead {
        /// When it says to be made.
        made: UnixMillis,
        /// The verifier's time.
        now: UnixMillis,
    },
    /// The enclave runs in debug mode, in which its PCRs are zero and its memory is open.
    #[error("the enclave runs in debug mode")]
    Debug,
}

/// Why a chain of certificates is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not X.509, or a root that cannot be one.
    #[error("it cannot be read")]
    Encoding,
    /// At this time one of the chain is no longer valid.
    #[error("it had expired")]
    Expired,
    /// At this time one of the chain is not valid yet.
    #[error("it was not valid yet")]
    NotYet,
    /// The chain does not lead to the pinned root.
    #[error("it does not lead to the pinned root")]
    Root,
    /// A signature in the chain is broken.
    #[error("a signature in its chain is broken")]
    Signature,
    /// The key is not on P-384.
    #[error("its key is not on P-384")]
    Key,
    /// Anything else that X.509 forbids.
    #[error("its chain breaks X.509's rules")]
    Rules,
}

impl NitroDocument {
    /// The measurement as the market's list on chain has it:
    /// `tagged("pinaivu/measurement/nitro/v1", PCR0 ‖ PCR1 ‖ PCR2)`: image, kernel with boot ramdisk,
    /// application.
    ///
    /// # Errors
    /// [`NitroError::Field`] when one of the three is missing or not 48 bytes long.
    pub fn measurement(&self) -> Result<Hash32, NitroError> {
        let pcr = |number: u8| {
            let value = self.pcrs.get(&number).filter(|value| value.len() == 48);
            value.ok_or(NitroError::Field("pcrs"))
        };
        Ok(measurement(pcr(0)?, pcr(1)?, pcr(2)?))
    }
}

/// The measurement of three PCRs, as `nitro-cli build-enclave` prints them.
#[must_use]
pub fn measurement(pcr0: &[u8], pcr1: &[u8], pcr2: &[u8]) -> Hash32 {
    tagged("pinaivu/measurement/nitro/v1", &[pcr0, pcr1, pcr2])
}

/// Checks signature, chain to `root` (DER) and times at `now`, and gives what the document says.
///
/// # Errors
/// [`NitroError`].
pub fn verify(document: &[u8], root: &[u8], now: UnixMillis) -> Result<NitroDocument, NitroError> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(NitroError::TooLong(document.len()));
    }
    let cose = CoseSign1::from_slice(document).map_err(|_| NitroError::Cose)?;
    let es384 = HeaderBuilder::new().algorithm(iana::Algorithm::ES384).build();
    if cose.protected.header != es384 || !cose.unprotected.is_empty() {
        return Err(NitroError::Algorithm);
    }
    let payload = cose.payload.as_deref().ok_or(NitroError::Payload)?;
    let read = parse(payload)?;
    let key = leaf_key(&read, root, now)?;
    cose.verify_signature(b"", |signature, signed| {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &key).verify(signed, signature)
    })
    .map_err(|_| NitroError::Signature)?;
    if read.timestamp.0 > now.0.saturating_add(MAX_AHEAD_MILLIS) {
        return Err(NitroError::Ahead { made: read.timestamp, now });
    }
    if read.pcrs.get(&0).is_some_and(|pcr| pcr.iter().all(|byte| *byte == 0)) {
        return Err(NitroError::Debug);
    }
    Ok(read)
}

/// The point of the leaf's key, once its chain holds at `now`.
fn leaf_key(
    document: &NitroDocument,
    root: &[u8],
    now: UnixMillis,
) -> Result<Vec<u8>, CertificateError> {
    let root = CertificateDer::from(root);
    let anchor = anchor_from_trusted_cert(&root).map_err(|_| CertificateError::Encoding)?;
    let leaf = CertificateDer::from(document.certificate.as_slice());
    let leaf = EndEntityCert::try_from(&leaf).map_err(|_| CertificateError::Encoding)?;
    let issuers: Vec<CertificateDer<'_>> =
        document.chain.iter().map(|issuer| CertificateDer::from(issuer.as_slice())).collect();
    let time = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
    leaf.verify_for_usage(
        &[ECDSA_P384_SHA384],
        &[anchor],
        &issuers,
        time,
        // The leaf names no purpose; a chain for something else would.
        KeyUsage::client_auth(),
        None,
        None,
    )
    .map_err(|error| of_webpki(&error))?;
    let spki = leaf.subject_public_key_info();
    let point = spki.as_ref().strip_prefix(&P384_SPKI_PREFIX).ok_or(CertificateError::Key)?;
    Ok(point.to_vec())
}

fn of_webpki(error: &webpki::Error) -> CertificateError {
    use webpki::Error as E;
    match error {
        E::CertExpired { .. } => CertificateError::Expired,
        E::CertNotValidYet { .. } => CertificateError::NotYet,
        E::UnknownIssuer => CertificateError::Root,
        E::InvalidSignatureForPublicKey => CertificateError::Signature,
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => CertificateError::Key,
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::Encoding,
        _ => CertificateError::Rules,
    }
}

/// Reads the payload. Verifies nothing.
fn parse(payload: &[u8]) -> Result<NitroDocument, NitroError> {
    let mut reader = Cursor::new(payload);
    let value: Value = ciborium::from_reader(&mut reader).map_err(|_| NitroError::Payload)?;
    if usize::try_from(reader.position()).ok() != Some(payload.len()) {
        return Err(NitroError::Payload);
    }
    let Value::Map(pairs) = value else { return Err(NitroError::Payload) };
    let mut fields = BTreeMap::new();
    for (key, value) in pairs {
        let Value::Text(key) = key else { return Err(NitroError::Payload) };
        if fields.insert(key, value).is_some() {
            return Err(NitroError::Payload);
        }
    }
    let mut take = |name: &'static str| fields.remove(name).ok_or(NitroError::Field(name));

    let Value::Text(module_id) = take("module_id")? else {
        return Err(NitroError::Field("module_id"));
    };
    if module_id.is_empty() {
        return Err(NitroError::Field("module_id"));
    }
    if take("digest")? != Value::Text("SHA384".to_owned()) {
        return Err(NitroError::Field("digest"));
    }
    let timestamp = unsigned(&take("timestamp")?).filter(|time| *time > 0);
    let timestamp = UnixMillis(timestamp.ok_or(NitroError::Field("timestamp"))?);
    let pcrs = pcrs(take("pcrs")?)?;
    let certificate = bytes(take("certificate")?).ok_or(NitroError::Field("certificate"))?;
    let Value::Array(chain) = take("cabundle")? else { return Err(NitroError::Field("cabundle")) };
    if chain.is_empty() || chain.len() > MAX_CHAIN {
        return Err(NitroError::Field("cabundle"));
    }
    let chain: Option<Vec<Vec<u8>>> = chain.into_iter().map(bytes).collect();
    let chain = chain.ok_or(NitroError::Field("cabundle"))?;
    let mut optional = |name: &'static str| match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => bytes(value).map(Some).ok_or(NitroError::Field(name)),
    };
    Ok(NitroDocument {
        module_id,
        timestamp,
        pcrs,
        certificate,
        chain,
        public_key: optional("public_key")?,
        user_data: optional("user_data")?,
        nonce: optional("nonce")?,
    })
}

fn pcrs(value: Value) -> Result<BTreeMap<u8, Vec<u8>>, NitroError> {
    let refused = NitroError::Field("pcrs");
    let Value::Map(pairs) = value else { return Err(refused) };
    let mut pcrs = BTreeMap::new();
    for (number, value) in pairs {
        let number = unsigned(&number).and_then(|number| u8::try_from(number).ok());
        let (Some(number), Some(value)) = (number.filter(|number| *number < 32), bytes(value))
        else {
            return Err(refused);
        };
        if ![32, 48, 64].contains(&value.len()) || pcrs.insert(number, value).is_some() {
            return Err(refused);
        }
    }
    if pcrs.is_empty() { Err(refused) } else { Ok(pcrs) }
}

fn unsigned(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|number| u64::try_from(number).ok())
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) if !bytes.is_empty() && bytes.len() <= MAX_FIELD => Some(bytes),
        _ => None,
    }
}
