//! What a vault owes, and that tokens moved exactly.

use pinaivu_protocol::units::Amount;

use crate::RuleError;

/// What one vault owes to all its claimants together. Its balance may be larger, since anyone can send
/// tokens to any token account; that surplus belongs to nobody and is never credited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Liability(pub Amount);

impl Liability {
    /// `amount` came in and is owed from now on.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn grow(&mut self, amount: Amount) -> Result<(), RuleError> {
        self.0 = self.0.checked_add(amount).ok_or(RuleError::Overflow)?;
        Ok(())
    }

    /// `amount` went out and is no longer owed.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when less was owed.
    pub fn shrink(&mut self, amount: Amount) -> Result<(), RuleError> {
        self.0 = self.0.checked_sub(amount).ok_or(RuleError::Broken)?;
        Ok(())
    }

    /// Whether a vault with this balance can pay everything it owes.
    ///
    /// # Errors
    /// [`RuleError::Uncovered`].
    pub fn covered_by(&self, balance: Amount) -> Result<(), RuleError> {
        if balance >= self.0 { Ok(()) } else { Err(RuleError::Uncovered) }
    }
}

/// Whether a balance grew by exactly `amount`.
///
/// # Errors
/// [`RuleError::Inexact`].
pub fn received_exactly(before: Amount, after: Amount, amount: Amount) -> Result<(), RuleError> {
    if before.checked_add(amount) == Some(after) { Ok(()) } else { Err(RuleError::Inexact) }
}

/// Whether a balance fell by exactly `amount`.
///
/// # Errors
/// [`RuleError::Inexact`].
pub fn sent_exactly(before: Amount, after: Amount, amount: Amount) -> Result<(), RuleError> {
    received_exactly(after, before, amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vault_with_a_surplus_is_covered_and_with_one_missing_is_not() {
        let owed = Liability(Amount(10));
        assert_eq!(owed.covered_by(Amount(11)), Ok(()));
        assert_eq!(owed.covered_by(Amount(10)), Ok(()));
        assert_eq!(owed.covered_by(Amount(9)), Err(RuleError::Uncovered));
    }

    #[test]
    fn liability_never_wraps() {
        let mut owed = Liability(Amount::MAX);
        assert_eq!(owed.grow(Amount(1)), Err(RuleError::Overflow));
        assert_eq!(owed.shrink(Amount::MAX), Ok(()));
        assert_eq!(owed.shrink(Amount(1)), Err(RuleError::Broken));
        assert_eq!(owed, Liability(Amount(0)));
    }

    #[test]
    fn transfer_that_loses_or_gains_a_unit_is_inexact() {
        assert_eq!(received_exactly(Amount(1), Amount(4), Amount(3)), Ok(()));
        assert_eq!(received_exactly(Amount(1), Amount(3), Amount(3)), Err(RuleError::Inexact));
        assert_eq!(received_exactly(Amount::MAX, Amount(0), Amount(1)), Err(RuleError::Inexact));
        assert_eq!(sent_exactly(Amount(4), Amount(1), Amount(3)), Ok(()));
        assert_eq!(sent_exactly(Amount(1), Amount(4), Amount(3)), Err(RuleError::Inexact));
    }
}
