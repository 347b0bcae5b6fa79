//! Places at nodes are taken and given back.

use std::sync::Arc;

use pinaivu_auction::{Availability, NodeSlot, Occupancy};

#[test]
fn full_node_has_no_room_until_a_seat_is_given_back() {
    let table = Arc::new(Occupancy::new(2));
    let slot = NodeSlot(3);
    let first = table.try_seat(slot).unwrap();
    let second = table.try_seat(slot).unwrap();
    assert_eq!((first.slot(), table.in_flight(slot)), (slot, 2));
    assert!(!table.has_room(slot));
    assert!(table.try_seat(slot).is_none());
    assert!(table.has_room(NodeSlot(4)));
    drop(second);
    assert!(table.has_room(slot));
    drop(first);
    assert_eq!(table.in_flight(slot), 0);
}

#[test]
fn lowered_capacity_keeps_running_requests_and_takes_no_more() {
    let table = Arc::new(Occupancy::new(2));
    let slot = NodeSlot(0);
    let seats = [table.try_seat(slot).unwrap(), table.try_seat(slot).unwrap()];
    table.set_capacity(slot, 1);
    assert_eq!((table.in_flight(slot), table.capacity(slot)), (2, 1));
    let [first, second] = seats;
    drop(first);
    assert!(table.try_seat(slot).is_none());
    drop(second);
    assert!(table.try_seat(slot).is_some());
}

#[test]
fn slot_that_no_book_gives_has_no_room() {
    let table = Arc::new(Occupancy::new(1));
    let slot = NodeSlot(u32::MAX);
    assert!(!table.has_room(slot));
    assert!(table.try_seat(slot).is_none());
}

#[test]
fn concurrent_takers_never_exceed_the_capacity() {
    let table = Arc::new(Occupancy::new(3));
    let slot = NodeSlot(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let table = Arc::clone(&table);
            scope.spawn(move || {
                for _ in 0..10_000 {
                    let seat = table.try_seat(slot);
                    assert!(table.in_flight(slot) <= 3);
                    drop(seat);
                }
            });
        }
    });
    assert_eq!(table.in_flight(slot), 0);
}
