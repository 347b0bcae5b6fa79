//! Cumulative settlement: what a coordinator collected, handed to nodes and kept.
//!
//! All four totals only grow. `credited + fees ≤ debited` holds always; what is in `debited` and in
//! neither of the others is dust that stays in the pool, or money whose credit is still to come.

use pinaivu_protocol::receipt::fee_floor;
use pinaivu_protocol::units::{Amount, Bps};

use crate::RuleError;

/// How far a stored cumulative moves towards `asked`, when at most `room` may be added: nothing when
/// `asked` is stale (not above `stored`), what is there when it is more than that.
///
/// The result added to `stored` never exceeds `asked`, so it always fits.
#[must_use]
pub fn advance(stored: Amount, asked: Amount, room: Amount) -> Amount {
    asked.saturating_sub(stored).min(room)
}

/// The most a coordinator may keep of `debited` at `rate`: rounded **down**.
///
/// # Errors
/// [`RuleError::Broken`] when the rate is above one whole.
pub fn fee_limit(debited: Amount, rate: Bps) -> Result<Amount, RuleError> {
    // Rounding down twice is rounding down once: ⌊⌊d·10⁶·r/10⁴⌋ / 10⁶⌋ = ⌊d·r/10⁴⌋.
    fee_floor(debited.to_fine(), rate)
        .and_then(pinaivu_protocol::units::FineAmount::to_amount_floor)
        .ok_or(RuleError::Broken)
}

/// A coordinator's totals, all cumulative over its whole life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken from allowances.
    pub debited: Amount,
    /// Promised to nodes, for good.
    pub credited: Amount,
    /// Kept by the coordinator.
    pub fees: Amount,
    /// Part of `fees` that was paid out.
    pub fees_paid: Amount,
}

impl Totals {
    /// What was debited and is neither credited nor kept.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when more was given away than was debited.
    pub fn undistributed(&self) -> Result<Amount, RuleError> {
        self.debited
            .checked_sub(self.credited)
            .and_then(|rest| rest.checked_sub(self.fees))
            .ok_or(RuleError::Broken)
    }

    /// Counts `taken` from an allowance.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn debit(&mut self, taken: Amount) -> Result<(), RuleError> {
        self.debited = self.debited.checked_add(taken).ok_or(RuleError::Overflow)?;
        Ok(())
    }

    /// Credits a node whose stored cumulative is `stored` up to `asked`, with what is there. Gives
    /// what the node's credit grows by.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the totals contradict each other.
    pub fn credit(&mut self, stored: Amount, asked: Amount) -> Result<Amount, RuleError> {
        let given = advance(stored, asked, self.undistributed()?);
        self.credited = self.credited.checked_add(given).ok_or(RuleError::Broken)?;
        Ok(given)
    }

    /// Raises the fees up to `asked`, within [`fee_limit`] and what is there. Gives what they grow by.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the totals contradict each other or the rate is above one whole.
    pub fn keep(&mut self, asked: Amount, rate: Bps) -> Result<Amount, RuleError> {
        let allowed = asked.min(fee_limit(self.debited, rate)?);
        let kept = advance(self.fees, allowed, self.undistributed()?);
        self.fees = self.fees.checked_add(kept).ok_or(RuleError::Broken)?;
        Ok(kept)
    }

    /// Takes out every fee not yet paid; gives the amount.
    ///
    /// # Errors
    /// [`RuleError::Nothing`] when all are paid, [`RuleError::Broken`] when more was paid than kept.
    pub fn pay_fees(&mut self) -> Result<Amount, RuleError> {
        let due = self.fees.checked_sub(self.fees_paid).ok_or(RuleError::Broken)?;
        if due == Amount::ZERO {
            return Err(RuleError::Nothing);
        }
        self.fees_paid = self.fees;
        Ok(due)
    }

    /// Whether the totals can be true at all.
    ///
    /// # Errors
    /// [`RuleError::Broken`].
    pub fn check(&self) -> Result<(), RuleError> {
        self.undistributed()?;
        self.fees.checked_sub(self.fees_paid).map(|_| ()).ok_or(RuleError::Broken)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    #![expect(clippy::arithmetic_side_effects, reason = "tests compute expectations freely")]
    #![expect(clippy::integer_division, reason = "the independent formula of the fee limit")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cumulative_that_is_stale_or_equal_advances_by_nothing() {
        assert_eq!(advance(Amount(5), Amount(4), Amount(9)), Amount(0));
        assert_eq!(advance(Amount(5), Amount(5), Amount(9)), Amount(0));
        assert_eq!(advance(Amount(5), Amount(0), Amount::MAX), Amount(0));
    }

    #[test]
    fn cumulative_beyond_the_room_takes_what_is_there() {
        assert_eq!(advance(Amount(5), Amount(15), Amount(9)), Amount(9));
        assert_eq!(advance(Amount(5), Amount(14), Amount(9)), Amount(9));
        assert_eq!(advance(Amount(5), Amount(13), Amount(9)), Amount(8));
        assert_eq!(advance(Amount::ZERO, Amount::MAX, Amount::MAX), Amount::MAX);
        assert_eq!(advance(Amount::ZERO, Amount::MAX, Amount::ZERO), Amount::ZERO);
    }

    #[test]
    fn fee_limit_rounds_down_and_reaches_the_whole() {
        assert_eq!(fee_limit(Amount(9_999), Bps(1)), Ok(Amount(0)));
        assert_eq!(fee_limit(Amount(10_000), Bps(1)), Ok(Amount(1)));
        assert_eq!(fee_limit(Amount(19_999), Bps(1)), Ok(Amount(1)));
        assert_eq!(fee_limit(Amount::MAX, Bps(10_000)), Ok(Amount::MAX));
        assert_eq!(fee_limit(Amount::MAX, Bps(0)), Ok(Amount::ZERO));
        assert_eq!(fee_limit(Amount(1), Bps(10_001)), Err(RuleError::Broken));
    }

    #[test]
    fn nodes_when_the_pool_is_short_come_before_fees() {
        let mut totals = Totals { debited: Amount(100), ..Totals::default() };
        assert_eq!(totals.credit(Amount(0), Amount(95)), Ok(Amount(95)));
        assert_eq!(totals.keep(Amount(10), Bps(1_000)), Ok(Amount(5)));
        assert_eq!(totals.credit(Amount(0), Amount(1)), Ok(Amount(0)));
        assert_eq!(totals.undistributed(), Ok(Amount(0)));
    }

    #[test]
    fn fees_paid_twice_pay_nothing() {
        let mut totals = Totals { debited: Amount(100), ..Totals::default() };
        assert_eq!(totals.pay_fees(), Err(RuleError::Nothing));
        assert_eq!(totals.keep(Amount(7), Bps(700)), Ok(Amount(7)));
        assert_eq!(totals.pay_fees(), Ok(Amount(7)));
        assert_eq!(totals.pay_fees(), Err(RuleError::Nothing));
    }

    #[test]
    fn totals_that_contradict_each_other_are_refused() {
        let over = Totals { debited: Amount(1), credited: Amount(2), ..Totals::default() };
        assert_eq!(over.check(), Err(RuleError::Broken));
        let paid = Totals {
            debited: Amount(9),
            fees: Amount(1),
            fees_paid: Amount(2),
            ..Totals::default()
        };
        assert_eq!(paid.check(), Err(RuleError::Broken));
        let mut full = Totals { debited: Amount::MAX, ..Totals::default() };
        assert_eq!(full.debit(Amount(1)), Err(RuleError::Overflow));
    }

    proptest! {
        #[test]
        fn fee_limit_equals_the_plain_formula(debited: u64, rate in 0_u16..=10_000) {
            let plain = u128::from(debited) * u128::from(rate) / 10_000;
            prop_assert_eq!(u128::from(fee_limit(Amount(debited), Bps(rate)).unwrap().0), plain);
        }

        #[test]
        fn settlement_of_any_entries_never_gives_more_than_it_took(
            steps in proptest::collection::vec((0_u8..4, 0_usize..4, 0_u64..5_000), 0..200),
            rate in 0_u16..=10_000,
        ) {
            let mut totals = Totals::default();
            let mut nodes = [0_u64; 4];
            for (kind, node, value) in steps {
                let before = totals;
                match kind {
                    0 => totals.debit(Amount(value)).unwrap(),
                    1 => {
                        let stored = nodes.get_mut(node).unwrap();
                        let given = totals.credit(Amount(*stored), Amount(value)).unwrap();
                        *stored += given.0;
                        prop_assert!(given.0 == 0 || *stored <= value);
                    }
                    2 => { totals.keep(Amount(value), Bps(rate)).unwrap(); }
                    _ => { let _ = totals.pay_fees(); }
                }
                prop_assert!(totals.credited >= before.credited && totals.fees >= before.fees);
                prop_assert!(totals.credited.0 + totals.fees.0 <= totals.debited.0);
                prop_assert_eq!(totals.credited.0, nodes.iter().sum::<u64>());
                prop_assert!(totals.fees.0 <= fee_limit(totals.debited, Bps(rate)).unwrap().0);
                prop_assert!(totals.fees_paid <= totals.fees);
                prop_assert_eq!(totals.check(), Ok(()));
            }
        }
    }
}
