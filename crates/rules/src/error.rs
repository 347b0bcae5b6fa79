//! Why a money rule refuses.

use core::fmt;

/// The first rule that does not hold. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// A sum does not fit in its unit.
    Overflow,
    /// More is asked for than there is.
    Insufficient,
    /// Too little time has passed, in slots, in seconds or in both.
    NotMatured,
    /// There is nothing to act on.
    Nothing,
    /// Stored counters contradict each other: more was spent than there ever was.
    Broken,
    /// A token balance did not change by exactly the amount that was moved.
    Inexact,
    /// A vault holds less than it owes.
    Uncovered,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overflow => "a sum does not fit",
            Self::Insufficient => "more is asked for than there is",
            Self::NotMatured => "the delay has not passed in slots and in time",
            Self::Nothing => "there is nothing to act on",
            Self::Broken => "stored counters contradict each other",
            Self::Inexact => "a balance did not change by exactly the amount moved",
            Self::Uncovered => "the vault holds less than it owes",
        })
    }
}

impl core::error::Error for RuleError {}
