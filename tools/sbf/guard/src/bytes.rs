//! Unaligned reads, copies and comparisons of every small size.

use crate::trace::Trace;

pub(crate) fn run(trace: &mut Trace) {
    let mut bytes: Vec<u8> = (0..300).map(|_| trace.next() as u8).collect();
    for offset in 0..17 {
        trace.see(u64::from_le_bytes(array(&bytes, offset)));
        trace.see(u32::from_be_bytes(array(&bytes, offset + 1)).into());
        trace.see(u16::from_le_bytes(array(&bytes, offset + 2)).into());
        trace.see_wide(u128::from_le_bytes(array(&bytes, offset)));
    }
    for length in 0..70 {
        let (from, to) = (trace.below(100) as usize, trace.below(100) as usize);
        bytes.copy_within(from..from + length, to);
        let mut copy = vec![0; length];
        copy.copy_from_slice(&bytes[to..to + length]);
        trace.see(u64::from(copy == bytes[from..from + length]));
        trace.see_signed(bytes[from..from + length].cmp(&copy) as i64);
        copy.fill(length as u8);
        bytes[200..200 + length].copy_from_slice(&copy);
        bytes.rotate_left(length);
    }
    for chunk in bytes.chunks(7) {
        trace.see(chunk.iter().map(|byte| u64::from(*byte)).sum());
        trace
            .see_option(chunk.iter().rposition(|byte| *byte > 128).map(|position| position as u64));
    }
    for window in bytes.windows(3) {
        let value = u32::from(window[0]) * 65_536 + u32::from(window[2]);
        if value.is_multiple_of(3) {
            trace.see(value.into());
        }
    }
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[offset..offset + N]);
    array
}
