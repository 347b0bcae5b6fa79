//! What a book says of service, against receipts that show it or do not.

use pinaivu_auction::{
    BookEntry, FalseService, Measured, Measurements, RECEIPT_DELAY, Service, ServiceReport,
};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::units::UnixMillis;

use crate::market::{COORDINATOR, DEPLOYMENT, MODEL, NOW, measured, node};

/// Long enough after everything that nothing is still to come.
const END: UnixMillis = UnixMillis(NOW.0 + 10 * RECEIPT_DELAY.0);

fn book(at: UnixMillis, lines: &[Measured]) -> Vec<BookEntry> {
    vec![
        BookEntry::Opened {
            deployment: DEPLOYMENT,
            coordinator: COORDINATOR,
            previous: Hash32::ZERO,
            at: NOW,
        },
        BookEntry::Measured { at, measured: lines.to_vec() },
    ]
}

/// Receipts of node 1 at these times, and one of another node at the end.
fn receipts(times: &[u64]) -> Service {
    let mut service = Service::default();
    for time in times {
        service.receipt(node(1), MODEL, UnixMillis(NOW.0 + time));
    }
    service.receipt(node(2), MODEL, END);
    service
}

fn line(answers: u32, failed: u32, last_served: u64) -> Measured {
    let measurements =
        Measurements { requests: answers + failed, failed, ..Measurements::default() };
    Measured { measurements, ..measured(1, 0, UnixMillis(NOW.0 + last_served)) }
}

#[test]
fn service_with_receipts_is_not_contradicted() {
    let at = UnixMillis(NOW.0 + 5_000);
    let service = receipts(&[100, 3_000, 4_100]);
    // Failures need none: nothing is charged for them.
    let report = service.check(&book(at, &[line(3, 61, 4_000)]));
    assert_eq!(report, ServiceReport { lines: 1, ..ServiceReport::default() });
    // A receipt may come as late as after a crash.
    let late = receipts(&[RECEIPT_DELAY.0 + 4_000]);
    assert_eq!(late.check(&book(at, &[line(1, 0, 4_000)])).findings, []);
}

#[test]
fn service_that_no_receipt_shows_is_false_and_answers_are_counted() {
    let at = UnixMillis(NOW.0 + 5_000);
    let said = |service: &Service, line: Measured| service.check(&book(at, &[line])).findings;
    let (node, model) = (node(1), MODEL.to_owned());
    let when = UnixMillis(NOW.0 + 4_000);
    let never = [FalseService::LastServed { node, model: model.clone(), at: when }];
    // The only receipt is from before, from long after, or another node's.
    assert_eq!(said(&receipts(&[2_999]), line(1, 0, 4_000)), never);
    assert_eq!(said(&receipts(&[RECEIPT_DELAY.0 + 4_001]), line(1, 0, 4_000)), never);
    let fewer = FalseService::Answers { node, model, said: 3, receipts: 2 };
    assert_eq!(said(&receipts(&[100, 4_000]), line(3, 0, 4_000)), [fewer]);
    assert_eq!(said(&receipts(&[]), line(0, 0, 4_000)), never);
}

#[test]
fn receipts_that_may_still_come_are_waited_for() {
    let mut service = Service::default();
    service.receipt(node(1), MODEL, UnixMillis(NOW.0 + 100));
    let report = service.check(&book(UnixMillis(NOW.0 + 5_000), &[line(9, 0, 4_000)]));
    assert_eq!(report, ServiceReport { lines: 1, pending: 1, ..ServiceReport::default() });
}
