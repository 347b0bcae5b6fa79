//! Sessions: a wallet that signed in and may look at its usage. They spend nothing, and live in memory
//! only: after a restart people sign in again.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::units::UnixMillis;

use super::keys::{Secret, hash_of, random_secret};
use crate::clock::SharedClock;

/// How every session's token begins.
pub const SESSION_PREFIX: &str = "ses-pnv-";

/// How long a session lasts.
pub const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Most sessions at once: each costs a wallet's signature, and about a hundred bytes here.
const MAX_SESSIONS: usize = 65_536;

#[derive(Clone, Copy, Debug)]
struct Session {
    owner: PublicKey,
    expires: UnixMillis,
}

/// All sessions of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sessions {
    open: Arc<DashMap<Hash32, Session>>,
    clock: SharedClock,
}

/// No more sessions fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many sessions are open")]
pub struct TooManySessions;

impl Sessions {
    /// None yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self { open: Arc::default(), clock }
    }

    /// Opens one; gives its token, which is nowhere else, and when it ends.
    ///
    /// # Errors
    /// [`TooManySessions`].
    pub fn open(&self, owner: PublicKey) -> Result<(Secret, UnixMillis), TooManySessions> {
        let now = self.clock.now();
        if self.open.len() >= MAX_SESSIONS {
            self.open.retain(|_, session| session.expires > now);
        }
        if self.open.len() >= MAX_SESSIONS {
            return Err(TooManySessions);
        }
        let millis = u64::try_from(SESSION_TIME.as_millis()).unwrap_or(u64::MAX);
        let expires = now.saturating_add(UnixMillis(millis));
        let token = random_secret(SESSION_PREFIX);
        self.open.insert(hash_of(&token), Session { owner, expires });
        Ok((token, expires))
    }

    /// Whose session a token opens, if it is one that has not ended.
    #[must_use]
    pub fn owner(&self, token: &str) -> Option<PublicKey> {
        let hash = hash_of(token);
        let session = self.open.get(&hash).map(|session| *session)?;
        if session.expires <= self.clock.now() {
            self.open.remove(&hash);
            return None;
        }
        Some(session.owner)
    }
}
