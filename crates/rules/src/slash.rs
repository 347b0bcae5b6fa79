//! How a slashed bond or stake is divided.

use pinaivu_protocol::receipt::fee_floor;
use pinaivu_protocol::units::{Amount, Bps, FineAmount};

use crate::RuleError;

/// The reporter's part of what is slashed. Never above one half, so that whoever reports himself, in
/// order to get ahead of another's report, loses at least half.
pub const REPORTER_SHARE: Bps = Bps(2_500);

/// A slashed amount, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slashed {
    /// Paid to the reporter: rounded **down**.
    pub reporter: Amount,
    /// Burned: the rest.
    pub burned: Amount,
}

/// Divides `total`.
///
/// # Errors
/// [`RuleError::Broken`], never for a share below one whole.
pub fn slash(total: Amount) -> Result<Slashed, RuleError> {
    let part = fee_floor(FineAmount(u128::from(total.0)), REPORTER_SHARE);
    let reporter = part.and_then(|part| u64::try_from(part.0).ok()).ok_or(RuleError::Broken)?;
    let burned = total.checked_sub(Amount(reporter)).ok_or(RuleError::Broken)?;
    Ok(Slashed { reporter: Amount(reporter), burned })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    #![expect(clippy::arithmetic_side_effects, reason = "tests compute expectations freely")]
    #![expect(clippy::integer_division, reason = "the independent formula of the share")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slash_of_little_is_burned_and_of_nothing_gives_nothing() {
        let parts = |total| slash(Amount(total)).map(|it| (it.reporter.0, it.burned.0));
        assert_eq!(parts(0), Ok((0, 0)));
        assert_eq!(parts(3), Ok((0, 3)));
        assert_eq!(parts(4), Ok((1, 3)));
        assert_eq!(parts(7), Ok((1, 6)));
        assert_eq!(parts(u64::MAX), Ok((u64::MAX / 4, u64::MAX - u64::MAX / 4)));
    }

    proptest! {
        #[test]
        fn slash_reported_by_its_own_victim_costs_at_least_half(total: u64) {
            let parts = slash(Amount(total)).unwrap();
            prop_assert_eq!(u128::from(parts.reporter.0) + u128::from(parts.burned.0), u128::from(total));
            prop_assert!(parts.reporter.0 <= total / 2);
            prop_assert!(total == 0 || parts.burned.0 > 0);
        }
    }
}
