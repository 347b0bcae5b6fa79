//! One writer, many readers.

use pinaivu_auction::SharedBook;
use pinaivu_protocol::units::TokenPrice;

use crate::market::*;

#[test]
fn update_is_seen_by_the_next_load_and_not_by_earlier_ones() {
    let shared = SharedBook::new(Market::of(&[Seller::new(1, 50)]).book);
    let before = shared.load();
    let head = shared.update(|book| book.apply(&key(1).sign(ask(1, 40, 2)), NOW).unwrap().head());
    let price = |snapshot: &pinaivu_auction::Snapshot| {
        snapshot.model(MODEL).unwrap().offers().next().unwrap().price
    };
    assert_eq!(price(&before), TokenPrice(50));
    assert_eq!(price(&shared.load()), TokenPrice(40));
    assert_eq!(shared.load().head(), head);
}

#[test]
fn update_that_changes_nothing_publishes_nothing() {
    let shared = SharedBook::new(Market::of(&[Seller::new(1, 50)]).book);
    let before = shared.load();
    shared.update(|book| assert_eq!(book.expire(NOW), None));
    assert!(std::sync::Arc::ptr_eq(&before, &shared.load()));
}
