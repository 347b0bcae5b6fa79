//! Integers of 128 bits.

use crate::trace::Trace;

pub(crate) fn run(trace: &mut Trace) {
    for _ in 0..6 {
        let (a, b) = (trace.next_wide(), trace.next_wide() | 1);
        let by = trace.next() as u32 & 127;
        unsigned(trace, a, b, by);
        signed(trace, a as i128, b as i128, by);
        // A quotient at a digit's boundary.
        let multiple = b.wrapping_mul(a >> 64);
        for near in [multiple, multiple.wrapping_sub(1), multiple.wrapping_add(1)] {
            trace.see_wide(near / b);
            trace.see_wide(near % b);
        }
        text(trace, a);
    }
}

fn unsigned(trace: &mut Trace, a: u128, b: u128, by: u32) {
    for value in [
        a.wrapping_mul(b),
        a / b,
        a % b,
        a << by,
        a >> by,
        a.rotate_left(by),
        a.saturating_add(b),
        a.abs_diff(b),
        a.isqrt(),
        a.swap_bytes(),
        a.leading_zeros().into(),
        u128::from(a > b),
        a / 10,
        a % 1_000_000,
        a / u128::from(u64::MAX),
    ] {
        trace.see_wide(value);
    }
    see_option(trace, a.checked_mul(b));
    see_option(trace, a.checked_add(b));
    see_option(trace, a.checked_sub(b));
}

fn signed(trace: &mut Trace, a: i128, b: i128, by: u32) {
    for value in [
        a.wrapping_div(b),
        a.wrapping_rem(b),
        a >> by,
        a.saturating_sub(b),
        a.signum(),
        i128::from(a > b),
        a / 10,
        a % -999,
    ] {
        trace.see_wide(value as u128);
    }
    see_option(trace, a.checked_mul(b).map(|value| value as u128));
    trace.see_wide(a.unsigned_abs());
}

fn text(trace: &mut Trace, a: u128) {
    let written = a.to_string();
    trace.see_text(&written);
    trace.see_text(&(a as i128).to_string());
    match written.parse::<u128>() {
        Ok(read) => trace.see_wide(read),
        Err(error) => trace.see_text(&error.to_string()),
    }
}

fn see_option(trace: &mut Trace, value: Option<u128>) {
    trace.see(u64::from(value.is_some()));
    trace.see_wide(value.unwrap_or_default());
}
