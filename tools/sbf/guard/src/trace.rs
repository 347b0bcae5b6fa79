//! Pseudo-random inputs and a running hash of outputs.

/// Source of a computation's inputs and sink of its results.
pub(crate) struct Trace {
    state: u64,
    hash: u64,
}

/// FNV-1a's offset and prime.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            // Marsaglia's generator never leaves zero.
            state: seed | 1,
            hash: OFFSET,
        }
    }

    pub(crate) fn result(&self) -> u64 {
        self.hash
    }

    /// The next input (xorshift64).
    pub(crate) fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state
    }

    /// The next input of 128 bits, of any length.
    pub(crate) fn next_wide(&mut self) -> u128 {
        let value = (u128::from(self.next()) << 64) | u128::from(self.next());
        value >> (self.next() % 128)
    }

    /// The next input below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Takes a result.
    pub(crate) fn see(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(PRIME).rotate_left(5);
    }

    /// Takes a signed result.
    pub(crate) fn see_signed(&mut self, value: i64) {
        self.see(value as u64);
    }

    /// Takes a result of 128 bits.
    pub(crate) fn see_wide(&mut self, value: u128) {
        self.see(value as u64);
        self.see((value >> 64) as u64);
    }

    /// Takes a text byte by byte.
    pub(crate) fn see_text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.see(u64::from(byte));
        }
    }

    /// Takes an optional result, telling absence from zero.
    pub(crate) fn see_option(&mut self, value: Option<u64>) {
        self.see(u64::from(value.is_some()));
        self.see(value.unwrap_or_default());
    }
}
