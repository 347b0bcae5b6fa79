//! Money set aside for one request.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use pinaivu_protocol::units::FineAmount;

use super::allowance::{Entry, Payer};
use super::keys::KeyHold;

/// A hold on an allowance, given back exactly once: when it is dropped, whatever becomes of the request.
///
/// It travels with the draft of the receipt and is dropped after the receipt is durable and
/// [`Accounts::receipted`](super::Accounts::receipted) has counted it, so that the money is never free
/// in between. However many parts a request is answered in, all of them together are charged at most what
/// is held, and its prompt once.
#[must_use = "dropping a hold releases it"]
pub struct Hold {
    entry: Arc<Entry>,
    amount: FineAmount,
    key: Option<KeyHold>,
    charged: Mutex<Charged>,
}

/// What has been charged against a hold.
#[derive(Default)]
struct Charged {
    amount: FineAmount,
    prompt: bool,
}

impl Hold {
    pub(super) fn new(entry: Arc<Entry>, amount: FineAmount) -> Self {
        Self { entry, amount, key: None, charged: Mutex::default() }
    }

    /// The same money, held through a key as well.
    pub(super) fn through(mut self, key: KeyHold) -> Self {
        self.key = Some(key);
        self
    }

    /// Who pays.
    #[must_use]
    pub fn payer(&self) -> Payer {
        match &self.key {
            None => self.entry.payer,
            Some(key) => {
                let (id, handle) = key.key();
                Payer { handle, api_key: Some(id), ..self.entry.payer }
            }
        }
    }

    /// Charges up to `amount`; gives how much of it was left.
    #[must_use]
    pub fn charge(&self, amount: FineAmount) -> FineAmount {
        let mut charged = self.charged.lock();
        let granted = amount.min(self.amount.saturating_sub(charged.amount));
        // At most what is held: cannot overflow.
        charged.amount = FineAmount(charged.amount.0.saturating_add(granted.0));
        granted
    }

    /// Whether the request's prompt was not charged before; from now on it was.
    #[must_use]
    pub fn charge_prompt(&self) -> bool {
        !std::mem::replace(&mut self.charged.lock().prompt, true)
    }

    /// How much is set aside.
    #[must_use]
    pub const fn amount(&self) -> FineAmount {
        self.amount
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.entry.release(self.amount);
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({} on {})", self.amount, self.entry.payer.allowance)
    }
}
