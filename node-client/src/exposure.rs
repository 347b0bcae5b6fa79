//! How much work for one coordinator is not yet credited on chain.
//!
//! Two parts: what its newest receipt promises beyond the chain's credit, and what has no receipt yet.
//! The second part is counted before the coordinator's fee, so the whole is never too low. Amounts only;
//! what follows from them is [`crate::serving`]'s decision.

use pinaivu_protocol::units::{Amount, FineAmount};

/// What one coordinator owes, as far as this node knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Work without a receipt, before fees.
    pub unreceipted: FineAmount,
    /// Bytes the journal holds for that work.
    pub journaled_bytes: u64,
    /// The cumulative of the newest receipt.
    pub promised: FineAmount,
    /// The cumulative credit on chain, or what was paid where that is more.
    pub credited: Amount,
    /// What the coordinator's guarantee bond still stands for.
    pub guaranteed: Amount,
}

impl Exposure {
    /// Work was done and its proof journaled.
    pub const fn add(&mut self, amount: FineAmount, bytes: u64) {
        self.unreceipted = self.unreceipted.saturating_add(amount);
        self.journaled_bytes = self.journaled_bytes.saturating_add(bytes);
    }

    /// A journal entry ended, with or without a receipt.
    pub const fn release(&mut self, amount: FineAmount, bytes: u64) {
        self.unreceipted = self.unreceipted.saturating_sub(amount);
        self.journaled_bytes = self.journaled_bytes.saturating_sub(bytes);
    }

    /// A receipt promises `cumulative` in total. Never falls.
    pub fn promise(&mut self, cumulative: FineAmount) {
        self.promised = self.promised.max(cumulative);
    }

    /// The chain has credited, or paid out of the guarantee bond, `cumulative` in total. Never falls.
    pub fn credit(&mut self, cumulative: Amount) {
        self.credited = self.credited.max(cumulative);
    }

    /// What is not yet credited.
    #[must_use]
    pub const fn unpaid(&self) -> FineAmount {
        self.promised.saturating_sub(self.credited.to_fine()).saturating_add(self.unreceipted)
    }
}

#[cfg(test)]
mod tests {
    use pinaivu_protocol::units::{Amount, FineAmount};

    use super::Exposure;

    #[test]
    fn unpaid_is_promise_beyond_credit_plus_work_without_receipt() {
        let mut exposure = Exposure::default();
        exposure.add(FineAmount(700_000), 10);
        assert_eq!(exposure.unpaid(), FineAmount(700_000));
        exposure.release(FineAmount(700_000), 10);
        exposure.promise(FineAmount(3_500_000));
        exposure.promise(FineAmount(1));
        assert_eq!(exposure.unpaid(), FineAmount(3_500_000));
        exposure.credit(Amount(3));
        assert_eq!(exposure.unpaid(), FineAmount(500_000));
        // A credit beyond every promise that is known here does not hide new work.
        exposure.credit(Amount(9));
        exposure.add(FineAmount(5), 1);
        assert_eq!(exposure.unpaid(), FineAmount(5));
        assert_eq!(exposure.journaled_bytes, 1);
    }
}
