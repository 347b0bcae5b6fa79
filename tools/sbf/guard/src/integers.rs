//! Integers of 8 to 64 bits.

use crate::trace::Trace;

pub(crate) fn run(trace: &mut Trace) {
    for _ in 0..20 {
        let (a, b) = (trace.next(), trace.next());
        // Small divisors make quotients of every size, zero makes the checked ones absent.
        let b = b >> (a % 64);
        bits_8(trace, a as i8, b as i8);
        bits_16(trace, a as u16, b as u16);
        bits_32(trace, a as i32, b as i32);
        bits_64(trace, a, b);
    }
}

fn bits_8(trace: &mut Trace, a: i8, b: i8) {
    trace.see_signed(a.saturating_add(b).into());
    trace.see_signed(a.wrapping_neg().into());
    trace.see_signed((i64::from(a)) * i64::from(b));
    trace.see_option(a.checked_mul(b).map(|value| value as u64));
    trace.see_option(a.checked_div(b).map(|value| value as u64));
    trace.see_option(a.checked_rem(b).map(|value| value as u64));
}

fn bits_16(trace: &mut Trace, a: u16, b: u16) {
    trace.see(a.wrapping_mul(b).into());
    trace.see(a.saturating_sub(b).into());
    trace.see(a.leading_zeros().into());
    trace.see(a.swap_bytes().into());
    let (a, b) = (a as i16, b as i16);
    trace.see_signed((a >> 3).into());
    trace.see_option(a.checked_div(b).map(|value| value as u64));
    trace.see_option(a.checked_rem(b).map(|value| value as u64));
}

fn bits_32(trace: &mut Trace, a: i32, b: i32) {
    let by = b as u32 & 31;
    for value in [
        a.wrapping_add(b),
        a.wrapping_sub(b),
        a.wrapping_mul(b),
        a >> by,
        a << by,
        ((a as u32) >> by) as i32,
        a.rotate_left(by),
        i32::from(a < b),
    ] {
        trace.see_signed(value.into());
    }
    trace.see_option(a.checked_div(b).map(|value| value as u64));
    trace.see_option(a.checked_rem(b).map(|value| value as u64));
    trace.see_option((a as u32).checked_add(b as u32).map(u64::from));
}

fn bits_64(trace: &mut Trace, a: u64, b: u64) {
    for value in [
        a.count_ones().into(),
        a.trailing_zeros().into(),
        a.reverse_bits(),
        a.to_be(),
        a.isqrt(),
        a.abs_diff(b),
        a.wrapping_pow((b & 7) as u32),
        a >> (b & 63),
        a << (b & 63),
        u64::from(a < b),
    ] {
        trace.see(value);
    }
    trace.see_option(a.checked_div(b));
    trace.see_option(a.checked_rem(b));
    trace.see_option(a.checked_mul(b));
    trace.see_option(a.checked_ilog2().map(u64::from));
    let (a, b) = (a as i64, b as i64);
    trace.see_option(a.checked_div(b).map(|value| value as u64));
    trace.see_option(a.checked_rem(b).map(|value| value as u64));
    trace.see_option(a.checked_mul(b).map(|value| value as u64));
    let (sum, overflowed) = a.overflowing_add(b);
    trace.see_signed(sum);
    trace.see(overflowed.into());
    trace.see_signed(a >> (b & 63));
    trace.see_signed(a.div_euclid(b | 1));
    trace.see_signed(a.rem_euclid(b | 1));
    // Divisors known when compiled become shifts and multiplications, or divisions still.
    trace.see_signed(a / 7);
    trace.see_signed(a % -1_000_003);
    trace.see_signed(a / 16);
}
