//! Numbers from a seed: SplitMix64 (Steele, Lea and Flood, 2014). The same in every run and on every
//! machine.

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// An amount around one that means something: none, one, exactly, one more, less, or absurd.
    pub(super) fn amount(&mut self, meaningful: u128) -> u64 {
        let meaningful = u64::try_from(meaningful).unwrap();
        match self.below(32) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 | 4 => meaningful.saturating_add(1),
            5..=9 => meaningful,
            10..=14 => self.next() % 500,
            _ => self.next() % meaningful.saturating_add(1),
        }
    }
}
