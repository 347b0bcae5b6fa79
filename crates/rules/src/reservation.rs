//! Money an owner set aside for one coordinator.

use pinaivu_protocol::units::Amount;

use crate::{RuleError, advance};

/// The three counters of an allowance. All only grow, and `released + debited ≤ reserved`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// Ever set aside.
    pub reserved: Amount,
    /// Ever given back to the owner's side.
    pub released: Amount,
    /// Ever taken by the coordinator.
    pub debited: Amount,
}

impl Reservation {
    /// What is still set aside: `reserved − released − debited`.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the counters contradict each other.
    pub fn remaining(&self) -> Result<Amount, RuleError> {
        self.reserved
            .checked_sub(self.released)
            .and_then(|rest| rest.checked_sub(self.debited))
            .ok_or(RuleError::Broken)
    }

    /// Sets `amount` more aside.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn raise(&mut self, amount: Amount) -> Result<(), RuleError> {
        self.reserved = self.reserved.checked_add(amount).ok_or(RuleError::Overflow)?;
        Ok(())
    }

    /// Debits up to the cumulative `asked`, with what is there; gives what was taken.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the counters contradict each other.
    pub fn debit(&mut self, asked: Amount) -> Result<Amount, RuleError> {
        let taken = advance(self.debited, asked, self.remaining()?);
        self.debited = self.debited.checked_add(taken).ok_or(RuleError::Broken)?;
        Ok(taken)
    }

    /// Gives back `asked`, or what is there when that is less; gives the amount.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the counters contradict each other.
    pub fn release(&mut self, asked: Amount) -> Result<Amount, RuleError> {
        let given = asked.min(self.remaining()?);
        self.released = self.released.checked_add(given).ok_or(RuleError::Broken)?;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    #![expect(clippy::arithmetic_side_effects, reason = "tests compute expectations freely")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debit_beyond_the_reservation_takes_what_is_there() {
        let mut allowance =
            Reservation { reserved: Amount(100), released: Amount(30), debited: Amount(50) };
        assert_eq!(allowance.debit(Amount(200)), Ok(Amount(20)));
        assert_eq!(allowance.debited, Amount(70));
        assert_eq!(allowance.debit(Amount(200)), Ok(Amount(0)));
    }

    #[test]
    fn release_after_a_debit_gives_only_the_rest() {
        let mut allowance = Reservation { reserved: Amount(100), ..Reservation::default() };
        assert_eq!(allowance.debit(Amount(80)), Ok(Amount(80)));
        assert_eq!(allowance.release(Amount(50)), Ok(Amount(20)));
        assert_eq!(allowance.release(Amount(50)), Ok(Amount(0)));
        assert_eq!(allowance.remaining(), Ok(Amount(0)));
    }

    #[test]
    fn counters_that_contradict_each_other_are_refused() {
        let broken = Reservation { reserved: Amount(5), released: Amount(3), debited: Amount(3) };
        assert_eq!(broken.remaining(), Err(RuleError::Broken));
        let mut full = Reservation { reserved: Amount::MAX, ..Reservation::default() };
        assert_eq!(full.raise(Amount(1)), Err(RuleError::Overflow));
        assert_eq!(full.debit(Amount::MAX), Ok(Amount::MAX));
    }

    proptest! {
        #[test]
        fn reservation_under_any_steps_neither_makes_nor_loses_money(
            steps in proptest::collection::vec((0_u8..3, 0_u64..1_000), 0..100),
        ) {
            let mut allowance = Reservation::default();
            let (mut paid_in, mut taken, mut back) = (0_u64, 0_u64, 0_u64);
            for (kind, value) in steps {
                match kind {
                    0 => { allowance.raise(Amount(value)).unwrap(); paid_in += value; }
                    1 => taken += allowance.debit(Amount(value)).unwrap().0,
                    _ => back += allowance.release(Amount(value)).unwrap().0,
                }
                prop_assert_eq!(allowance.remaining().unwrap().0, paid_in - taken - back);
            }
        }
    }
}
