//! 128-bit multiplication, division and shifts out of 64-bit operations.

const LOW_32: u64 = 0xffff_ffff;

/// The upper half.
#[inline(always)]
pub fn high(value: u128) -> u64 {
    (value >> 64) as u64
}

/// The lower half.
#[inline(always)]
pub fn low(value: u128) -> u64 {
    value as u64
}

/// Both halves together.
#[inline(always)]
pub fn join(high: u64, low: u64) -> u128 {
    ((high as u128) << 64) | low as u128
}

/// All 128 bits of the product of two 64-bit numbers, by the schoolbook with 32-bit digits.
#[inline(always)]
pub fn multiply_64(a: u64, b: u64) -> u128 {
    let (a_high, a_low) = (a >> 32, a & LOW_32);
    let (b_high, b_low) = (b >> 32, b & LOW_32);
    let low_low = a_low * b_low;
    let low_high = a_low * b_high;
    let high_low = a_high * b_low;
    // Three numbers below 2^32: no carry is lost.
    let middle = (low_low >> 32) + (low_high & LOW_32) + (high_low & LOW_32);
    join(
        a_high * b_high + (low_high >> 32) + (high_low >> 32) + (middle >> 32),
        (middle << 32) | (low_low & LOW_32),
    )
}

/// The product's lower 128 bits.
#[inline(always)]
pub fn multiply(a: u128, b: u128) -> u128 {
    let product = multiply_64(low(a), low(b));
    let cross = low(a).wrapping_mul(high(b)).wrapping_add(high(a).wrapping_mul(low(b)));
    join(high(product).wrapping_add(cross), low(product))
}

/// Quotient and remainder, both rounded towards zero. Rust checks for a zero divisor before it
/// divides; what is returned then is of no consequence.
#[inline(never)]
pub fn divide(dividend: u128, divisor: u128) -> (u128, u128) {
    if high(divisor) == 0 {
        let divisor = low(divisor);
        if divisor == 0 {
            return (0, dividend);
        }
        // Long division with two digits of 64 bits.
        let upper = high(dividend);
        let (quotient, remainder) = divide_by_64(upper % divisor, low(dividend), divisor);
        return (join(upper / divisor, quotient), remainder as u128);
    }
    if dividend < divisor {
        return (0, dividend);
    }
    // The quotient fits in 64 bits. Estimate it with the divisor's upper 64 significant bits: the
    // estimate is right or one too large (Warren, Hacker's Delight, section 9-5), so that after
    // subtracting one it is right or one too small. Halving the dividend keeps the estimate's own
    // quotient in 64 bits.
    let shift = high(divisor).leading_zeros();
    let upper = match shift {
        0 => high(divisor),
        _ => (high(divisor) << shift) | (low(divisor) >> (64 - shift)),
    };
    let half = dividend >> 1;
    let (estimate, _) = divide_by_64(high(half), low(half), upper);
    let mut quotient = (estimate >> (63 - shift)).saturating_sub(1);
    let mut remainder = dividend.wrapping_sub(multiply(quotient as u128, divisor));
    if remainder >= divisor {
        quotient += 1;
        remainder = remainder.wrapping_sub(divisor);
    }
    (quotient as u128, remainder)
}

/// Divides `upper:lower` by a divisor larger than `upper`: quotient and remainder fit in 64 bits.
/// Two steps of Knuth's algorithm D (The Art of Computer Programming, 4.3.1) with 32-bit digits.
#[inline(never)]
fn divide_by_64(upper: u64, lower: u64, divisor: u64) -> (u64, u64) {
    let shift = divisor.leading_zeros();
    let divisor = divisor << shift;
    let upper = match shift {
        0 => upper,
        _ => (upper << shift) | (lower >> (64 - shift)),
    };
    let lower = lower << shift;
    let (first, rest) = quotient_digit(upper, lower >> 32, divisor);
    let (second, rest) = quotient_digit(rest, lower & LOW_32, divisor);
    ((first << 32) | second, rest >> shift)
}

/// One digit of the quotient of `value * 2^32 + next` by a divisor whose top bit is set, and what
/// remains. `value` is below the divisor, `next` below 2^32.
#[inline(always)]
fn quotient_digit(value: u64, next: u64, divisor: u64) -> (u64, u64) {
    let (divisor_high, divisor_low) = (divisor >> 32, divisor & LOW_32);
    let mut digit = value / divisor_high;
    let mut rest = value % divisor_high;
    // The estimate is at most two too large.
    while digit > LOW_32 || digit * divisor_low > ((rest << 32) | next) {
        digit -= 1;
        rest += divisor_high;
        if rest > LOW_32 {
            break;
        }
    }
    let remainder = (value << 32).wrapping_add(next).wrapping_sub(digit.wrapping_mul(divisor));
    (digit, remainder)
}

/// Quotient and remainder of two's complement numbers, rounded towards zero: the remainder has the
/// dividend's sign.
#[inline(always)]
pub fn divide_signed(dividend: u128, divisor: u128) -> (u128, u128) {
    let (quotient, remainder) = divide(magnitude(dividend), magnitude(divisor));
    (
        negate_if(is_negative(dividend) != is_negative(divisor), quotient),
        negate_if(is_negative(dividend), remainder),
    )
}

#[inline(always)]
fn is_negative(value: u128) -> bool {
    high(value) >> 63 != 0
}

#[inline(always)]
fn magnitude(value: u128) -> u128 {
    negate_if(is_negative(value), value)
}

#[inline(always)]
fn negate_if(negate: bool, value: u128) -> u128 {
    if negate { 0u128.wrapping_sub(value) } else { value }
}

/// `value << by`, `by` taken modulo 128 as in every shift below.
#[inline(always)]
pub fn shift_left(value: u128, by: u32) -> u128 {
    match by & 127 {
        0 => value,
        by @ 64.. => join(low(value) << (by - 64), 0),
        by => join((high(value) << by) | (low(value) >> (64 - by)), low(value) << by),
    }
}

/// `value >> by`, filled with zeros.
#[inline(always)]
pub fn shift_right(value: u128, by: u32) -> u128 {
    match by & 127 {
        0 => value,
        by @ 64.. => join(0, high(value) >> (by - 64)),
        by => join(high(value) >> by, (low(value) >> by) | (high(value) << (64 - by))),
    }
}

/// `value >> by`, filled with the sign.
#[inline(always)]
pub fn shift_right_signed(value: u128, by: u32) -> u128 {
    let signed = high(value) as i64;
    match by & 127 {
        0 => value,
        by @ 64.. => join((signed >> 63) as u64, (signed >> (by - 64)) as u64),
        by => join((signed >> by) as u64, (low(value) >> by) | (high(value) << (64 - by))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Powers of two and their neighbours, where carries and estimates go wrong, and a few thousand
    /// pseudo-random numbers of every length.
    fn values() -> Vec<u128> {
        let mut values = vec![0, u128::MAX];
        for bit in 0..128 {
            let power = 1u128 << bit;
            values.extend([power, power - 1, power + 1, u128::MAX - power, power | power >> 40]);
        }
        values
    }

    fn random(state: &mut u128) -> u128 {
        // PCG's 128-bit multiplier; only the spread of the bits matters here.
        *state = state
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(0x5851_f42d_4c95_7f2d_1405_7b7e_f767_814f);
        let value = *state ^ (*state >> 67);
        value >> (*state >> 121)
    }

    fn check(a: u128, b: u128) {
        assert_eq!(multiply(a, b), a.wrapping_mul(b), "{a:#x} * {b:#x}");
        let by = b as u32;
        assert_eq!(shift_left(a, by), a.wrapping_shl(by), "{a:#x} << {by}");
        assert_eq!(shift_right(a, by), a.wrapping_shr(by), "{a:#x} >> {by}");
        let signed = (a as i128).wrapping_shr(by) as u128;
        assert_eq!(shift_right_signed(a, by), signed, "{a:#x} >> {by}, signed");
        if b != 0 {
            assert_eq!(divide(a, b), (a / b, a % b), "{a:#x} / {b:#x}");
            let (x, y) = (a as i128, b as i128);
            let expected = (x.wrapping_div(y) as u128, x.wrapping_rem(y) as u128);
            assert_eq!(divide_signed(a, b), expected, "{x} / {y}");
        }
    }

    #[test]
    fn boundary_values_agree_with_the_compiler() {
        let values = values();
        for a in &values {
            for b in &values {
                check(*a, *b);
            }
        }
    }

    #[test]
    fn random_values_agree_with_the_compiler() {
        let mut state = 1;
        for _ in 0..200_000 {
            let (a, b) = (random(&mut state), random(&mut state));
            check(a, b);
            // A quotient near a digit's boundary: a multiple of the divisor and its neighbours.
            let multiple = b.wrapping_mul(random(&mut state) >> 64);
            check(multiple, b);
            check(multiple.wrapping_sub(1), b);
        }
    }

    #[test]
    fn division_by_zero_returns_instead_of_looping() {
        assert_eq!(divide(7, 0), (0, 7));
    }
}
