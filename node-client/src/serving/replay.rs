//! Tickets that were taken, until their deadlines pass.
//!
//! A ticket's MAC holds only within one TLS session, but its issuer could seal it anew in the next; two
//! answers to one ticket would cost this node its stake. So the memory is the coordinator's, not the
//! session's, and after a restart it is filled from the journal, which knows every ticket that a proof
//! was signed for. A ticket that was taken without a proof may be taken again after a restart.

use std::collections::{BTreeSet, HashSet};

use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::units::UnixMillis;

/// Most tickets remembered for one coordinator; it cannot make the node's memory grow beyond.
const MAX_TICKETS: usize = 1 << 20;

/// Why a ticket is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was taken before.
    Before,
    /// Too many are remembered.
    Full,
}

#[derive(Debug, Default)]
pub(crate) struct ReplayCache {
    tickets: HashSet<Hash32>,
    by_deadline: BTreeSet<(UnixMillis, Hash32)>,
}

impl ReplayCache {
    /// Takes a ticket once. `deadline` is not before `now`: expired tickets are refused earlier.
    pub(crate) fn take(
        &mut self,
        ticket: Hash32,
        deadline: UnixMillis,
        now: UnixMillis,
    ) -> Result<(), Taken> {
        while let Some(&(expired, oldest)) = self.by_deadline.first()
            && expired < now
        {
            self.by_deadline.pop_first();
            self.tickets.remove(&oldest);
        }
        if self.tickets.contains(&ticket) {
            return Err(Taken::Before);
        }
        if self.tickets.len() >= MAX_TICKETS {
            return Err(Taken::Full);
        }
        self.tickets.insert(ticket);
        self.by_deadline.insert((deadline, ticket));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pinaivu_protocol::hash::Hash32;
    use pinaivu_protocol::units::UnixMillis;

    use super::{ReplayCache, Taken};

    #[test]
    fn ticket_is_taken_once_until_its_deadline_has_passed() {
        let mut cache = ReplayCache::default();
        let ticket = Hash32([1; 32]);
        let (deadline, now) = (UnixMillis(20), UnixMillis(10));
        assert_eq!(cache.take(ticket, deadline, now), Ok(()));
        assert_eq!(cache.take(ticket, deadline, now), Err(Taken::Before));
        assert_eq!(cache.take(ticket, deadline, deadline), Err(Taken::Before));
        assert_eq!(cache.take(Hash32([2; 32]), UnixMillis(30), UnixMillis(21)), Ok(()));
        assert_eq!(cache.tickets.len(), 1);
    }
}
