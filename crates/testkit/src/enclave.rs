//! Enclaves that never were: a certificate authority shaped like AWS's, documents under it, and an
//! attester that gives them. Nothing that trusts AWS's root accepts any of it.
#![expect(clippy::unwrap_used, reason = "test support fails by panicking")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use ciborium::Value;
use pinaivu_attestation::nitro::measurement;
use pinaivu_attestation::{AttestError, Attester, Binding, Evidence, Kind, Nonce};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::units::UnixMillis;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

/// How many hours before and after its time a leaf is valid.
pub const LEAF_HOURS: i64 = 3;

/// PCR0 to PCR2 of the code that is accepted.
pub const PCRS: [[u8; 48]; 3] = [[0xa0; 48], [0xa1; 48], [0xa2; 48]];

/// Root, zone and leaf, at one time.
#[derive(Debug)]
pub struct Authority {
    /// The time that everything here is made for.
    pub now: UnixMillis,
    /// DER of the root.
    pub root: Vec<u8>,
    /// DER of root and zone.
    pub chain: Vec<Vec<u8>>,
    /// DER of the leaf.
    pub leaf: Vec<u8>,
    key: EcdsaKeyPair,
}

/// What a leaf is made with.
#[derive(Debug)]
pub struct Leaf {
    /// Its key.
    pub algorithm: &'static SignatureAlgorithm,
    /// Whether it may issue.
    pub ca: bool,
    /// What it says to be for.
    pub purpose: Option<ExtendedKeyUsagePurpose>,
}

impl Default for Leaf {
    fn default() -> Self {
        Self { algorithm: &PKCS_ECDSA_P384_SHA384, ca: false, purpose: None }
    }
}

fn at(now: UnixMillis, hours: i64) -> OffsetDateTime {
    let seconds = i64::try_from(now.0 / 1000).unwrap();
    OffsetDateTime::from_unix_timestamp(seconds).unwrap() + Duration::hours(hours)
}

fn issuing(now: UnixMillis, name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    (params.not_before, params.not_after) = (at(now, -24 * 365), at(now, 24 * 365));
    params
}

impl Authority {
    /// With a leaf as AWS makes them.
    #[must_use]
    pub fn new(now: UnixMillis) -> Self {
        Self::with(now, Leaf::default())
    }

    /// With another leaf.
    #[must_use]
    pub fn with(now: UnixMillis, leaf: Leaf) -> Self {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let (root_key, zone_key) = (key(), key());
        let root_params = issuing(now, "a root of no vendor");
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let zone_params = issuing(now, "a zone");
        let zone = zone_params.signed_by(&zone_key, &root_issuer).unwrap();
        let zone_issuer = Issuer::new(zone_params, zone_key);
        let leaf_key = KeyPair::generate_for(leaf.algorithm).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "an enclave");
        params.is_ca = match leaf.ca {
            true => IsCa::Ca(BasicConstraints::Unconstrained),
            false => IsCa::ExplicitNoCa,
        };
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = leaf.purpose.into_iter().collect();
        (params.not_before, params.not_after) = (at(now, -LEAF_HOURS), at(now, LEAF_HOURS));
        let certificate = params.signed_by(&leaf_key, &zone_issuer).unwrap();
        // A key on another curve can sign nothing here; its documents are signed by some P-384 key.
        let signing = match std::ptr::eq(leaf.algorithm, &PKCS_ECDSA_P256_SHA256) {
            true => key(),
            false => leaf_key,
        };
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &signing.serialize_der())
                .unwrap();
        Self {
            now,
            root: root.der().to_vec(),
            chain: vec![root.der().to_vec(), zone.der().to_vec()],
            leaf: certificate.der().to_vec(),
            key,
        }
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        self.key.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec()
    }
}

/// The measurement of [`PCRS`].
#[must_use]
pub fn accepted() -> Hash32 {
    let [pcr0, pcr1, pcr2] = &PCRS;
    measurement(pcr0, pcr1, pcr2)
}

/// A document in parts, to be changed before it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The signed headers.
    pub protected: Value,
    /// The other headers.
    pub unprotected: Value,
    /// The payload.
    pub fields: Vec<(Value, Value)>,
}

impl Draft {
    /// A good one.
    #[must_use]
    pub fn new(authority: &Authority, binding: &Binding, nonce: &Nonce) -> Self {
        let mut pcrs: Vec<(Value, Value)> = Vec::new();
        for number in 0..16usize {
            let value = PCRS.get(number).copied().unwrap_or([0; 48]);
            pcrs.push((Value::from(number as u64), Value::Bytes(value.to_vec())));
        }
        let chain = authority.chain.iter().map(|der| Value::Bytes(der.clone())).collect();
        let text = |name: &str| Value::Text(name.to_owned());
        Self {
            // {1: -35}: ES384.
            protected: Value::Map(vec![(Value::from(1), Value::from(-35))]),
            unprotected: Value::Map(Vec::new()),
            fields: vec![
                (text("module_id"), text("i-0123456789abcdef0-enc0123456789abcdef")),
                (text("digest"), text("SHA384")),
                (text("timestamp"), Value::from(authority.now.0)),
                (text("pcrs"), Value::Map(pcrs)),
                (text("certificate"), Value::Bytes(authority.leaf.clone())),
                (text("cabundle"), Value::Array(chain)),
                (text("public_key"), Value::Bytes(binding.signer.0.to_vec())),
                (text("user_data"), Value::Bytes(binding.digest().0.to_vec())),
                (text("nonce"), Value::Bytes(nonce.0.to_vec())),
            ],
        }
    }

    /// With another value in a field.
    ///
    /// # Panics
    /// When there is no such field.
    #[must_use]
    pub fn set(mut self, name: &str, value: Value) -> Self {
        let key = Value::Text(name.to_owned());
        let field = self.fields.iter_mut().find(|(found, _)| *found == key).unwrap();
        field.1 = value;
        self
    }

    /// Without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(found, _)| *found != Value::Text(name.to_owned()));
        self
    }

    /// The document, signed by the authority's leaf.
    #[must_use]
    pub fn signed(&self, authority: &Authority) -> Vec<u8> {
        let protected = encode(&self.protected);
        let payload = encode(&Value::Map(self.fields.clone()));
        let to_sign = encode(&Value::Array(vec![
            Value::Text("Signature1".to_owned()),
            Value::Bytes(protected.clone()),
            Value::Bytes(Vec::new()),
            Value::Bytes(payload.clone()),
        ]));
        encode(&Value::Array(vec![
            Value::Bytes(protected),
            self.unprotected.clone(),
            Value::Bytes(payload),
            Value::Bytes(authority.sign(&to_sign)),
        ]))
    }
}

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// The security module of an enclave with [`PCRS`] under an [`Authority`].
#[derive(Debug)]
pub struct TestEnclave(pub Authority);

impl Attester for TestEnclave {
    fn kind(&self) -> Kind {
        Kind::Nitro
    }

    fn attest(&self, binding: &Binding, nonce: &Nonce) -> Result<Evidence, AttestError> {
        let document = Draft::new(&self.0, binding, nonce).signed(&self.0);
        let (binding, nonce) = (*binding, *nonce);
        Ok(Evidence { kind: Kind::Nitro, binding, nonce, document, collateral: None })
    }
}
