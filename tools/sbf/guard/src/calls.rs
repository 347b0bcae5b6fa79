//! Trait objects, many arguments, large arguments and results: what crosses registers, the stack
//! and hidden pointers.

use crate::trace::Trace;

trait Figure {
    fn area(&self) -> u64;
    fn name(&self) -> String;
    fn mix(&self, a: u64, b: u32, c: u16, d: u8, e: i64, f: u128) -> u128;
}

struct Square(u32);
struct Rectangle(u16, i32);
struct Named(String);

impl Figure for Square {
    fn area(&self) -> u64 {
        u64::from(self.0) * u64::from(self.0)
    }

    fn name(&self) -> String {
        format!("square {}", self.0)
    }

    fn mix(&self, a: u64, b: u32, c: u16, d: u8, e: i64, f: u128) -> u128 {
        f.wrapping_mul(a.into())
            ^ (u128::from(b) << 7)
            ^ u128::from(c)
            ^ (u128::from(d) << 100)
            ^ (i128::from(e) * 3) as u128
            ^ u128::from(self.0)
    }
}

impl Figure for Rectangle {
    fn area(&self) -> u64 {
        (i64::from(self.0) * i64::from(self.1)).unsigned_abs()
    }

    fn name(&self) -> String {
        format!("rectangle {:?}", (self.0, self.1))
    }

    fn mix(&self, a: u64, b: u32, c: u16, d: u8, e: i64, f: u128) -> u128 {
        (f / (u128::from(a) + 1))
            .wrapping_add(i128::from(b as i32) as u128)
            .wrapping_sub(u128::from(c) * u128::from(d))
            ^ i128::from(e.rotate_left(9)) as u128
            ^ i128::from(self.1) as u128
    }
}

impl Figure for Named {
    fn area(&self) -> u64 {
        self.0.len() as u64
    }

    fn name(&self) -> String {
        self.0.to_uppercase()
    }

    fn mix(&self, a: u64, b: u32, c: u16, d: u8, e: i64, f: u128) -> u128 {
        f % (u128::from(b) + 7)
            + u128::from(a)
            + u128::from(c)
            + u128::from(d)
            + u128::from(e as u64)
    }
}

fn figure(trace: &mut Trace, index: u64) -> Box<dyn Figure> {
    match trace.below(3) {
        0 => Box::new(Square(trace.next() as u32)),
        1 => Box::new(Rectangle(trace.next() as u16, trace.next() as i32)),
        _ => Box::new(Named(format!("figure {index}"))),
    }
}

#[inline(never)]
fn large_result(trace: &mut Trace) -> ([u64; 20], Result<(u32, String), i128>) {
    let numbers: [u64; 20] = std::array::from_fn(|_| trace.next());
    let [first, second, third, fourth, ..] = numbers;
    let result = if first % 2 == 0 {
        Ok((second as u32, third.to_string()))
    } else {
        Err(i128::from(third as i64) * i128::from(fourth as i64))
    };
    (numbers, result)
}

/// Five arguments fit in registers; all others lie in the callee's frame.
#[inline(never)]
#[expect(clippy::too_many_arguments, reason = "that is what is tested")]
fn many_arguments(
    a: u8,
    b: i16,
    c: u32,
    d: i64,
    e: u128,
    f: &str,
    g: [u8; 3],
    h: Option<u64>,
    i: (u32, u64),
    j: bool,
    k: i8,
    calls: &mut u64,
) -> i128 {
    *calls += 1;
    // Locals of about 2 KiB, so that they and the stack arguments meet if frames overlap.
    let mut local = [u64::from(a); 256];
    for (position, slot) in local.iter_mut().enumerate() {
        *slot = slot.wrapping_mul(i.1).rotate_left(position as u32 % 64) ^ u64::from(c);
    }
    let folded = local.iter().fold(0_u64, |sum, slot| sum.rotate_left(3) ^ slot);
    i128::from(a) + i128::from(b) * 3 - i128::from(c) + i128::from(d)
        ^ e as i128
        ^ (f.len() as i128 + i128::from(g[2]) + i128::from(h.unwrap_or(9)) * i128::from(i.0))
        ^ (i128::from(folded) + i128::from(j) + i128::from(k))
}

pub(crate) fn run(trace: &mut Trace) {
    let figures: Vec<Box<dyn Figure>> = (0..9).map(|index| figure(trace, index)).collect();
    for figure in &figures {
        trace.see(figure.area());
        trace.see_text(&figure.name());
        let (a, b, c) = (trace.next(), trace.next() as u32, trace.next() as u16);
        let (d, e, f) = (trace.next() as u8, trace.next() as i64, u128::from(trace.next()) << 40);
        trace.see_wide(figure.mix(a, b, c, d, e, f));
    }
    let mut calls = 0;
    for _ in 0..4 {
        let (numbers, result) = large_result(trace);
        numbers.iter().for_each(|number| trace.see(*number));
        match result {
            Ok((number, text)) => {
                trace.see(number.into());
                trace.see_text(&text);
            }
            Err(product) => trace.see_wide(product as u128),
        }
        let s = trace.next();
        let mixed = many_arguments(
            s as u8,
            s as i16,
            (s >> 3) as u32,
            (s >> 2) as i64 - 99,
            u128::from(s) << 33,
            "hello",
            [1, 2, s as u8],
            (s % 2 == 0).then_some(s),
            (s as u32, s >> 9),
            s & 2 == 0,
            s as i8,
            &mut calls,
        );
        trace.see_wide(mixed as u128);
        trace.see(calls);
    }
}
