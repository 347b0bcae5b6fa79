//! API keys: who is calling, and which allowance pays.
//!
//! A key is `sk-pnv-` and 48 random characters. Only its SHA-256 is stored; a key with 288 random bits
//! needs no slow hash. Looking one up costs a hash and a read of memory once it has been used.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::AllowanceId;
use rand::RngCore as _;
use zeroize::Zeroizing;

use crate::store::{ApiKey, ApiKeyId, Store, StoreError};

/// How every key begins.
pub const KEY_PREFIX: &str = "sk-pnv-";

/// Random bytes of a key; base64 makes 48 characters of them.
const KEY_BYTES: usize = 36;

/// A key as a client sends it.
pub type Secret = Zeroizing<String>;

/// Why a key does not open anything.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nobody was given this key.
    #[error("unknown API key")]
    Unknown,
    /// Its owner ended it.
    #[error("the API key was revoked")]
    Revoked,
    /// It cannot be looked up right now.
    #[error("API keys cannot be read")]
    Store(#[from] StoreError),
}

#[derive(Clone, Copy, Debug)]
struct Known {
    id: ApiKeyId,
    allowance: AllowanceId,
    revoked: bool,
}

/// Looks keys up. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    store: Store,
    known: Arc<DashMap<Hash32, Known>>,
    /// Keys revoked by this process.
    revoked: Arc<DashMap<ApiKeyId, ()>>,
}

impl ApiKeys {
    /// Over the keys of a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, known: Arc::default(), revoked: Arc::default() }
    }

    /// Which allowance the holder of `secret` spends from.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn look_up(&self, secret: &str) -> Result<AllowanceId, KeyError> {
        // Whatever else people paste into an Authorization header needs no look at the disk.
        if !secret.starts_with(KEY_PREFIX) {
            return Err(KeyError::Unknown);
        }
        let hash = hash_of(secret);
        if let Some(known) = self.known.get(&hash) {
            return self.judge(*known);
        }
        let key = self.store.read(move |look| look.api_key(&hash)).await?;
        let known = Known::of(&key.ok_or(KeyError::Unknown)?);
        self.known.insert(hash, known);
        self.judge(known)
    }

    /// A key has been revoked. Remembered beside what is known of keys, so that a slower look at the
    /// store that began before cannot bring the key back.
    pub(super) fn revoked(&self, id: ApiKeyId) {
        self.revoked.insert(id, ());
    }

    fn judge(&self, known: Known) -> Result<AllowanceId, KeyError> {
        if known.revoked || self.revoked.contains_key(&known.id) {
            return Err(KeyError::Revoked);
        }
        Ok(known.allowance)
    }
}

impl Known {
    fn of(key: &ApiKey) -> Self {
        Self { id: key.id, allowance: key.allowance, revoked: key.revoked.is_some() }
    }
}

/// A new key and its hash.
pub(super) fn generate() -> (Secret, Hash32) {
    let mut random = Zeroizing::new([0; KEY_BYTES]);
    rand::rng().fill_bytes(random.as_mut());
    let secret = Zeroizing::new(format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(random.as_ref())));
    let hash = hash_of(&secret);
    (secret, hash)
}

fn hash_of(secret: &str) -> Hash32 {
    sha256(&[secret.as_bytes()])
}
