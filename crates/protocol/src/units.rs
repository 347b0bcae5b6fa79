//! Units of money, tokens and time as types, so that only meaningful arithmetic compiles.
//!
//! Money has two units. [`Amount`] is what the chain moves: millionths of a USDC (the mint's six
//! decimals). [`FineAmount`] is what receipts count: millionths of an [`Amount`], so that one token at
//! a price per million tokens is a whole number and nothing is rounded before totals are settled.
//! Users pay totals rounded up, nodes are paid totals rounded down; the rest stays in the pool.

use core::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

/// How many [`FineAmount`] units make one [`Amount`] unit.
pub const FINE_PER_AMOUNT: u128 = 1_000_000;

/// Basis points in a whole.
pub const BPS_DENOMINATOR: u16 = 10_000;

macro_rules! integer_unit {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize,
            BorshDeserialize,
        )]
        #[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
        pub struct $name(pub $inner);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// The largest value the unit can hold.
            pub const MAX: Self = Self(<$inner>::MAX);

            /// The bare number, for display and encoding.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }

            /// The sum, or nothing when it does not fit.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The difference, or nothing when `other` is larger.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }

            /// The difference, or zero when `other` is larger.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The sum, or [`Self::MAX`] when it does not fit.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

integer_unit! {
    /// Money as the chain moves it: millionths of a USDC.
    Amount(u64)
}
integer_unit! {
    /// Money as receipts count it: millionths of an [`Amount`], 10⁻¹² USDC.
    FineAmount(u128)
}
integer_unit! {
    /// A price: [`Amount`] for one million weighted tokens, which is [`FineAmount`] for one.
    TokenPrice(u64)
}
integer_unit! {
    /// A number of model tokens.
    TokenCount(u32)
}
integer_unit! {
    /// A Solana slot.
    Slot(u64)
}
integer_unit! {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMillis(u64)
}
integer_unit! {
    /// Hundredths of a percent.
    Bps(u16)
}

impl FineAmount {
    /// The chain amount that covers this one: rounded **up**. What a user owes for a total.
    /// Nothing when it does not fit in an [`Amount`].
    #[must_use]
    pub const fn to_amount_ceil(self) -> Option<Amount> {
        let whole = self.0.div_ceil(FINE_PER_AMOUNT);
        narrow(whole)
    }

    /// The chain amount this one covers: rounded **down**. What a node or the fee receives for a
    /// total. Nothing when it does not fit in an [`Amount`].
    #[must_use]
    pub const fn to_amount_floor(self) -> Option<Amount> {
        // Rounds down: payees get whole units only, the rest stays in the pool.
        #[expect(
            clippy::integer_division,
            reason = "rounds down on purpose, named in the function"
        )]
        narrow(self.0 / FINE_PER_AMOUNT)
    }
}

const fn narrow(whole: u128) -> Option<Amount> {
    if whole > u64::MAX as u128 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the check above")]
    Some(Amount(whole as u64))
}

impl Amount {
    /// This amount in the finer unit; always exact.
    #[must_use]
    pub const fn to_fine(self) -> FineAmount {
        // u64::MAX × 10⁶ < 2⁸⁴, far inside u128.
        FineAmount((self.0 as u128).saturating_mul(FINE_PER_AMOUNT))
    }

    /// As dollars with six decimals, for people: `1.250000`.
    #[must_use]
    pub fn to_usdc_string(self) -> String {
        #[expect(
            clippy::integer_division,
            reason = "splits into whole and fraction, both are shown"
        )]
        let whole = self.0 / 1_000_000;
        format!("{whole}.{:06}", self.0 % 1_000_000)
    }
}

/// What one request costs: the clearing price and how a model's tokens weigh.
///
/// A model fixes the two weights, so that an ask is a single number and asks compare as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct Tariff {
    /// Price of one million weighted tokens.
    pub price: TokenPrice,
    /// Weight of one prompt token.
    pub input_weight: u16,
    /// Weight of one generated token.
    pub output_weight: u16,
}

impl Tariff {
    /// `price × (input × input_weight + output × output_weight)`, exact in the fine unit.
    ///
    /// Cannot overflow: the weighted sum is below 2⁴⁹, the product below 2¹¹³.
    #[must_use]
    pub const fn amount(&self, input: TokenCount, output: TokenCount) -> FineAmount {
        let weighted = (input.0 as u128)
            .saturating_mul(self.input_weight as u128)
            .saturating_add((output.0 as u128).saturating_mul(self.output_weight as u128));
        FineAmount(weighted.saturating_mul(self.price.0 as u128))
    }
}
