//! Delays that count in slots and in seconds, and the window in which an address may be opened.
//!
//! A delay has passed only when both counts have. Slots alone run fast or slow; the cluster's clock
//! alone jumps ahead after a halt, during which nobody could settle.

use pinaivu_protocol::seeds::OPENING_SLOT_WINDOW;
use pinaivu_protocol::units::Slot;

/// Seconds since 1970-01-01T00:00:00Z as the cluster's clock tells them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub i64);

/// A point in time, by both of the cluster's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The slot.
    pub slot: Slot,
    /// The cluster's clock in that slot.
    pub time: UnixSeconds,
}

/// How long something has to wait: at least so many slots **and** at least so many seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Slots to wait.
    pub slots: u64,
    /// Seconds to wait.
    pub seconds: u64,
}

impl Delay {
    /// Whether both counts have passed between `since` and `now`; a wait that ends beyond the range of
    /// the counts never passes.
    #[must_use]
    pub fn has_passed(&self, since: Moment, now: Moment) -> bool {
        let slots = since.slot.0.checked_add(self.slots).is_some_and(|end| now.slot.0 >= end);
        let seconds = i64::try_from(self.seconds)
            .ok()
            .and_then(|wait| since.time.0.checked_add(wait))
            .is_some_and(|end| now.time.0 >= end);
        slots && seconds
    }
}

/// Whether an account whose address contains the slot `opening` may be created in slot `now`: not
/// before `opening`, and at most [`OPENING_SLOT_WINDOW`] slots after it.
#[must_use]
pub fn may_open(opening: Slot, now: Slot) -> bool {
    now.checked_sub(opening).is_some_and(|age| age.0 <= OPENING_SLOT_WINDOW)
}

/// Whether that account may be closed in slot `now`: only when [`may_open`] can never hold again, so
/// that no address is ever used twice.
#[must_use]
pub fn may_close(opening: Slot, now: Slot) -> bool {
    now.checked_sub(opening).is_some_and(|age| age.0 > OPENING_SLOT_WINDOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(slot: u64, time: i64) -> Moment {
        Moment { slot: Slot(slot), time: UnixSeconds(time) }
    }

    #[test]
    fn delay_when_only_one_count_has_passed_has_not_passed() {
        let delay = Delay { slots: 10, seconds: 4 };
        let since = at(100, 1_000);
        assert!(!delay.has_passed(since, at(109, 1_004)));
        assert!(!delay.has_passed(since, at(110, 1_003)));
        assert!(delay.has_passed(since, at(110, 1_004)));
        assert!(delay.has_passed(since, at(u64::MAX, i64::MAX)));
    }

    #[test]
    fn delay_that_ends_beyond_the_counts_never_passes() {
        let end = at(u64::MAX, i64::MAX);
        assert!(!Delay { slots: 1, seconds: 0 }.has_passed(end, end));
        assert!(!Delay { slots: 0, seconds: 1 }.has_passed(end, end));
        assert!(!Delay { slots: 0, seconds: u64::MAX }.has_passed(at(0, 0), end));
        assert!(Delay::default().has_passed(end, end));
    }

    #[test]
    fn address_at_every_age_is_never_both_openable_and_closable() {
        let opening = Slot(5_000);
        assert!(!may_open(opening, Slot(4_999)));
        assert!(!may_close(opening, Slot(4_999)));
        for age in 0..=OPENING_SLOT_WINDOW + 5 {
            let now = Slot(opening.0 + age);
            assert_eq!(may_open(opening, now), age <= OPENING_SLOT_WINDOW);
            assert_eq!(may_close(opening, now), age > OPENING_SLOT_WINDOW);
        }
    }
}
