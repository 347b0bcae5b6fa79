//! Signed division of up to 64 bits, rounded towards zero, out of unsigned division.
//!
//! Rust checks for a zero divisor and for MIN / -1 before it divides; what is returned then is of no
//! consequence, but nothing here may stop the program.

macro_rules! signed_division {
    ($name:ident, $type:ty) => {
        /// Quotient and remainder; the remainder has the dividend's sign.
        #[inline(always)]
        pub fn $name(dividend: $type, divisor: $type) -> ($type, $type) {
            let numerator = dividend.unsigned_abs() as u64;
            let denominator = divisor.unsigned_abs() as u64;
            if denominator == 0 {
                return (0, dividend);
            }
            let quotient = (numerator / denominator) as $type;
            let remainder = (numerator % denominator) as $type;
            (
                if (dividend < 0) != (divisor < 0) { quotient.wrapping_neg() } else { quotient },
                if dividend < 0 { remainder.wrapping_neg() } else { remainder },
            )
        }
    };
}

signed_division!(divide_i64, i64);
signed_division!(divide_i32, i32);
signed_division!(divide_i16, i16);
signed_division!(divide_i8, i8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_bytes_agrees_with_the_compiler() {
        for a in i8::MIN..=i8::MAX {
            for b in (i8::MIN..=i8::MAX).filter(|b| *b != 0) {
                assert_eq!(divide_i8(a, b), (a.wrapping_div(b), a.wrapping_rem(b)));
            }
        }
    }

    #[test]
    fn boundaries_of_wider_types_agree_with_the_compiler() {
        macro_rules! check {
            ($divide:ident, $type:ty) => {
                let values = [<$type>::MIN, <$type>::MIN + 1, -7, -1, 0, 1, 2, 7, <$type>::MAX];
                for a in values {
                    assert_eq!($divide(a, 0), (0, a));
                    for b in values.into_iter().filter(|b| *b != 0) {
                        assert_eq!($divide(a, b), (a.wrapping_div(b), a.wrapping_rem(b)));
                    }
                }
            };
        }
        check!(divide_i16, i16);
        check!(divide_i32, i32);
        check!(divide_i64, i64);
    }
}
