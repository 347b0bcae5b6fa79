//! Pauses between attempts to dial: exponential, jittered, so that nodes do not come back all at once
//! after a coordinator was away.

use std::time::Duration;

use rand::Rng as _;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
/// Least pause after a refusal that only the operator can mend.
const FIRST_LONG: Duration = Duration::from_secs(2);

/// The next pause doubles, up to half a minute.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { ceiling: FIRST }
    }
}

impl Backoff {
    /// Between half of the current ceiling and all of it; the ceiling then doubles.
    pub fn next_delay(&mut self) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = ceiling.saturating_mul(2).min(LONGEST);
        rand::rng().random_range(ceiling / 2..=ceiling)
    }

    /// As [`Self::next_delay`], for what will not have changed in a moment.
    pub fn next_long(&mut self) -> Duration {
        self.ceiling = self.ceiling.max(FIRST_LONG);
        self.next_delay()
    }

    /// All is well: the next pause is the shortest again.
    pub const fn reset(&mut self) {
        self.ceiling = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FIRST, FIRST_LONG, LONGEST};

    #[test]
    fn pauses_double_within_their_jitter_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut ceiling = FIRST;
        for _ in 0..20 {
            let pause = backoff.next_delay();
            assert!(pause >= ceiling / 2 && pause <= ceiling, "{pause:?} for {ceiling:?}");
            ceiling = (ceiling * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next_delay() <= FIRST);
        assert!(backoff.next_long() >= FIRST_LONG / 2);
    }
}
