//! A node's stake: what counts now, and what is on its way out.

use pinaivu_protocol::units::Amount;

use crate::{Delay, Moment, RuleError};

/// Stake in its two states. Both are owed to the operator and both can be slashed; only `active`
/// counts towards the minimum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stake {
    /// Counts towards the minimum.
    pub active: Amount,
    /// Waits for the delay.
    pub unbonding: Amount,
    /// When the newest part of `unbonding` was asked for; meaningless when there is none.
    pub since: Moment,
}

impl Stake {
    /// Everything owed to the operator.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn total(&self) -> Result<Amount, RuleError> {
        self.active.checked_add(self.unbonding).ok_or(RuleError::Overflow)
    }

    /// Adds stake.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn add(&mut self, amount: Amount) -> Result<(), RuleError> {
        self.total()?.checked_add(amount).ok_or(RuleError::Overflow)?;
        self.active = self.active.checked_add(amount).ok_or(RuleError::Overflow)?;
        Ok(())
    }

    /// Starts to take `amount` out. The wait starts again for everything already on its way, so that
    /// one clock is enough and nothing leaves sooner than it may.
    ///
    /// # Errors
    /// [`RuleError::Nothing`] for zero, [`RuleError::Insufficient`] when less is active.
    pub fn unbond(&mut self, amount: Amount, now: Moment) -> Result<(), RuleError> {
        if amount == Amount::ZERO {
            return Err(RuleError::Nothing);
        }
        let active = self.active.checked_sub(amount).ok_or(RuleError::Insufficient)?;
        self.unbonding = self.unbonding.checked_add(amount).ok_or(RuleError::Overflow)?;
        self.active = active;
        self.since = now;
        Ok(())
    }

    /// Takes out what has waited long enough; gives the amount.
    ///
    /// # Errors
    /// [`RuleError::Nothing`] when nothing waits, [`RuleError::NotMatured`] before the delay has passed.
    pub fn claim(&mut self, now: Moment, delay: Delay) -> Result<Amount, RuleError> {
        if self.unbonding == Amount::ZERO {
            return Err(RuleError::Nothing);
        }
        if !delay.has_passed(self.since, now) {
            return Err(RuleError::NotMatured);
        }
        let claimed = self.unbonding;
        *self = Self { active: self.active, ..Self::default() };
        Ok(claimed)
    }
}

impl Stake {
    /// Takes everything, what waits included; gives the amount.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn take_all(&mut self) -> Result<Amount, RuleError> {
        let total = self.total()?;
        *self = Self::default();
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use pinaivu_protocol::units::Slot;

    use super::*;
    use crate::UnixSeconds;

    const DELAY: Delay = Delay { slots: 10, seconds: 10 };

    const fn at(count: u64, seconds: i64) -> Moment {
        Moment { slot: Slot(count), time: UnixSeconds(seconds) }
    }

    #[test]
    fn unbonding_more_than_is_active_is_refused_and_changes_nothing() {
        let mut stake = Stake { active: Amount(5), ..Stake::default() };
        assert_eq!(stake.unbond(Amount(6), at(1, 1)), Err(RuleError::Insufficient));
        assert_eq!(stake.unbond(Amount(0), at(1, 1)), Err(RuleError::Nothing));
        assert_eq!(stake, Stake { active: Amount(5), ..Stake::default() });
    }

    #[test]
    fn unbonding_twice_restarts_the_wait_for_all() {
        let mut stake = Stake { active: Amount(5), ..Stake::default() };
        assert_eq!(stake.unbond(Amount(2), at(0, 0)), Ok(()));
        assert_eq!(stake.unbond(Amount(3), at(9, 9)), Ok(()));
        assert_eq!(stake.claim(at(18, 19), DELAY), Err(RuleError::NotMatured));
        assert_eq!(stake.claim(at(19, 18), DELAY), Err(RuleError::NotMatured));
        assert_eq!(stake.claim(at(19, 19), DELAY), Ok(Amount(5)));
        assert_eq!(stake.claim(at(99, 99), DELAY), Err(RuleError::Nothing));
        assert_eq!(stake.total(), Ok(Amount(0)));
    }

    #[test]
    fn stake_whose_total_does_not_fit_is_refused() {
        let mut stake = Stake { active: Amount(1), unbonding: Amount(1), since: at(0, 0) };
        let Amount(max) = Amount::MAX;
        assert_eq!(stake.add(Amount(max)), Err(RuleError::Overflow));
        assert_eq!(stake.active, Amount(1));
    }

    #[test]
    fn stake_taken_leaves_nothing_active_or_waiting() {
        let mut stake = Stake { active: Amount(5), unbonding: Amount(7), since: at(3, 4) };
        assert_eq!(stake.take_all(), Ok(Amount(12)));
        assert_eq!(stake, Stake::default());
        assert_eq!(stake.take_all(), Ok(Amount(0)));
        assert_eq!(stake.claim(at(99, 99), DELAY), Err(RuleError::Nothing));
    }
}
