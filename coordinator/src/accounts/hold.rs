//! Money set aside for one request.

use std::fmt;
use std::sync::Arc;

use pinaivu_protocol::units::FineAmount;

use super::allowance::{Entry, Payer};

/// A hold on an allowance, given back exactly once: when it is dropped, whatever becomes of the request.
///
/// It travels with the draft of the receipt and is dropped after the receipt is durable and
/// [`Accounts::receipted`](super::Accounts::receipted) has counted it, so that the money is never free
/// in between.
#[must_use = "dropping a hold releases it"]
pub struct Hold {
    entry: Arc<Entry>,
    amount: FineAmount,
}

impl Hold {
    pub(super) const fn new(entry: Arc<Entry>, amount: FineAmount) -> Self {
        Self { entry, amount }
    }

    /// Who pays.
    #[must_use]
    pub fn payer(&self) -> Payer {
        self.entry.payer
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
