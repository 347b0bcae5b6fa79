//! Tickets that clients carry to their nodes themselves, counted by who pays.
//!
//! Such a ticket keeps a place at its node and money until the node reports or its time is over, and costs
//! nothing when nobody uses it. So one allowance may have only so many; what it asks for beyond passes
//! through the coordinator.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use pinaivu_protocol::ids::AllowanceId;

/// Counts the tickets that are out. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct DirectTickets(Arc<Mutex<HashMap<AllowanceId, usize>>>);

/// One of them; counted until it is dropped.
pub(super) struct DirectTicket {
    tickets: DirectTickets,
    allowance: AllowanceId,
}

impl DirectTickets {
    /// Counts another one, where fewer than `most` are out.
    pub(super) fn take(&self, allowance: AllowanceId, most: usize) -> Option<DirectTicket> {
        let mut out = self.0.lock();
        let count = out.get(&allowance).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        out.insert(allowance, count.saturating_add(1));
        Some(DirectTicket { tickets: self.clone(), allowance })
    }
}

impl Drop for DirectTicket {
    fn drop(&mut self) {
        let mut out = self.tickets.0.lock();
        let left = out.get(&self.allowance).map_or(0, |count| count.saturating_sub(1));
        match left {
            0 => out.remove(&self.allowance),
            left => out.insert(self.allowance, left),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_counted_for_each_allowance_until_they_are_dropped() {
        let tickets = DirectTickets::default();
        let (one, other) = (AllowanceId([1; 32]), AllowanceId([2; 32]));
        let first = tickets.take(one, 2);
        let second = tickets.take(one, 2);
        assert!(first.is_some() && second.is_some());
        assert!(tickets.take(one, 2).is_none());
        assert!(tickets.take(other, 1).is_some());
        drop(first);
        assert!(tickets.take(one, 2).is_some());
        drop(second);
        assert!(tickets.0.lock().is_empty());
        assert!(tickets.take(one, 0).is_none());
    }
}
