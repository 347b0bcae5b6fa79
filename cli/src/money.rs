//! Amounts of USDC as people write them.

use std::str::FromStr;

use pinaivu_protocol::units::Amount;

/// An amount given on the command line: `5`, `0.25`, `12.000001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usdc(pub Amount);

/// Not an amount of USDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an amount of USDC with at most six decimals, like 5 or 0.25")]
pub(crate) struct UsdcError;

impl FromStr for Usdc {
    type Err = UsdcError;

    fn from_str(text: &str) -> Result<Self, UsdcError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 6 || !digits(whole) || !digits(fraction) {
            return Err(UsdcError);
        }
        let units: u64 = format!("{whole}{fraction:0<6}").parse().map_err(|_| UsdcError)?;
        Ok(Self(Amount(units)))
    }
}

/// An amount as people read it: `1.25 USDC`, without zeros at the end.
pub(crate) fn show(amount: Amount) -> String {
    let text = amount.to_usdc_string();
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} USDC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, units) in [
            ("5", 5_000_000),
            ("0.25", 250_000),
            ("12.000001", 12_000_001),
            ("0", 0),
            ("18446744073709.551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Usdc(Amount(units))), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["", ".5", "-1", "1e6", "1.0000001", "1,5", "+1", " 1", "18446744073709.551616"]
        {
            assert_eq!(text.parse::<Usdc>(), Err(UsdcError), "{text}");
        }
    }

    #[test]
    fn amounts_are_shown_without_trailing_zeros() {
        assert_eq!(show(Amount(1_250_000)), "1.25 USDC");
        assert_eq!(show(Amount(10_000_000)), "10 USDC");
        assert_eq!(show(Amount(1)), "0.000001 USDC");
    }
}
