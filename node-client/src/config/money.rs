//! USDC amounts as decimal text, exact to the sixth decimal.

use pinaivu_protocol::units::{Amount, TokenPrice};
use serde::{Deserialize as _, Deserializer, de::Error as _};

/// The text is not an amount of USDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected USDC as digits with at most six decimals, for example \"0.25\"")]
pub struct MoneyError;

const DECIMALS: usize = 6;

/// Reads `12`, `0.25` or `1.000001`: digits, and at most six decimals. No sign, no exponent, no
/// rounding.
///
/// # Errors
/// [`MoneyError`].
pub fn parse_usdc(text: &str) -> Result<Amount, MoneyError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
        return Err(MoneyError);
    }
    let units = format!("{whole}{fraction:0<DECIMALS$}");
    units.parse().map(Amount).map_err(|_| MoneyError)
}

pub(super) fn usdc<'de, D: Deserializer<'de>>(from: D) -> Result<Amount, D::Error> {
    let text = String::deserialize(from)?;
    parse_usdc(&text).map_err(D::Error::custom)
}

/// A [`TokenPrice`] counts the same units as an [`Amount`], for one million tokens.
pub(super) fn price<'de, D: Deserializer<'de>>(from: D) -> Result<TokenPrice, D::Error> {
    usdc(from).map(|amount| TokenPrice(amount.0))
}

pub(super) fn optional_price<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<TokenPrice>, D::Error> {
    price(from).map(Some)
}
