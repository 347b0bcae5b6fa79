//! Who wins, at which price, and why others do not: by example.

use pinaivu_auction::{
    BusyNodes, Candidate, Clearing, Everyone, Exclusion, MAX_RANKED, NoWinnerCause, Request,
    Verdict, WarmNode, clear, critical_price, explain, tie_break,
};
use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::ids::{NodeId, RequestId};
use pinaivu_protocol::units::{Bps, FineAmount, TokenCount, TokenPrice, UnixMillis};

use crate::market::*;

fn clearing(sellers: &[Seller], request: &Request<'_>) -> Clearing {
    clear(&Market::of(sellers).book.snapshot(), request, &Everyone).unwrap()
}

fn cause(market: &Market, request: &Request<'_>) -> NoWinnerCause {
    clear(&market.book.snapshot(), request, &Everyone).unwrap_err().cause
}

fn order(clearing: &Clearing) -> Vec<NodeId> {
    clearing.ranked().iter().map(|candidate| candidate.node).collect()
}

fn first(clearing: &Clearing) -> (NodeId, u64) {
    let winner = clearing.winner().unwrap();
    (winner.node, winner.tariff.price.0)
}

#[test]
fn cheapest_of_equal_quality_wins_at_the_second_price() {
    let result = clearing(&[Seller::new(1, 105), Seller::new(2, 100)], &request(1));
    assert_eq!(order(&result), [node(2), node(1)]);
    let winner = result.winner().unwrap();
    assert_eq!(winner.runner_up, Some(node(1)));
    let second = if tie_break(&request(1).id, &node(2)) < tie_break(&request(1).id, &node(1)) {
        105
    } else {
        104
    };
    assert_eq!(winner.tariff.price, TokenPrice(second));
    assert_eq!((winner.tariff.input_weight, winner.tariff.output_weight), (1, 4));
}

#[test]
fn far_runner_up_lifts_the_price_by_a_tenth_at_most() {
    let result = clearing(&[Seller::new(1, 500), Seller::new(2, 105)], &request(1));
    assert_eq!(first(&result), (node(2), 115));
}

#[test]
fn lone_bidder_gets_its_ask() {
    let result = clearing(&[Seller::new(1, 500)], &request(1));
    assert_eq!(first(&result), (node(1), 500));
    assert_eq!(result.winner().unwrap().runner_up, None);
}

#[test]
fn sibling_of_the_same_payout_owner_does_not_set_the_price() {
    let sibling = Seller { owner: 1, ..Seller::new(2, 104) };
    let result = clearing(&[Seller::new(1, 100), sibling], &request(1));
    assert_eq!(first(&result), (node(1), 100));
    let result = clearing(&[Seller::new(1, 100), sibling, Seller::new(3, 109)], &request(1));
    assert_eq!(result.winner().unwrap().runner_up, Some(node(3)));
}

#[test]
fn runner_up_that_served_nobody_lately_does_not_set_the_price() {
    let idle = Seller { recent: false, ..Seller::new(2, 104) };
    let result = clearing(&[Seller::new(1, 100), idle], &request(1));
    assert_eq!(first(&result), (node(1), 100));
}

#[test]
fn newcomer_without_recent_service_can_win() {
    let newcomer = Seller { recent: false, ..Seller::new(1, 100) };
    let result = clearing(&[newcomer, Seller::new(2, 200)], &request(1));
    assert_eq!(first(&result), (node(1), 110));
}

#[test]
fn quality_outweighs_price_within_its_bounds() {
    let good = Seller { quality: 5_000, ..Seller::new(1, 190) };
    let result = clearing(&[good, Seller::new(2, 100)], &request(1));
    // 190 × 0.5 < 100; the good one still wins at 199, and at 200 only when it wins ties.
    assert_eq!(result.winner().unwrap().node, node(1));
    let critical = result.winner().unwrap().critical.unwrap().0;
    assert!(critical == 199 || critical == 200);
    let result = clearing(&[good, Seller::new(2, 94)], &request(1));
    assert_eq!(result.winner().unwrap().node, node(2));
}

#[test]
fn zero_price_wins_and_is_paid_nothing() {
    let result = clearing(&[Seller::new(1, 0), Seller::new(2, 50)], &request(1));
    assert_eq!(first(&result), (node(1), 0));
}

#[test]
fn price_never_passes_the_clients_limit() {
    let limited = Request { max_price: Some(TokenPrice(103)), ..request(1) };
    let result = clearing(&[Seller::new(1, 100), Seller::new(2, 103)], &limited);
    assert!(first(&result).1 <= 103);
    let result = clearing(&[Seller::new(1, 100), Seller::new(2, 104)], &limited);
    assert_eq!(first(&result), (node(1), 100), "an offer above the limit does not compete");
    assert_eq!(result.exclusions.above_limit, 1);
}

#[test]
fn candidate_after_a_failed_one_is_priced_as_if_that_were_not_there() {
    let sellers = [Seller::new(1, 100), Seller::new(2, 104), Seller::new(3, 109)];
    let all = clearing(&sellers, &request(1));
    let without_first = clearing(&sellers[1..], &request(1));
    let strip =
        |candidate: &Candidate| Candidate { slot: pinaivu_auction::NodeSlot(0), ..*candidate };
    assert_eq!(strip(&all.ranked()[1]), strip(without_first.winner().unwrap()));
    assert_eq!(all.ranked()[1].competitors, 2);
    assert_eq!(all.ranked()[2].competitors, 1);
    assert_eq!(all.ranked()[2].tariff.price, TokenPrice(109));
}

#[test]
fn equal_offers_are_ordered_by_hash_and_shared_evenly() {
    let sellers: Vec<Seller> = (0..4).map(|number| Seller::new(number, 100)).collect();
    let snapshot = Market::of(&sellers).book.snapshot();
    let mut wins = [0_u32; 4];
    for id in 0..4_000_u32 {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        let request = Request { id: RequestId(bytes), ..request(0) };
        let result = clear(&snapshot, &request, &Everyone).unwrap();
        let expected = (0..4).min_by_key(|&number| tie_break(&request.id, &node(number))).unwrap();
        assert_eq!(result.winner().unwrap().node, node(expected));
        wins[usize::from(expected)] += 1;
    }
    // Four standard deviations of a binomial with n = 4,000 and p = 1/4 are 110; the ids are fixed.
    assert!(wins.iter().all(|&count| (890..=1_110).contains(&count)), "{wins:?}");
}

#[test]
fn tie_break_is_siphash_2_4() {
    // The authors' reference implementation, `vectors_sip64[32]`: key 0, 1, …, message 0, 1, ….
    let key: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let message: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap());
    let expected = u64::from_le_bytes([0xce, 0x7c, 0xf2, 0x72, 0x2f, 0x51, 0x27, 0x71]);
    assert_eq!(tie_break(&RequestId(key), &NodeId(message)), expected);
}

#[test]
fn busy_nodes_are_passed_over_and_recorded() {
    let market = Market::of(&[Seller::new(1, 100), Seller::new(2, 104), Seller::new(3, 200)]);
    let snapshot = market.book.snapshot();
    let full = [market.book.slot(&node(1)).unwrap()];
    let result = clear(&snapshot, &request(1), &BusyNodes(&full)).unwrap();
    assert_eq!(first(&result), (node(2), 114));
    assert_eq!(result.busy, full);
    assert_eq!(result.exclusions.busy, 1);
    assert_eq!(clear(&snapshot, &request(1), &BusyNodes(&result.busy)), Ok(result));
}

#[test]
fn more_offers_than_are_ranked_still_count() {
    let sellers: Vec<Seller> =
        (0..20).map(|number| Seller::new(number, 100 + u64::from(number))).collect();
    let result = clearing(&sellers, &request(1));
    assert_eq!(order(&result), (0..8).map(node).collect::<Vec<_>>());
    assert_eq!(result.ranked().len(), MAX_RANKED);
    assert_eq!(result.winner().unwrap().competitors, 20);
    assert_eq!(result.ranked()[7].runner_up, Some(node(8)));
    assert_eq!(result.ranked()[7].best_losing_ask, Some(TokenPrice(108)));
}

#[test]
fn price_is_set_beyond_the_ranked_when_those_are_all_siblings() {
    let mut sellers: Vec<Seller> =
        (0..12).map(|number| Seller { owner: 1, ..Seller::new(number, 100) }).collect();
    sellers.push(Seller::new(50, 108));
    sellers.push(Seller::new(51, 107));
    let result = clearing(&sellers, &request(1));
    for candidate in result.ranked() {
        assert_eq!(candidate.runner_up, Some(node(51)));
    }
}

#[test]
fn digest_says_what_the_receipt_needs() {
    let good = Seller { quality: 5_000, ..Seller::new(1, 150) };
    let market = Market::of(&[good, Seller::new(2, 100), Seller::new(3, 90)]);
    let snapshot = market.book.snapshot();
    let result = clear(&snapshot, &request(1), &Everyone).unwrap();
    let digest = result.digest(result.winner().unwrap());
    assert_eq!(digest.book_head, snapshot.head());
    assert_eq!(digest.candidates, 3);
    assert_eq!(digest.winner_ask, TokenPrice(150));
    assert_eq!(digest.best_losing_ask, Some(TokenPrice(90)));
    let last = result.digest(&result.ranked()[2]);
    assert_eq!((last.candidates, last.best_losing_ask), (1, None));
}

#[test]
fn worst_case_covers_every_candidate() {
    let result = clearing(&[Seller::new(1, 100), Seller::new(2, 300)], &request(1));
    // 300 × (10 × 1 + 20 × 4): the dearer candidate, alone in the end, gets its ask.
    assert_eq!(result.worst_case(TokenCount(10), TokenCount(20)), FineAmount(27_000));
}

#[test]
fn warm_node_is_preferred_up_to_the_bound_and_paid_its_price() {
    let sellers = [Seller::new(1, 100), Seller::new(2, 140)];
    let warm = |discount| [WarmNode { node: node(2), discount: Bps(discount) }];
    let (modest, full) = (warm(2_000), warm(10_000));
    let result = clearing(&sellers, &Request { warm: &modest, ..request(1) });
    assert_eq!(result.winner().unwrap().node, node(1), "140 × 0.8 > 100");
    let result = clearing(&sellers, &Request { warm: &full, ..request(1) });
    let winner = result.winner().unwrap();
    assert_eq!((winner.node, winner.factor), (node(2), 10_000 * 7_000), "140 × 0.7 < 100");
    assert!(winner.tariff.price >= TokenPrice(140));
}

#[test]
fn pinned_node_gets_its_ask_whoever_else_is_there() {
    let sellers = [Seller::new(1, 100), Seller::new(2, 140)];
    let result = clearing(&sellers, &Request { pinned: Some(node(2)), ..request(1) });
    assert_eq!(order(&result), [node(2)]);
    assert_eq!(first(&result), (node(2), 140));
}

#[test]
fn every_obstacle_is_named() {
    let mut market = Market::of(&[Seller::new(1, 100), Seller::new(2, 100)]);
    let ended = Ask { expires: UnixMillis(NOW.0 + 1), ..ask(2, 100, 2) };
    market.apply(&key(2).sign(ended), NOW).unwrap();
    let snapshot = market.book.snapshot();
    let excluded = [node(1)];
    let at = UnixMillis(NOW.0 + 1);
    let full = [market.book.slot(&node(1)).unwrap()];
    let cases: [(Request<'_>, Exclusion); 6] = [
        (Request { pinned: Some(node(9)), now: at, ..request(1) }, Exclusion::NotPinned),
        (Request { excluded: &excluded, now: at, ..request(1) }, Exclusion::Excluded),
        (Request { features: Features::TOOLS, now: at, ..request(1) }, Exclusion::Features),
        (Request { max_output: TokenCount(8_093), now: at, ..request(1) }, Exclusion::Context),
        (Request { max_price: Some(TokenPrice(99)), now: at, ..request(1) }, Exclusion::AboveLimit),
        (Request { now: at, ..request(1) }, Exclusion::Busy),
    ];
    for (request, exclusion) in cases {
        let busy = BusyNodes(if exclusion == Exclusion::Busy { &full } else { &[] });
        assert_eq!(
            explain(&snapshot, &request, &busy),
            [
                (node(1), Verdict::Excluded(exclusion)),
                (node(2), Verdict::Excluded(Exclusion::Expired)),
            ]
        );
    }
    let open = Request { now: at, max_output: TokenCount(8_092), ..request(1) };
    assert_eq!(
        explain(&snapshot, &open, &Everyone)[0],
        (node(1), Verdict::Competes { score: 100 * 10_000 * 10_000 })
    );
}

#[test]
fn nobody_left_names_the_obstacle_of_the_offer_that_got_furthest() {
    let mut market = Market::of(&[Seller::new(1, 100), Seller::new(2, 100)]);
    let capable = Ask { features: Features::CHAT.union(Features::TOOLS), ..ask(2, 100, 2) };
    market.apply(&key(2).sign(capable), NOW).unwrap();
    let tools = Request { features: Features::TOOLS, ..request(1) };
    assert_eq!(
        cause(&market, &Request { max_price: Some(TokenPrice(1)), ..tools }),
        NoWinnerCause::AboveLimit
    );
    assert_eq!(
        cause(&market, &Request { max_output: TokenCount(u32::MAX), ..tools }),
        NoWinnerCause::Context
    );
    assert_eq!(
        cause(&market, &Request { features: Features::IMAGES, ..tools }),
        NoWinnerCause::Features
    );
    assert_eq!(
        cause(&market, &Request { pinned: Some(node(3)), ..tools }),
        NoWinnerCause::PinnedAbsent
    );
    assert_eq!(cause(&market, &Request { now: LATER, ..tools }), NoWinnerCause::NoOffer);
    assert_eq!(cause(&market, &Request { model: "other", ..tools }), NoWinnerCause::UnknownModel);
    let slots = [market.book.slot(&node(1)).unwrap(), market.book.slot(&node(2)).unwrap()];
    let busy = clear(&market.book.snapshot(), &tools, &BusyNodes(&slots)).unwrap_err();
    assert_eq!(busy.cause, NoWinnerCause::Busy);
    assert_eq!((busy.exclusions.busy, busy.exclusions.features), (1, 1));
}

#[test]
fn critical_price_is_the_last_that_still_wins() {
    assert_eq!(critical_price(100, 10, true), Some(TokenPrice(10)));
    assert_eq!(critical_price(100, 10, false), Some(TokenPrice(9)));
    assert_eq!(critical_price(101, 10, false), Some(TokenPrice(10)));
    assert_eq!(critical_price(0, 10, false), None);
    assert_eq!(critical_price(100, 0, true), None);
    assert_eq!(critical_price(u128::MAX, 1, true), Some(TokenPrice(u64::MAX)));
}

#[test]
fn largest_prices_do_not_overflow() {
    let result = clearing(
        &[
            Seller { quality: 20_000, ..Seller::new(1, u64::MAX) },
            Seller { quality: 20_000, ..Seller::new(2, u64::MAX) },
        ],
        &request(1),
    );
    assert_eq!(first(&result).1, u64::MAX);
}

#[test]
fn terms_stored_before_wishes_are_read_as_without_one() {
    let terms = pinaivu_auction::Terms {
        request: pinaivu_protocol::ids::RequestId([1; 16]),
        model: "model".to_owned(),
        input_tokens: pinaivu_protocol::units::TokenCount(1),
        max_output: pinaivu_protocol::units::TokenCount(2),
        features: 3,
        max_price: None,
        excluded: Vec::new(),
        pinned: None,
        now: pinaivu_protocol::units::UnixMillis(4),
        busy: vec![5],
        wish: pinaivu_auction::Wish::default(),
    };
    let bytes = terms.encode();
    assert_eq!(pinaivu_auction::Terms::decode(&bytes), Some(terms.clone()));
    // The wish is the last two bytes: an order and a flag.
    assert_eq!(pinaivu_auction::Terms::decode(&bytes[..bytes.len() - 2]), Some(terms));
    assert_eq!(pinaivu_auction::Terms::decode(&bytes[..bytes.len() - 1]), None);
}
