//! Whole units with decimals, as people write them, to base units. Exact; no floating point.

/// `"1.5"` with 9 decimals is 1,500,000,000. Nothing when the text is not a plain number, has more
/// decimals than the unit, or does not fit.
pub(crate) fn parse(text: &str, decimals: u8) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    // `1.` is not a number that anybody means.
    if text.ends_with('.') || fraction.len() > usize::from(decimals) {
        return None;
    }
    let padding = usize::from(decimals).checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(padding)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers_become_base_units() {
        for (text, decimals, expected) in [
            ("0", 6, 0),
            ("1", 6, 1_000_000),
            ("1.5", 9, 1_500_000_000),
            ("0.000001", 6, 1),
            ("007.10", 6, 7_100_000),
            ("18446744073709.551615", 6, u64::MAX),
        ] {
            assert_eq!(parse(text, decimals), Some(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1.0000001",
            "1,5",
            " 1",
            "18446744073709.551616",
        ] {
            assert_eq!(parse(text, 6), None, "{text}");
        }
    }
}
