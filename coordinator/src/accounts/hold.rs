//! Money set aside for one request.

use std::fmt;
use std::sync::Arc;

use pinaivu_protocol::units::FineAmount;

use super::allowance::{Entry, Payer};
use super::keys::KeyHold;

/// A hold on an allowance, given back exactly once: when it is dropped, whatever becomes of the request.
///
/// It travels with the draft of the receipt and is dropped after the receipt is durable and
/// [`Accounts::receipted`](super::Accounts::receipted) has counted it, so that the money is never free
/// in between.
#[must_use = "dropping a hold releases it"]
pub struct Hold {
    entry: Arc<Entry>,
    amount: FineAmount,
    key: Option<KeyHold>,
}

impl Hold {
    pub(super) const fn new(entry: Arc<Entry>, amount: FineAmount) -> Self {
        Self { entry, amount, key: None }
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
