//! Floating point, which SBF computes in software. The bit patterns of NaN are left out: the
//! standard promises only that it is one.

use crate::trace::Trace;

pub(crate) fn run(trace: &mut Trace) {
    let nan = std::hint::black_box(f64::NAN);
    for _ in 0..6 {
        let a = (trace.next() >> 11) as f64 / 1024.0 - 1e10;
        let integer = trace.next();
        let b = f64::from(integer as i32) / 7.0 + 0.5;
        for value in [a + b, a - b, a * b, a / b, -a, a.abs(), a.max(b), a.min(b)] {
            trace.see(value.to_bits());
        }
        for truth in [a < b, a <= b, a == b, a >= b, a > b, a != b, nan < a, nan != b] {
            trace.see(truth.into());
        }
        trace.see(a as u64);
        trace.see_signed(a as i64);
        trace.see_signed((b as i32).into());
        trace.see((b as u8).into());
        trace.see((integer as f64).to_bits());
        trace.see((integer as i64 as f64).to_bits());
        let narrow = b as f32;
        trace.see((narrow * 3.25 + 1.0).to_bits().into());
        trace.see((narrow / 3.0 - 2.5).to_bits().into());
        trace.see(f64::from(narrow).to_bits());
        trace.see((narrow < 0.0).into());
        trace.see_signed(narrow as i64);
    }
}
