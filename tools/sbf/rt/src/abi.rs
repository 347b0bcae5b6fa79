//! The names and the calling convention under which compiled code finds this crate.
//!
//! LLVM's back end returns 128 bits from a library call in two registers, while rustc's "C" and
//! "Rust" conventions for this architecture return them through a hidden pointer. "unadjusted"
//! leaves the signature to LLVM, which is what makes both sides agree.

use solana_compiler_builtins as _;

use crate::{signed, wide};

#[unsafe(no_mangle)]
extern "unadjusted" fn __multi3(a: u128, b: u128) -> u128 {
    wide::multiply(a, b)
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __udivti3(dividend: u128, divisor: u128) -> u128 {
    wide::divide(dividend, divisor).0
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __umodti3(dividend: u128, divisor: u128) -> u128 {
    wide::divide(dividend, divisor).1
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __divti3(dividend: u128, divisor: u128) -> u128 {
    wide::divide_signed(dividend, divisor).0
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __modti3(dividend: u128, divisor: u128) -> u128 {
    wide::divide_signed(dividend, divisor).1
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __ashlti3(value: u128, by: u32) -> u128 {
    wide::shift_left(value, by)
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __lshrti3(value: u128, by: u32) -> u128 {
    wide::shift_right(value, by)
}

#[unsafe(no_mangle)]
extern "unadjusted" fn __ashrti3(value: u128, by: u32) -> u128 {
    wide::shift_right_signed(value, by)
}

/// The build calls these instead of LLVM's `sdiv` and `srem`, which SBPF v3 cannot encode.
macro_rules! signed_division {
    ($type:ty, $divide:ident, $quotient:ident, $remainder:ident) => {
        #[unsafe(no_mangle)]
        extern "unadjusted" fn $quotient(dividend: $type, divisor: $type) -> $type {
            signed::$divide(dividend, divisor).0
        }

        #[unsafe(no_mangle)]
        extern "unadjusted" fn $remainder(dividend: $type, divisor: $type) -> $type {
            signed::$divide(dividend, divisor).1
        }
    };
}

signed_division!(i64, divide_i64, __sbf_sdiv_i64, __sbf_srem_i64);
signed_division!(i32, divide_i32, __sbf_sdiv_i32, __sbf_srem_i32);
signed_division!(i16, divide_i16, __sbf_sdiv_i16, __sbf_srem_i16);
signed_division!(i8, divide_i8, __sbf_sdiv_i8, __sbf_srem_i8);

/// std is compiled for the zkvm operating system, whose entropy and output these are. Every node
/// must compute the same, so that the entropy is a constant; a program that needs a secret cannot
/// have one on chain anyway.
///
/// # Safety
/// `buffer` is valid for writing `words` words.
#[unsafe(no_mangle)]
unsafe extern "C" fn sys_rand(buffer: *mut u32, words: usize) {
    for word in 0..words {
        // SAFETY: `word` is below `words`, for which the caller vouches.
        unsafe { buffer.add(word).write(word as u32 + 1) };
    }
}

/// Standard output goes nowhere: a program logs through the runtime.
#[unsafe(no_mangle)]
extern "C" fn sys_write(_file: u32, _buffer: *const u8, _bytes: usize) {}
