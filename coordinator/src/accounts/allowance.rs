//! The allowances this coordinator serves on, and what of each is still free.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;
use pinaivu_chain::Allowance;
use pinaivu_protocol::ids::{AllowanceId, EscrowId, PublicKey};
use pinaivu_protocol::units::{Amount, FineAmount, UnixMillis};

use super::hold::Hold;
use super::keys::Caller;
use crate::clock::SharedClock;
use crate::store::{Account, AccountHandle, ApiKeyId};

/// Who pays for a request. Fixed for the life of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The allowance that is debited.
    pub allowance: AllowanceId,
    /// The escrow it is part of.
    pub escrow: EscrowId,
    /// The wallet that owns the escrow.
    pub owner: PublicKey,
    /// Its name in tickets.
    pub handle: AccountHandle,
    /// The key through which it pays.
    pub api_key: Option<ApiKeyId>,
}

/// What one allowance can still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// What the chain would let us debit in all: reserved − released − pending release.
    pub limit: Amount,
    /// Spent for good: the larger of what was receipted here and what the chain has debited.
    pub spent: FineAmount,
    /// Held for requests in flight.
    pub held: FineAmount,
    /// When admission ends; nothing when the chain does not know the allowance.
    pub expires: Option<UnixMillis>,
    /// What the chain says is reserved.
    pub reserved: Amount,
    /// What the chain has debited.
    pub debited: Amount,
}

impl Balance {
    /// What a new hold may take.
    #[must_use]
    pub fn available(&self) -> FineAmount {
        self.limit.to_fine().saturating_sub(self.spent).saturating_sub(self.held)
    }
}

/// Why a request is not admitted on an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// The chain does not know the allowance (any more), or not as finalized yet.
    #[error("there is no finalized allowance {0}")]
    Unknown(AllowanceId),
    /// Its expiry has passed.
    #[error("the allowance expired at {0} ms")]
    Expired(UnixMillis),
    /// Its owner released all of it.
    #[error("the allowance was released by its owner")]
    Released,
    /// All of it is spent.
    #[error("the allowance is used up")]
    Empty,
    /// What the request may cost is more than is left.
    #[error("the request may cost {needed}, {available} are available")]
    Exceeded {
        /// The worst case.
        needed: FineAmount,
        /// What is left.
        available: FineAmount,
    },
    /// The key was revoked or expired since it was looked up.
    #[error("the API key has ended")]
    KeyEnded,
    /// What the request may cost is more than the key may still spend.
    #[error("the request may cost {needed}, {available} are left of the key's budget")]
    KeyBudget {
        /// The worst case.
        needed: FineAmount,
        /// What is left.
        available: FineAmount,
    },
    /// The request may take more tokens than the key may use in a minute.
    #[error("the request may take {needed} tokens, the key may use {limit} a minute")]
    KeyTokens {
        /// The worst case.
        needed: u32,
        /// The key's limit.
        limit: u32,
    },
    /// The key has used up its requests or tokens of this minute.
    #[error("the key's limit is reached; wait {0:?}")]
    KeyRate(Duration),
}

/// What the chain says, the more cautious of two commitments.
#[derive(Clone, Copy, Debug, Default)]
struct OnChain {
    known: bool,
    reserved: Amount,
    released: Amount,
    pending_release: Amount,
    debited: Amount,
    /// The most that vouchers let be debited in all.
    vouchers: Amount,
    expires: UnixMillis,
}

#[derive(Debug, Default)]
struct State {
    chain: OnChain,
    receipted: FineAmount,
    held: FineAmount,
}

/// One allowance; shared by the table and by the holds on it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) payer: Payer,
    state: Mutex<State>,
}

/// All allowances this coordinator serves on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Accounts {
    entries: Arc<DashMap<AllowanceId, Arc<Entry>>>,
    clock: SharedClock,
}

impl Accounts {
    /// No allowances yet.
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self { entries: Arc::default(), clock }
    }

    /// Adds an account as the store has it, or raises what was receipted on it. Nothing can be held on
    /// it before [`Self::apply_chain`].
    pub fn open(&self, account: &Account) {
        let entry = self.entries.entry(account.allowance).or_insert_with(|| {
            Arc::new(Entry {
                payer: Payer {
                    allowance: account.allowance,
                    escrow: account.escrow,
                    owner: account.owner,
                    handle: account.handle,
                    api_key: None,
                },
                state: Mutex::default(),
            })
        });
        let mut state = entry.state.lock();
        state.receipted = state.receipted.max(account.receipted);
    }

    /// Every allowance to watch on chain.
    #[must_use]
    pub fn watched(&self) -> Vec<AllowanceId> {
        self.entries.iter().map(|entry| *entry.key()).collect()
    }

    /// Takes over what the chain says of an allowance. What works in our favour (reserving, a later
    /// expiry) counts once it is `finalized`; what works against us (releases, debits) counts as soon as
    /// it is `processed`. An account missing at either commitment admits nothing.
    pub fn apply_chain(
        &self,
        allowance: &AllowanceId,
        finalized: Option<&Allowance>,
        processed: Option<&Allowance>,
    ) {
        let Some(entry) = self.entry(allowance) else { return };
        let chain = match (finalized, processed) {
            (Some(finalized), Some(processed)) => OnChain {
                known: true,
                reserved: finalized.reserved.min(processed.reserved),
                released: finalized.released.max(processed.released),
                pending_release: pending(finalized).max(pending(processed)),
                debited: finalized.debited.max(processed.debited),
                vouchers: vouchers(finalized).min(vouchers(processed)),
                expires: expires(finalized).min(expires(processed)),
            },
            _ => OnChain::default(),
        };
        entry.state.lock().chain = chain;
    }

    /// Who pays for requests on an allowance.
    #[must_use]
    pub fn payer(&self, allowance: &AllowanceId) -> Option<Payer> {
        self.entry(allowance).map(|entry| entry.payer)
    }

    /// What an allowance can still take.
    #[must_use]
    pub fn balance(&self, allowance: &AllowanceId) -> Option<Balance> {
        self.entry(allowance).map(|entry| entry.state.lock().balance())
    }

    /// Sets `amount` aside until the guard is dropped.
    ///
    /// # Errors
    /// [`HoldError`]; nothing is held then.
    pub fn hold(&self, allowance: &AllowanceId, amount: FineAmount) -> Result<Hold, HoldError> {
        let entry = self.entry(allowance).ok_or(HoldError::Unknown(*allowance))?;
        entry.state.lock().take(allowance, amount, self.clock.now())?;
        Ok(Hold::new(entry, amount))
    }

    /// The same through a key, within what the key may do. `tokens` is the most the request may take.
    ///
    /// # Errors
    /// [`HoldError`]; nothing is held then.
    pub fn hold_through(
        &self,
        caller: &Caller,
        amount: FineAmount,
        tokens: u32,
    ) -> Result<Hold, HoldError> {
        let hold = self.hold(&caller.allowance(), amount)?;
        let key = caller.reserve(amount, tokens, self.clock.now())?;
        Ok(hold.through(key))
    }

    /// A receipt is durable: everything the allowance was charged is now `cumulative`. Never falls, so
    /// the order of calls does not matter.
    pub fn receipted(&self, allowance: &AllowanceId, cumulative: FineAmount) {
        if let Some(entry) = self.entry(allowance) {
            let mut state = entry.state.lock();
            state.receipted = state.receipted.max(cumulative);
        }
    }

    fn entry(&self, allowance: &AllowanceId) -> Option<Arc<Entry>> {
        self.entries.get(allowance).map(|entry| Arc::clone(&entry))
    }
}

impl Entry {
    /// Gives back what a hold took. Called by the hold alone, once.
    pub(super) fn release(&self, amount: FineAmount) {
        let mut state = self.state.lock();
        debug_assert!(state.held >= amount, "released more than was held");
        state.held = state.held.saturating_sub(amount);
    }
}

impl State {
    fn balance(&self) -> Balance {
        let chain = &self.chain;
        Balance {
            limit: chain
                .reserved
                .saturating_sub(chain.released)
                .saturating_sub(chain.pending_release)
                .min(chain.vouchers),
            // Debits are totals rounded up. The limit is whole too, so comparing the exact receipted
            // sum with it admits exactly what its rounded-up debit can still take.
            spent: self.receipted.max(chain.debited.to_fine()),
            held: self.held,
            expires: chain.known.then_some(chain.expires),
            reserved: chain.reserved,
            debited: chain.debited,
        }
    }

    fn take(
        &mut self,
        allowance: &AllowanceId,
        amount: FineAmount,
        now: UnixMillis,
    ) -> Result<(), HoldError> {
        let balance = self.balance();
        let expires = balance.expires.ok_or(HoldError::Unknown(*allowance))?;
        if now >= expires {
            return Err(HoldError::Expired(expires));
        }
        if balance.limit <= self.chain.debited && self.chain.pending_release > Amount::ZERO {
            return Err(HoldError::Released);
        }
        let available = balance.available();
        if available == FineAmount::ZERO && balance.held == FineAmount::ZERO {
            return Err(HoldError::Empty);
        }
        let held = self.held.checked_add(amount);
        match held {
            Some(held) if amount <= available => {
                self.held = held;
                Ok(())
            }
            _ => Err(HoldError::Exceeded { needed: amount, available }),
        }
    }
}

/// How far vouchers let debits go in all; without vouchers as far as is reserved.
fn vouchers(allowance: &Allowance) -> Amount {
    allowance.vouchers.map_or(Amount::MAX, |vouchers| vouchers.limit)
}

fn pending(allowance: &Allowance) -> Amount {
    allowance.pending_release.map_or(Amount::ZERO, |release| release.amount)
}

fn expires(allowance: &Allowance) -> UnixMillis {
    // Before 1970 is as expired as can be.
    let seconds = u64::try_from(allowance.expiry.0).unwrap_or(0);
    UnixMillis(seconds.saturating_mul(1000))
}
