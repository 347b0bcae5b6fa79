//! Tickets that were taken, so that none is taken twice.
//!
//! A ticket's MAC holds only within one TLS session, but its issuer could seal it anew in the next; two
//! answers to one ticket would cost this node its stake. So the memory is the coordinator's, not the
//! session's. It need not be long: a ticket has to be presented within [`FIRST_USE`] of being issued, by the
//! coordinator's own clock, that is before another one comes that was issued so much later. An answer may
//! take as long as the ticket's deadline allows all the same. What has to be remembered is then a few
//! seconds of tickets, whatever the deadlines, and older ones are refused without having been kept.
//!
//! After a restart the memory is filled from the journal, which knows every ticket that a proof was signed
//! for, and up to when tickets had been issued. A ticket that was taken without a proof may be taken again
//! after a restart.

use std::collections::{BTreeMap, HashSet};

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::units::UnixMillis;

/// How much later than a ticket another one may have been issued that was presented before it.
pub(crate) const FIRST_USE: UnixMillis = UnixMillis(10_000);

/// How far the coordinator's clock may be ahead of ours. Tickets from further ahead are not taken, so that
/// one of them cannot make all others look old.
const MOST_AHEAD: UnixMillis = UnixMillis(120_000);

/// Most tickets remembered for one coordinator: one that issues them all at one moment cannot make the
/// node's memory grow beyond. Honest ones would have to be issued 100,000 a second.
const MAX_TICKETS: usize = 1 << 20;

/// Why a ticket is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was taken before.
    Before,
    /// It was issued so long before others that nobody knows any more.
    Late,
    /// It was issued in what is the future here.
    Ahead,
    /// Too many are remembered.
    Full,
}

/// The tickets of one coordinator.
#[derive(Debug, Default)]
pub(crate) struct ReplayCache {
    /// By the second of issue, the first eight bytes of each hash: whoever makes two hashes alike gets the
    /// second ticket refused, and pays for both itself.
    seconds: BTreeMap<u64, HashSet<u64>>,
    count: usize,
    /// The latest issue of all.
    newest: UnixMillis,
}

impl ReplayCache {
    /// What is known from before: up to when tickets were issued, and those that were answered.
    pub(crate) fn restored(newest: UnixMillis, answered: &[(Hash32, UnixMillis)]) -> Self {
        let mut restored = Self::default();
        restored.advance(newest);
        for (ticket, issued) in answered {
            // What is refused for its age needs no memory, and a full one refuses new tickets as well.
            let _ = restored.remember(ticket, *issued);
        }
        restored
    }

    /// Takes a ticket once.
    pub(crate) fn take(
        &mut self,
        ticket: &Hash32,
        issued: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), Taken> {
        if issued > now.saturating_add(MOST_AHEAD) {
            return Err(Taken::Ahead);
        }
        self.advance(issued);
        self.remember(ticket, issued)
    }

    fn oldest(&self) -> UnixMillis {
        self.newest.saturating_sub(FIRST_USE)
    }

    fn advance(&mut self, issued: UnixMillis) {
        self.newest = self.newest.max(issued);
        let oldest = second(self.oldest());
        while let Some(entry) = self.seconds.first_entry()
            && *entry.key() < oldest
        {
            self.count = self.count.saturating_sub(entry.remove().len());
        }
    }

    fn remember(&mut self, ticket: &Hash32, issued: UnixMillis) -> Result<(), Taken> {
        if issued < self.oldest() {
            return Err(Taken::Late);
        }
        let [a, b, c, d, e, f, g, h, ..] = ticket.0;
        let start = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let known = self.seconds.get(&second(issued)).is_some_and(|known| known.contains(&start));
        if known {
            return Err(Taken::Before);
        }
        if self.count >= MAX_TICKETS {
            return Err(Taken::Full);
        }
        self.seconds.entry(second(issued)).or_default().insert(start);
        self.count = self.count.saturating_add(1);
        Ok(())
    }
}

const fn second(at: UnixMillis) -> u64 {
    at.0 / 1_000
}

#[cfg(test)]
mod tests {
    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::units::UnixMillis;

    use super::{FIRST_USE, MAX_TICKETS, MOST_AHEAD, ReplayCache, Taken};

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn ticket(number: u64) -> Hash32 {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        Hash32(bytes)
    }

    fn at(offset: u64) -> UnixMillis {
        UnixMillis(NOW.0 + offset)
    }

    #[test]
    fn ticket_is_taken_once_in_whatever_order_tickets_come() {
        let mut cache = ReplayCache::default();
        let order = [5, 0, 9, 2, 10];
        for second in order {
            assert_eq!(cache.take(&ticket(second), at(second * 1_000), NOW), Ok(()), "{second}");
        }
        for second in order {
            let again = cache.take(&ticket(second), at(second * 1_000), NOW);
            assert_eq!(again, Err(Taken::Before), "{second}");
        }
    }

    #[test]
    fn ticket_is_late_once_another_was_issued_too_long_after_it() {
        let mut cache = ReplayCache::default();
        assert_eq!(cache.take(&ticket(1), NOW, NOW), Ok(()));
        assert_eq!(cache.take(&ticket(2), at(FIRST_USE.0), NOW), Ok(()));
        assert_eq!(cache.take(&ticket(3), NOW, NOW), Ok(()));
        assert_eq!(cache.take(&ticket(4), at(FIRST_USE.0 + 1), NOW), Ok(()));
        // Neither a replay nor a first use, however long this clock stood still.
        assert_eq!(cache.take(&ticket(1), NOW, NOW), Err(Taken::Late));
        assert_eq!(cache.take(&ticket(5), NOW, NOW), Err(Taken::Late));
        assert_eq!(cache.take(&ticket(6), at(1), NOW), Ok(()));
    }

    #[test]
    fn ticket_of_the_far_future_is_refused_and_makes_no_other_late() {
        let mut cache = ReplayCache::default();
        assert_eq!(cache.take(&ticket(1), at(MOST_AHEAD.0 + 1), NOW), Err(Taken::Ahead));
        assert_eq!(cache.take(&ticket(2), NOW, NOW), Ok(()));
        assert_eq!(cache.take(&ticket(3), at(MOST_AHEAD.0), NOW), Ok(()));
    }

    #[test]
    fn memory_holds_a_few_seconds_and_not_more() {
        let mut cache = ReplayCache::default();
        // A hundred a second for an hour.
        for number in 0..360_000 {
            let issued = at(number * 10);
            assert_eq!(cache.take(&ticket(number), issued, issued), Ok(()));
        }
        assert!(cache.count <= 1_200, "{}", cache.count);
        let kept: usize = cache.seconds.values().map(std::collections::HashSet::len).sum();
        assert_eq!(cache.count, kept);
    }

    #[test]
    fn tickets_of_one_moment_fill_the_memory_until_time_goes_on() {
        let mut cache = ReplayCache::default();
        for number in 0..MAX_TICKETS as u64 {
            assert_eq!(cache.take(&ticket(number), NOW, NOW), Ok(()));
        }
        assert_eq!(cache.take(&ticket(u64::MAX), NOW, NOW), Err(Taken::Full));
        let later = at(FIRST_USE.0 + 1_000);
        assert_eq!(cache.take(&ticket(u64::MAX), later, later), Ok(()));
    }

    #[test]
    fn restored_memory_refuses_what_was_answered_and_what_is_older() {
        let answered = [(ticket(1), at(60_000)), (ticket(2), NOW)];
        let mut cache = ReplayCache::restored(at(65_000), &answered);
        let now = at(80_000);
        assert_eq!(cache.take(&ticket(1), at(60_000), now), Err(Taken::Before));
        assert_eq!(cache.take(&ticket(2), NOW, now), Err(Taken::Late));
        assert_eq!(cache.take(&ticket(3), at(54_999), now), Err(Taken::Late));
        assert_eq!(cache.take(&ticket(4), at(55_000), now), Ok(()));
    }
}
