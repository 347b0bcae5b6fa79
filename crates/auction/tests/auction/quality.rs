//! The published quality formula, against numbers worked out by hand.

use pinaivu_auction::{Measurements, QualityFactor, Reference, quality_factor};
use proptest::prelude::*;

const REFERENCE: Reference = Reference { first_byte_millis: 400, millitokens_per_second: 50_000 };

/// As the reference expects, idle, over many requests.
const AVERAGE: Measurements = Measurements {
    requests: 980,
    failed: 0,
    first_byte_millis: 400,
    millitokens_per_second: 50_000,
    in_flight: 0,
    capacity: 8,
};

fn factor(measured: Measurements) -> u16 {
    quality_factor(&measured, &REFERENCE).bps()
}

#[test]
fn unknown_and_average_nodes_are_neutral() {
    assert_eq!(factor(Measurements::default()), 10_000);
    assert_eq!(factor(AVERAGE), 10_000);
}

#[test]
fn unmeasured_terms_are_neutral() {
    assert_eq!(
        factor(Measurements { first_byte_millis: 0, millitokens_per_second: 0, ..AVERAGE }),
        10_000
    );
}

#[test]
fn fast_node_is_bounded_to_half() {
    // Both terms at 70 %: 49 %, bounded to 50 %.
    let fast = Measurements { first_byte_millis: 1, millitokens_per_second: 500_000, ..AVERAGE };
    assert_eq!(factor(fast), 5_000);
}

#[test]
fn slow_failing_full_node_is_bounded_to_double() {
    let bad = Measurements {
        failed: 980,
        first_byte_millis: 60_000,
        millitokens_per_second: 1,
        in_flight: 8,
        ..AVERAGE
    };
    assert_eq!(factor(bad), 20_000);
}

#[test]
fn latency_moves_the_factor_in_proportion() {
    // (480 × 980 + 400 × 20) / 1000 = 478.4 → 479; 479 / 400 = 1.1975; up to 1.2.
    assert_eq!(factor(Measurements { first_byte_millis: 480, ..AVERAGE }), 12_000);
}

#[test]
fn speed_moves_the_factor_in_inverse_proportion() {
    // (40,000 × 980 + 50,000 × 20) / 1000 = 40,200; 50,000 / 40,200 = 1.2438; up to 1.25.
    assert_eq!(factor(Measurements { millitokens_per_second: 40_000, ..AVERAGE }), 12_500);
}

#[test]
fn each_percent_of_failures_costs_four() {
    // 50 / 1000 = 5 %, and 930 successes leave the other terms neutral: 1.2.
    assert_eq!(factor(Measurements { failed: 50, ..AVERAGE }), 12_000);
}

#[test]
fn load_costs_up_to_thirty_percent() {
    assert_eq!(factor(Measurements { in_flight: 4, ..AVERAGE }), 11_500);
    assert_eq!(factor(Measurements { in_flight: 8, ..AVERAGE }), 13_000);
    assert_eq!(factor(Measurements { in_flight: 80, ..AVERAGE }), 13_000);
    assert_eq!(factor(Measurements { in_flight: 80, capacity: 0, ..AVERAGE }), 10_000);
}

#[test]
fn few_requests_move_it_little() {
    // One failure in one request: 1 / 21 = 4.77 %, four times that, up: 1.2.
    assert_eq!(factor(Measurements { requests: 1, failed: 1, ..Measurements::default() }), 12_000);
}

fn measurements() -> impl Strategy<Value = Measurements> {
    let number = || prop_oneof![0..2_000_u32, any::<u32>()];
    (number(), number(), number(), number(), number(), number()).prop_map(
        |(requests, failed, first_byte_millis, millitokens_per_second, in_flight, capacity)| {
            Measurements {
                requests,
                failed,
                first_byte_millis,
                millitokens_per_second,
                in_flight,
                capacity,
            }
        },
    )
}

proptest! {
    #[test]
    fn factor_is_always_within_bounds_and_stepped(
        measured in measurements(),
        first_byte_millis: u32,
        millitokens_per_second: u32,
    ) {
        let reference = Reference { first_byte_millis, millitokens_per_second };
        let factor = quality_factor(&measured, &reference);
        prop_assert!(factor >= QualityFactor::BEST && factor <= QualityFactor::WORST);
        prop_assert_eq!(factor.bps() % 100, 0);
    }

    #[test]
    fn doing_worse_never_helps(measured in measurements(), by in 1..1_000_u32) {
        let base = factor(measured);
        if measured.first_byte_millis > 0 {
            let slower = measured.first_byte_millis.saturating_add(by);
            let worse = factor(Measurements { first_byte_millis: slower, ..measured });
            prop_assert!(worse >= base);
        }
        let fuller = measured.in_flight.saturating_add(by);
        let worse = factor(Measurements { in_flight: fuller, ..measured });
        prop_assert!(worse >= base);
        if measured.millitokens_per_second > by {
            let speed = measured.millitokens_per_second - by;
            let worse = factor(Measurements { millitokens_per_second: speed, ..measured });
            prop_assert!(worse >= base);
        }
    }
}
