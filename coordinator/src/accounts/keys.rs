//! API keys: who is calling, which allowance pays, and what the key may do.
//!
//! A key is `sk-pnv-` and 48 random characters. Only its SHA-256 is stored; a key with 288 random bits
//! needs no slow hash. Looking one up costs a hash and a read of memory once it has been used.
//!
//! Invariant: what a key has spent, plus what is held through it, never exceeds its budget.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use parking_lot::Mutex;
use pinaivu_protocol::hash::{Hash32, sha256};
use pinaivu_protocol::ids::{AllowanceId, PublicKey};
use pinaivu_protocol::units::{FineAmount, UnixMillis};
use rand::RngCore as _;
use zeroize::Zeroizing;

use super::HoldError;
use super::rate::{Bucket, Excess, RateView};
use crate::clock::SharedClock;
use crate::store::{AccountHandle, ApiKey, ApiKeyId, KeyLimits, Store, StoreError};

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
    /// Its time is over.
    #[error("the API key has expired")]
    Expired,
    /// It cannot be looked up right now.
    #[error("API keys cannot be read")]
    Store(#[from] StoreError),
}

/// One key in memory; shared by the table and by the holds through it.
#[derive(Debug)]
pub(super) struct Key {
    id: ApiKeyId,
    allowance: AllowanceId,
    owner: PublicKey,
    handle: AccountHandle,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    revoked: bool,
    limits: KeyLimits,
    revision: u32,
    spent: FineAmount,
    held: FineAmount,
    requests: Bucket,
    tokens: Bucket,
}

/// Whoever holds a key that is in order. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Key>);

/// What the limits of a key leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Requests a minute, when they are limited.
    pub requests: Option<RateView>,
    /// Tokens a minute, when they are limited.
    pub tokens: Option<RateView>,
}

impl Caller {
    /// Which key.
    #[must_use]
    pub fn key(&self) -> ApiKeyId {
        self.0.id
    }

    /// Which allowance pays.
    #[must_use]
    pub fn allowance(&self) -> AllowanceId {
        self.0.allowance
    }

    /// The wallet that made the key.
    #[must_use]
    pub fn owner(&self) -> PublicKey {
        self.0.owner
    }

    /// Its name in tickets.
    #[must_use]
    pub fn handle(&self) -> AccountHandle {
        self.0.handle
    }

    /// Whether it may ask for a model.
    #[must_use]
    pub fn may_ask_for(&self, model: &str) -> bool {
        let state = self.0.state.lock();
        state.limits.models.as_ref().is_none_or(|models| models.iter().any(|known| known == model))
    }

    /// What its limits leave at `now`.
    #[must_use]
    pub fn rates(&self, now: UnixMillis) -> Rates {
        let mut state = self.0.state.lock();
        let State { limits, requests, tokens, .. } = &mut *state;
        Rates {
            requests: limits.requests_per_minute.map(|limit| requests.view(limit, now)),
            tokens: limits.tokens_per_minute.map(|limit| tokens.view(limit, now)),
        }
    }

    /// Sets money and tokens aside within the key's limits, and counts one request.
    pub(super) fn reserve(
        &self,
        amount: FineAmount,
        tokens: u32,
        now: UnixMillis,
    ) -> Result<KeyHold, HoldError> {
        let tokens = self.0.state.lock().reserve(amount, tokens, now)?;
        Ok(KeyHold { key: Arc::clone(&self.0), amount, tokens })
    }

    fn judge(self, now: UnixMillis) -> Result<Self, KeyError> {
        let refused = {
            let state = self.0.state.lock();
            match state.limits.expires {
                _ if state.revoked => Some(KeyError::Revoked),
                Some(expires) if now >= expires => Some(KeyError::Expired),
                _ => None,
            }
        };
        refused.map_or(Ok(self), Err)
    }
}

impl State {
    /// Gives how many tokens are reserved: none where they are not limited.
    fn reserve(
        &mut self,
        amount: FineAmount,
        tokens: u32,
        now: UnixMillis,
    ) -> Result<u32, HoldError> {
        // It may have ended since it was looked up.
        if self.revoked || self.limits.expires.is_some_and(|expires| now >= expires) {
            return Err(HoldError::KeyEnded);
        }
        let held = self.held.checked_add(amount).unwrap_or(FineAmount(u128::MAX));
        if let Some(budget) = self.limits.budget {
            let available = budget.to_fine().saturating_sub(self.spent).saturating_sub(self.held);
            if amount > available {
                return Err(HoldError::KeyBudget { needed: amount, available });
            }
        }
        let reserved = match self.limits.tokens_per_minute {
            None => 0,
            Some(limit) => {
                self.tokens.reserve(limit, tokens, now).map_err(|excess| match excess {
                    Excess::Later(wait) => HoldError::KeyRate(wait),
                    Excess::Never => HoldError::KeyTokens { needed: tokens, limit },
                })?;
                tokens
            }
        };
        if let Some(limit) = self.limits.requests_per_minute
            && let Err(excess) = self.requests.take(limit, 1, now)
        {
            self.tokens.give_back(reserved);
            return Err(match excess {
                Excess::Later(wait) => HoldError::KeyRate(wait),
                // A limit is at least one.
                Excess::Never => HoldError::KeyEnded,
            });
        }
        self.held = held;
        Ok(reserved)
    }
}

/// What one request holds through its key; given back when it is dropped.
#[derive(Debug)]
pub(super) struct KeyHold {
    key: Arc<Key>,
    amount: FineAmount,
    /// Reserved of its limit a minute.
    tokens: u32,
}

impl KeyHold {
    pub(super) fn key(&self) -> (ApiKeyId, AccountHandle) {
        (self.key.id, self.key.handle)
    }
}

impl Drop for KeyHold {
    fn drop(&mut self) {
        let mut state = self.key.state.lock();
        state.held = state.held.saturating_sub(self.amount);
        state.tokens.give_back(self.tokens);
    }
}

/// Looks keys up. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    store: Store,
    clock: SharedClock,
    known: Arc<DashMap<Hash32, Caller>>,
    by_id: Arc<DashMap<ApiKeyId, Caller>>,
    /// Keys revoked by this process.
    revoked: Arc<DashMap<ApiKeyId, ()>>,
    /// What keys have spent, as receipts became durable in this process.
    spent: Arc<DashMap<ApiKeyId, FineAmount>>,
}

impl ApiKeys {
    /// Over the keys of a store.
    #[must_use]
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            known: Arc::default(),
            by_id: Arc::default(),
            revoked: Arc::default(),
            spent: Arc::default(),
        }
    }

    /// The holder of `secret`.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn look_up(&self, secret: &str) -> Result<Caller, KeyError> {
        // Whatever else people paste into an Authorization header needs no look at the disk.
        if !secret.starts_with(KEY_PREFIX) {
            return Err(KeyError::Unknown);
        }
        let hash = hash_of(secret);
        let known = self.known.get(&hash).map(|known| known.clone());
        let caller = match known {
            Some(caller) => caller,
            None => {
                let key = self.store.read(move |look| look.api_key(&hash)).await?;
                let caller = self.remember(&key.ok_or(KeyError::Unknown)?);
                self.known.entry(hash).or_insert(caller).clone()
            }
        };
        caller.judge(self.clock.now())
    }

    /// A receipt is durable: everything charged through a key is now `spent`, `tokens` of it new. What
    /// was spent never falls, so the order of calls does not matter.
    pub fn receipted(&self, id: ApiKeyId, spent: FineAmount, tokens: u64) {
        {
            let mut known = self.spent.entry(id).or_default();
            *known = known.max(spent);
        }
        if let Some(caller) = self.by_id.get(&id) {
            let mut state = caller.0.state.lock();
            state.spent = state.spent.max(spent);
            state.tokens.count(tokens);
        }
    }

    /// A key has been revoked. Remembered beside what is known of keys, so that a slower look at the
    /// store that began before cannot bring the key back.
    pub(super) fn revoked(&self, id: ApiKeyId) {
        self.revoked.insert(id, ());
        if let Some(caller) = self.by_id.get(&id) {
            caller.0.state.lock().revoked = true;
        }
    }

    /// A key is as the store has it. An older state than what is known changes nothing.
    pub(super) fn changed(&self, key: &ApiKey) {
        self.remember(key);
    }

    /// The one place in memory of a stored key.
    fn remember(&self, key: &ApiKey) -> Caller {
        let caller = self
            .by_id
            .entry(key.id)
            .or_insert_with(|| {
                Caller(Arc::new(Key {
                    id: key.id,
                    allowance: key.allowance,
                    owner: key.owner,
                    handle: key.handle,
                    state: Mutex::new(State {
                        limits: key.limits.clone(),
                        revision: key.revision,
                        ..State::default()
                    }),
                }))
            })
            .clone();
        // Looked at after the key can be found: what is reported from here on finds it itself.
        let reported = self.spent.get(&key.id).map_or(FineAmount::ZERO, |spent| *spent);
        let revoked = key.revoked.is_some() || self.revoked.contains_key(&key.id);
        let mut state = caller.0.state.lock();
        state.spent = state.spent.max(key.spent).max(reported);
        state.revoked |= revoked;
        if key.revision > state.revision {
            state.revision = key.revision;
            state.limits = key.limits.clone();
        }
        drop(state);
        caller
    }
}

/// A new key and its hash.
pub(super) fn generate() -> (Secret, Hash32) {
    let secret = random_secret(KEY_PREFIX);
    let hash = hash_of(&secret);
    (secret, hash)
}

/// A prefix and 48 random characters.
pub(super) fn random_secret(prefix: &str) -> Secret {
    let mut random = Zeroizing::new([0; KEY_BYTES]);
    rand::rng().fill_bytes(random.as_mut());
    Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random.as_ref())))
}

pub(super) fn hash_of(secret: &str) -> Hash32 {
    sha256(&[secret.as_bytes()])
}
