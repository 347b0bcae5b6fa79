//! What a coordinator's bond advances to a node that is not credited, and how later credit pays it back.
//!
//! A node's money comes out of two vaults under one counter, `paid`. The pool of debits pays what is
//! *credited*; the guarantee bond *advances* what a demand shows beyond that. Later credit counts first
//! for what was already paid, so it goes back to the bond and nobody is paid twice:
//!
//! | | |
//! |---|---|
//! | the pool has given | `paid − advanced`, at most `credited` |
//! | a claim pays the node | `credited − paid`, if positive |
//! | a refill pays the bond | the smaller of `advanced` and `credited − (paid − advanced)` |
//! | a demand pays the node | `demanded − paid` once nothing is left to claim, at most `guarantee − advanced` |

use pinaivu_protocol::units::Amount;

use crate::RuleError;

/// One coordinator's debt to one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Debt {
    /// Ever credited.
    pub credited: Amount,
    /// Ever paid to the node, from either vault.
    pub paid: Amount,
    /// Part of `paid` that the bond advanced and was not given back yet.
    pub advanced: Amount,
    /// The most the bond may have advanced at one time.
    pub guarantee: Amount,
}

impl Debt {
    /// What the pool has given, to the node or back to the bond.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the counters contradict each other.
    pub fn from_pool(&self) -> Result<Amount, RuleError> {
        self.paid.checked_sub(self.advanced).ok_or(RuleError::Broken)
    }

    /// What the pool still owes for this node, whoever gets it.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the counters contradict each other.
    pub fn owed_by_pool(&self) -> Result<Amount, RuleError> {
        self.credited.checked_sub(self.from_pool()?).ok_or(RuleError::Broken)
    }

    /// What a claim pays the node.
    #[must_use]
    pub fn claimable(&self) -> Amount {
        self.credited.saturating_sub(self.paid)
    }

    /// What credit has come to give back to the bond.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when the counters contradict each other.
    pub fn refillable(&self) -> Result<Amount, RuleError> {
        Ok(self.advanced.min(self.owed_by_pool()?))
    }

    /// What the bond may still advance.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when it has advanced more than the guarantee.
    pub fn capacity(&self) -> Result<Amount, RuleError> {
        self.guarantee.checked_sub(self.advanced).ok_or(RuleError::Broken)
    }

    /// What the node has, or can have by a claim: a demand for no more than this is for nothing.
    #[must_use]
    pub fn covered(&self) -> Amount {
        self.credited.max(self.paid)
    }

    /// Pays what is credited and not paid; gives the amount.
    ///
    /// # Errors
    /// [`RuleError::Nothing`].
    pub fn claim(&mut self) -> Result<Amount, RuleError> {
        let due = self.claimable();
        if due == Amount::ZERO {
            return Err(RuleError::Nothing);
        }
        self.paid = self.credited;
        Ok(due)
    }

    /// Advances towards the cumulative `demanded` what the guarantee allows; gives the amount, which
    /// may be nothing. What is credited must be claimed before, else it would be advanced instead.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when something is claimable or the counters contradict each other.
    pub fn advance(&mut self, demanded: Amount) -> Result<Amount, RuleError> {
        if self.claimable() > Amount::ZERO {
            return Err(RuleError::Broken);
        }
        let given = demanded.saturating_sub(self.paid).min(self.capacity()?);
        let paid = self.paid.checked_add(given).ok_or(RuleError::Broken)?;
        self.advanced = self.advanced.checked_add(given).ok_or(RuleError::Broken)?;
        self.paid = paid;
        Ok(given)
    }

    /// Gives credit back to the bond; the amount.
    ///
    /// # Errors
    /// [`RuleError::Nothing`], [`RuleError::Broken`] when the counters contradict each other.
    pub fn refill(&mut self) -> Result<Amount, RuleError> {
        let given = self.refillable()?;
        if given == Amount::ZERO {
            return Err(RuleError::Nothing);
        }
        self.advanced = self.advanced.checked_sub(given).ok_or(RuleError::Broken)?;
        Ok(given)
    }

    /// Whether the counters can be true at all.
    ///
    /// # Errors
    /// [`RuleError::Broken`].
    pub fn check(&self) -> Result<(), RuleError> {
        self.owed_by_pool()?;
        self.capacity().map(|_| ())
    }
}

/// A coordinator's guarantee bond and what it stands for. `promised ≤ bond` always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backing {
    /// What the bond holds, on its way out not included.
    pub bond: Amount,
    /// Σ over nodes of what the bond may still advance.
    pub promised: Amount,
    /// Σ over nodes of what it has advanced.
    pub advanced: Amount,
}

impl Backing {
    /// Promises `amount` more.
    ///
    /// # Errors
    /// [`RuleError::Insufficient`] when the bond does not cover it.
    pub fn promise(&mut self, amount: Amount) -> Result<(), RuleError> {
        let promised = self.promised.checked_add(amount).ok_or(RuleError::Insufficient)?;
        if promised > self.bond {
            return Err(RuleError::Insufficient);
        }
        self.promised = promised;
        Ok(())
    }

    /// Promises `amount` less.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when less was promised.
    pub fn release(&mut self, amount: Amount) -> Result<(), RuleError> {
        self.promised = self.promised.checked_sub(amount).ok_or(RuleError::Broken)?;
        Ok(())
    }

    /// Pays `amount` of what was promised.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when less was promised or is there.
    pub fn pay(&mut self, amount: Amount) -> Result<(), RuleError> {
        let bond = self.bond.checked_sub(amount).ok_or(RuleError::Broken)?;
        let promised = self.promised.checked_sub(amount).ok_or(RuleError::Broken)?;
        let advanced = self.advanced.checked_add(amount).ok_or(RuleError::Overflow)?;
        *self = Self { bond, promised, advanced };
        Ok(())
    }

    /// Takes back `amount` of what was paid; the promise stands again.
    ///
    /// # Errors
    /// [`RuleError::Broken`] when less was paid, [`RuleError::Overflow`].
    pub fn refill(&mut self, amount: Amount) -> Result<(), RuleError> {
        let advanced = self.advanced.checked_sub(amount).ok_or(RuleError::Broken)?;
        let bond = self.bond.checked_add(amount).ok_or(RuleError::Overflow)?;
        let promised = self.promised.checked_add(amount).ok_or(RuleError::Overflow)?;
        *self = Self { bond, promised, advanced };
        Ok(())
    }

    /// Whether the bond covers what was promised.
    ///
    /// # Errors
    /// [`RuleError::Broken`].
    pub fn check(&self) -> Result<(), RuleError> {
        if self.promised <= self.bond { Ok(()) } else { Err(RuleError::Broken) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    #![expect(clippy::arithmetic_side_effects, reason = "tests compute expectations freely")]

    use proptest::prelude::*;

    use super::*;

    const fn debt(credited: u64, paid: u64, advanced: u64, guarantee: u64) -> Debt {
        Debt {
            credited: Amount(credited),
            paid: Amount(paid),
            advanced: Amount(advanced),
            guarantee: Amount(guarantee),
        }
    }

    #[test]
    fn demand_beyond_credit_is_advanced_and_later_credit_goes_to_the_bond_first() {
        let mut it = debt(10, 10, 0, 8);
        assert_eq!(it.advance(Amount(15)), Ok(Amount(5)));
        assert_eq!(it, debt(10, 15, 5, 8));
        assert_eq!(it.claim(), Err(RuleError::Nothing));
        assert_eq!(it.refill(), Err(RuleError::Nothing));
        it.credited = Amount(13);
        assert_eq!(it.claim(), Err(RuleError::Nothing));
        assert_eq!(it.refill(), Ok(Amount(3)));
        it.credited = Amount(20);
        assert_eq!(it.claim(), Ok(Amount(5)));
        assert_eq!(it.refill(), Ok(Amount(2)));
        assert_eq!(it, debt(20, 20, 0, 8));
    }

    #[test]
    fn demand_beyond_the_guarantee_is_advanced_up_to_it_once() {
        let mut it = debt(0, 0, 0, 8);
        assert_eq!(it.advance(Amount(u64::MAX)), Ok(Amount(8)));
        assert_eq!(it.advance(Amount(u64::MAX)), Ok(Amount(0)));
        assert_eq!(it, debt(0, 8, 8, 8));
    }

    #[test]
    fn demand_for_what_is_credited_or_paid_gives_nothing() {
        let mut it = debt(10, 10, 0, 8);
        assert_eq!((it.covered(), it.advance(Amount(10))), (Amount(10), Ok(Amount(0))));
        let mut unclaimed = debt(10, 3, 0, 8);
        assert_eq!(unclaimed.advance(Amount(20)), Err(RuleError::Broken));
        assert_eq!(debt(10, 13, 3, 8).covered(), Amount(13));
    }

    #[test]
    fn counters_that_contradict_each_other_are_refused() {
        assert_eq!(debt(5, 6, 0, 9).check(), Err(RuleError::Broken));
        assert_eq!(debt(5, 6, 1, 9).check(), Ok(()));
        assert_eq!(debt(5, 6, 7, 9).check(), Err(RuleError::Broken));
        assert_eq!(debt(5, 6, 2, 1).check(), Err(RuleError::Broken));
        let over = Backing { bond: Amount(1), promised: Amount(2), advanced: Amount(0) };
        assert_eq!(over.check(), Err(RuleError::Broken));
    }

    #[test]
    fn bond_promises_no_more_than_it_holds() {
        let mut bond = Backing { bond: Amount(10), ..Backing::default() };
        assert_eq!(bond.promise(Amount(10)), Ok(()));
        assert_eq!(bond.promise(Amount(1)), Err(RuleError::Insufficient));
        assert_eq!(bond.promise(Amount::MAX), Err(RuleError::Insufficient));
        assert_eq!(bond.pay(Amount(11)), Err(RuleError::Broken));
        assert_eq!(bond.pay(Amount(4)), Ok(()));
        assert_eq!(bond.promise(Amount(1)), Err(RuleError::Insufficient));
        assert_eq!(bond.refill(Amount(5)), Err(RuleError::Broken));
        assert_eq!(bond.refill(Amount(4)), Ok(()));
        assert_eq!(bond.release(Amount(11)), Err(RuleError::Broken));
        assert_eq!(bond.release(Amount(10)), Ok(()));
        assert_eq!(bond, Backing { bond: Amount(10), ..Backing::default() });
        let mut full = Backing { bond: Amount::MAX, promised: Amount(0), advanced: Amount(1) };
        assert_eq!(full.refill(Amount(1)), Err(RuleError::Overflow));
    }

    proptest! {
        /// Any order of credits, claims, demands, refills and new guarantees, for three nodes of one
        /// bond: what nodes got is never more than the larger of credit and demand, and every unit is
        /// somewhere.
        #[test]
        fn money_under_any_steps_is_neither_made_nor_paid_twice(
            steps in proptest::collection::vec((0_u8..6, 0_usize..3, 0_u64..500), 0..200),
        ) {
            let mut backing = Backing { bond: Amount(1_000), ..Backing::default() };
            let mut nodes = [Debt::default(); 3];
            let mut got = [0_u64; 3];
            let mut most = [0_u64; 3];
            let mut returned = [0_u64; 3];
            for (kind, at, value) in steps {
                let node = &mut nodes[at];
                match kind {
                    0 => {
                        node.credited = node.credited.max(Amount(value));
                        most[at] = most[at].max(value);
                    }
                    1 => got[at] += node.claim().unwrap_or_default().0,
                    2 => {
                        got[at] += node.claim().unwrap_or_default().0;
                        let given = node.advance(Amount(value)).unwrap();
                        backing.pay(given).unwrap();
                        got[at] += given.0;
                        most[at] = most[at].max(value);
                    }
                    3 => if let Ok(given) = node.refill() {
                        backing.refill(given).unwrap();
                        returned[at] += given.0;
                    },
                    4 => if backing.promise(Amount(value)).is_ok() {
                        node.guarantee.0 += value;
                    },
                    _ => {
                        let lower = Amount(value).max(node.advanced).min(node.guarantee);
                        backing.release(Amount(node.guarantee.0 - lower.0)).unwrap();
                        node.guarantee = lower;
                    }
                }
                prop_assert_eq!(nodes[at].check(), Ok(()));
                prop_assert_eq!(backing.check(), Ok(()));
                prop_assert!(got[at] <= most[at], "paid beyond credit and demand");
                prop_assert_eq!(nodes[at].paid.0, got[at]);
                // The pool has given what nodes got and the bond did not, and never beyond credit.
                let pool = nodes[at].from_pool().unwrap().0;
                prop_assert_eq!(pool, got[at] - nodes[at].advanced.0);
                prop_assert!(pool <= nodes[at].credited.0);
                let advanced: u64 = nodes.iter().map(|node| node.advanced.0).sum();
                prop_assert_eq!(backing.advanced.0, advanced);
                prop_assert_eq!(backing.bond.0 + advanced, 1_000);
                let promised: u64 = nodes.iter().map(|node| node.capacity().unwrap().0).sum();
                prop_assert_eq!(backing.promised.0, promised);
            }
        }
    }
}
