//! Which nodes have room: the one input of a clearing that changes with every request.
//!
//! Occupancy stays outside the hash-chained book, which would otherwise grow with every request. What
//! a clearing saw of it is recorded in [`crate::Clearing::busy`], and [`BusyNodes`] replays it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::snapshot::{MAX_NODES, NodeSlot};

/// Says whether a node has room. Asked exactly once per otherwise eligible offer and clearing.
pub trait Availability {
    /// Whether the node in `slot` has room for one more request.
    fn has_room(&self, slot: NodeSlot) -> bool;
}

/// Every node has room.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everyone;

impl Availability for Everyone {
    fn has_room(&self, _slot: NodeSlot) -> bool {
        true
    }
}

/// Exactly these nodes have no room: replays a clearing from its [`crate::Clearing::busy`].
#[derive(Clone, Copy, Debug)]
pub struct BusyNodes<'a>(
    /// In any order.
    pub &'a [NodeSlot],
);

impl Availability for BusyNodes<'_> {
    fn has_room(&self, slot: NodeSlot) -> bool {
        !self.0.contains(&slot)
    }
}

#[derive(Debug)]
struct Load {
    in_flight: AtomicU32,
    capacity: AtomicU32,
}

/// How many requests each node is working on, and how many it can, without locks.
///
/// Slots come from the book ([`crate::OrderBook::slot`], [`crate::Candidate::slot`]) and are never
/// reused by it, so one table serves a book for its whole life.
#[derive(Debug)]
pub struct Occupancy {
    loads: Box<[Load]>,
}

impl Occupancy {
    /// A table for every slot a book can give, each with room for `default_capacity` requests.
    #[must_use]
    pub fn new(default_capacity: u32) -> Self {
        let load =
            || Load { in_flight: AtomicU32::new(0), capacity: AtomicU32::new(default_capacity) };
        Self { loads: std::iter::repeat_with(load).take(MAX_NODES).collect() }
    }

    /// Sets how many requests a node can work on at once. Requests already in flight stay.
    pub fn set_capacity(&self, slot: NodeSlot, capacity: u32) {
        if let Some(load) = self.load(slot) {
            load.capacity.store(capacity, Ordering::Relaxed);
        }
    }

    /// How many requests a node can work on at once.
    #[must_use]
    pub fn capacity(&self, slot: NodeSlot) -> u32 {
        self.load(slot).map_or(0, |load| load.capacity.load(Ordering::Relaxed))
    }

    /// How many requests a node is working on.
    #[must_use]
    pub fn in_flight(&self, slot: NodeSlot) -> u32 {
        self.load(slot).map_or(0, |load| load.in_flight.load(Ordering::Relaxed))
    }

    /// Takes one of the node's places until the guard is dropped, or nothing when it is full: between
    /// a clearing and its dispatch another request may have taken the last one; try the next candidate.
    #[must_use]
    pub fn try_seat(self: &Arc<Self>, slot: NodeSlot) -> Option<Seat> {
        let load = self.load(slot)?;
        let capacity = load.capacity.load(Ordering::Relaxed);
        load.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                if count < capacity { count.checked_add(1) } else { None }
            })
            .ok()?;
        Some(Seat { table: Arc::clone(self), slot })
    }

    fn load(&self, slot: NodeSlot) -> Option<&Load> {
        self.loads.get(usize::try_from(slot.0).ok()?)
    }
}

impl Availability for Occupancy {
    fn has_room(&self, slot: NodeSlot) -> bool {
        self.load(slot).is_some_and(|load| {
            load.in_flight.load(Ordering::Relaxed) < load.capacity.load(Ordering::Relaxed)
        })
    }
}

/// One place at a node, given back on drop.
#[derive(Debug)]
pub struct Seat {
    table: Arc<Occupancy>,
    slot: NodeSlot,
}

impl Seat {
    /// At which node.
    #[must_use]
    pub const fn slot(&self) -> NodeSlot {
        self.slot
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(load) = self.table.load(self.slot) {
            // A seat was counted when it was taken, so the count is at least one.
            load.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
