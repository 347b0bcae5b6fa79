//! So much a minute: a bucket that leaks at the rate it allows.
//!
//! Counts in sixty-thousandths, so that a whole number of them leaks each millisecond and nothing is
//! rounded. Time comes from the caller. What is reserved for something that is still going on takes room
//! and does not leak: it is given back whole when that ends, and what was used then counts.

use std::time::Duration;

use pinaivu_protocol::units::UnixMillis;

const MINUTE_MILLIS: u64 = 60_000;

/// When to look again where only reservations are in the way: they end when they end.
const RESERVED_WAIT: Duration = Duration::from_secs(1);

/// How full a bucket is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    used: u64,
    reserved: u64,
    at: UnixMillis,
}

/// What a limit leaves, for the headers that say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateView {
    /// So many a minute.
    pub limit: u32,
    /// So many at once now.
    pub remaining: u32,
    /// When all of them are there again.
    pub reset: Duration,
}

/// Why something does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    /// It will, after this time.
    Later(Duration),
    /// It never does: it is more than a whole minute's.
    Never,
}

impl Bucket {
    fn leak(&mut self, limit: u32, now: UnixMillis) {
        let elapsed = now.0.saturating_sub(self.at.0);
        self.used = self.used.saturating_sub(elapsed.saturating_mul(limit.into()));
        self.at = self.at.max(now);
    }

    /// Takes `amount` if it fits now.
    pub(super) fn take(&mut self, limit: u32, amount: u32, now: UnixMillis) -> Result<(), Excess> {
        self.fits(limit, amount, now)?;
        self.used = self.used.saturating_add(scaled(amount));
        Ok(())
    }

    /// The same for something that goes on, until [`Self::give_back`].
    pub(super) fn reserve(
        &mut self,
        limit: u32,
        amount: u32,
        now: UnixMillis,
    ) -> Result<(), Excess> {
        self.fits(limit, amount, now)?;
        self.reserved = self.reserved.saturating_add(scaled(amount));
        Ok(())
    }

    fn fits(&mut self, limit: u32, amount: u32, now: UnixMillis) -> Result<(), Excess> {
        if amount > limit {
            return Err(Excess::Never);
        }
        self.leak(limit, now);
        let wanted = self.used.saturating_add(self.reserved).saturating_add(scaled(amount));
        match wanted.checked_sub(scaled(limit)) {
            None | Some(0) => Ok(()),
            Some(excess) if excess > self.used => Err(Excess::Later(RESERVED_WAIT)),
            // Rounded up: a moment earlier it would not fit yet.
            Some(excess) => {
                Err(Excess::Later(Duration::from_millis(excess.div_ceil(u64::from(limit.max(1))))))
            }
        }
    }

    /// Counts what was used whether it fits or not.
    pub(super) fn count(&mut self, amount: u64) {
        self.used = self.used.saturating_add(amount.saturating_mul(MINUTE_MILLIS));
    }

    /// Gives back what was reserved.
    pub(super) fn give_back(&mut self, amount: u32) {
        self.reserved = self.reserved.saturating_sub(scaled(amount));
    }

    pub(super) fn view(&mut self, limit: u32, now: UnixMillis) -> RateView {
        self.leak(limit, now);
        let taken = self.used.saturating_add(self.reserved);
        let free = scaled(limit).saturating_sub(taken);
        // Rounded down: a part of a request is none.
        let remaining = free.checked_div(MINUTE_MILLIS).unwrap_or(0);
        RateView {
            limit,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            // As if what is reserved were used now.
            reset: Duration::from_millis(taken.div_ceil(u64::from(limit.max(1)))),
        }
    }
}

fn scaled(amount: u32) -> u64 {
    u64::from(amount).saturating_mul(MINUTE_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minute_holds_its_limit_and_refills_evenly() {
        let mut bucket = Bucket::default();
        let start = UnixMillis(1_000_000);
        for _ in 0..3 {
            assert_eq!(bucket.take(3, 1, start), Ok(()));
        }
        let wait = Duration::from_millis(20_000);
        assert_eq!(bucket.take(3, 1, start), Err(Excess::Later(wait)));
        assert_eq!(
            bucket.take(3, 1, UnixMillis(1_019_999)),
            Err(Excess::Later(Duration::from_millis(1)))
        );
        assert_eq!(bucket.take(3, 1, UnixMillis(1_020_000)), Ok(()));
        assert_eq!(
            bucket.view(3, UnixMillis(1_040_000)),
            RateView { limit: 3, remaining: 1, reset: Duration::from_secs(40) }
        );
    }

    #[test]
    fn more_than_a_minute_never_fits() {
        assert_eq!(Bucket::default().take(3, 4, UnixMillis(1)), Err(Excess::Never));
    }

    #[test]
    fn what_is_given_back_fits_again_and_what_is_counted_does_not() {
        let mut bucket = Bucket::default();
        let now = UnixMillis(5);
        assert_eq!(bucket.reserve(100, 100, now), Ok(()));
        bucket.give_back(100);
        bucket.count(40);
        assert_eq!(bucket.reserve(100, 61, now), Err(Excess::Later(Duration::from_millis(600))));
        assert_eq!(bucket.reserve(100, 60, now), Ok(()));
    }

    #[test]
    fn reservation_of_a_long_request_neither_leaks_nor_gives_back_what_others_used() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.reserve(100, 60, UnixMillis(0)), Ok(()));
        // Two minutes later it is still going on.
        let now = UnixMillis(120_000);
        assert_eq!(bucket.reserve(100, 41, now), Err(Excess::Later(RESERVED_WAIT)));
        assert_eq!(bucket.reserve(100, 40, now), Ok(()));
        assert_eq!(bucket.view(100, now).remaining, 0);
        // The second ends and has used all it reserved; then the first ends and has used ten.
        bucket.count(40);
        bucket.give_back(40);
        bucket.count(10);
        bucket.give_back(60);
        assert_eq!(bucket.view(100, now).remaining, 50);
        assert_eq!(bucket.reserve(100, 51, now), Err(Excess::Later(Duration::from_millis(600))));
    }

    #[test]
    fn clock_that_goes_back_refills_nothing() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(1, 1, UnixMillis(100_000)), Ok(()));
        assert!(bucket.take(1, 1, UnixMillis(1)).is_err());
        assert!(bucket.take(1, 1, UnixMillis(159_999)).is_err());
        assert_eq!(bucket.take(1, 1, UnixMillis(160_000)), Ok(()));
    }
}
