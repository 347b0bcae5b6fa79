//! What holds for every book and request, against an oracle that sorts and searches.

use std::collections::BTreeSet;

use pinaivu_auction::{
    BusyNodes, Candidate, Clearing, Everyone, MAX_RANKED, NoWinner, NodeSlot, OrderBook, Request,
    clear, tie_break,
};
use pinaivu_protocol::units::TokenPrice;
use proptest::prelude::*;

use crate::market::*;

fn seller() -> impl Strategy<Value = Seller> {
    // Small ranges, so that ties and equal owners are frequent.
    (0..40_u16, 0..6_u16, 0..60_u64, 0..4_u16, prop::bool::weighted(0.8)).prop_map(
        |(number, owner, price, quality, recent)| Seller {
            number,
            owner,
            price,
            quality: [5_000, 10_000, 10_000, 20_000][usize::from(quality)],
            recent,
        },
    )
}

/// At most one offer a node.
fn sellers() -> impl Strategy<Value = Vec<Seller>> {
    prop::collection::vec(seller(), 1..30).prop_map(|mut sellers| {
        let mut seen = BTreeSet::new();
        sellers.retain(|seller| seen.insert(seller.number));
        sellers
    })
}

fn limit() -> impl Strategy<Value = Option<TokenPrice>> {
    prop::option::of((0..70_u64).prop_map(TokenPrice))
}

fn run(sellers: &[Seller], request: &Request<'_>) -> Result<Clearing, NoWinner> {
    clear(&Market::of(sellers).book.snapshot(), request, &Everyone)
}

fn seller_of<'a>(sellers: &'a [Seller], candidate: &Candidate) -> &'a Seller {
    sellers.iter().find(|seller| node(seller.number) == candidate.node).unwrap()
}

/// The order by definition: everybody within the limit, sorted.
fn sorted(sellers: &[Seller], request: &Request<'_>) -> Vec<Seller> {
    let mut eligible: Vec<Seller> = sellers
        .iter()
        .filter(|seller| request.max_price.is_none_or(|limit| seller.price <= limit.0))
        .copied()
        .collect();
    eligible.sort_by_key(|seller| {
        let cost = u128::from(seller.price) * u128::from(seller.quality);
        (cost, tie_break(&request.id, &node(seller.number)), node(seller.number))
    });
    eligible
}

/// The price by definition: the highest within cap and limit with which the winner, against those
/// that may set its price, still comes first.
fn price_by_search(sorted: &[Seller], request: &Request<'_>) -> u64 {
    let winner = sorted[0];
    let rivals: Vec<Seller> = sorted[1..]
        .iter()
        .filter(|rival| rival.owner != winner.owner && rival.recent)
        .copied()
        .collect();
    if rivals.is_empty() {
        return winner.price;
    }
    let still_wins = |price: u64| {
        let mut field = rivals.clone();
        field.push(Seller { price, ..winner });
        let all = Request { max_price: None, ..*request };
        crate::properties::sorted(&field, &all)[0].number == winner.number
    };
    let limit = request.max_price.map_or(u64::MAX, |limit| limit.0);
    let most = (winner.price * 11 / 10).min(limit);
    (winner.price..=most).rev().find(|&price| still_wins(price)).unwrap()
}

proptest! {
    #[test]
    fn ranking_and_prices_are_those_of_the_definition(
        sellers in sellers(), max_price in limit(), id: u8,
    ) {
        let request = Request { max_price, ..request(id) };
        let expected = sorted(&sellers, &request);
        match run(&sellers, &request) {
            Err(_) => prop_assert!(expected.is_empty()),
            Ok(result) => {
                prop_assert_eq!(result.ranked().len(), expected.len().min(MAX_RANKED));
                for (rank, candidate) in result.ranked().iter().enumerate() {
                    prop_assert_eq!(candidate.node, node(expected[rank].number));
                    prop_assert_eq!(
                        candidate.tariff.price.0,
                        price_by_search(&expected[rank..], &request)
                    );
                    prop_assert_eq!(
                        candidate.best_losing_ask.map(|ask| ask.0),
                        expected[rank + 1..].iter().map(|seller| seller.price).min()
                    );
                    prop_assert_eq!(candidate.competitors as usize, expected.len() - rank);
                }
            }
        }
    }

    #[test]
    fn price_is_between_ask_and_its_bounds(sellers in sellers(), max_price in limit(), id: u8) {
        let request = Request { max_price, ..request(id) };
        for candidate in run(&sellers, &request).iter().flat_map(Clearing::ranked) {
            let (ask, price) = (candidate.ask.0, candidate.tariff.price.0);
            prop_assert!(price >= ask);
            prop_assert!(price * 10 <= ask * 11);
            prop_assert!(max_price.is_none_or(|limit| price <= limit.0));
        }
    }

    #[test]
    fn runner_up_has_another_owner_and_served_lately(sellers in sellers(), id: u8) {
        let result = run(&sellers, &request(id)).unwrap();
        for candidate in result.ranked() {
            match candidate.runner_up {
                None => prop_assert_eq!(candidate.tariff.price, candidate.ask),
                Some(other) => {
                    let other =
                        sellers.iter().find(|seller| node(seller.number) == other).unwrap();
                    prop_assert!(other.recent);
                    prop_assert_ne!(other.owner, seller_of(&sellers, candidate).owner);
                }
            }
        }
    }

    #[test]
    fn lowering_an_ask_never_loses_a_win(sellers in sellers(), id: u8, by in 0..60_u64) {
        let winner = run(&sellers, &request(id)).unwrap().ranked()[0].node;
        let mut lowered = sellers;
        for seller in &mut lowered {
            if node(seller.number) == winner {
                seller.price = seller.price.saturating_sub(by);
            }
        }
        prop_assert_eq!(run(&lowered, &request(id)).unwrap().ranked()[0].node, winner);
    }

    #[test]
    fn asking_up_to_the_critical_price_wins_and_above_it_loses(sellers in sellers(), id: u8) {
        let result = run(&sellers, &request(id)).unwrap();
        let winner = result.ranked()[0];
        let Some(critical) = winner.critical else { return Ok(()) };
        let beats_runner_up = |price: u64| {
            let mut raised = sellers.clone();
            for seller in &mut raised {
                if node(seller.number) == winner.node {
                    seller.price = price;
                }
            }
            let order = sorted(&raised, &request(id));
            let place = |wanted| order.iter().position(|seller| node(seller.number) == wanted);
            place(winner.node) < place(winner.runner_up.unwrap())
        };
        prop_assert!(beats_runner_up(critical.0));
        prop_assert!(!beats_runner_up(critical.0 + 1));
    }

    #[test]
    fn raising_a_losing_siblings_ask_never_pays(sellers in sellers(), id: u8, by in 1..100_u64) {
        let before = run(&sellers, &request(id)).unwrap().ranked()[0];
        let owner = seller_of(&sellers, &before).owner;
        let mut raised = sellers;
        for seller in &mut raised {
            if seller.owner == owner && node(seller.number) != before.node {
                seller.price += by;
            }
        }
        let after = run(&raised, &request(id)).unwrap().ranked()[0];
        prop_assert_eq!(after.node, before.node);
        prop_assert_eq!(after.tariff, before.tariff);
    }

    #[test]
    fn order_of_arrival_does_not_matter(
        (sellers, shuffled) in sellers().prop_flat_map(|sellers| {
            (Just(sellers.clone()), Just(sellers).prop_shuffle())
        }),
        id: u8,
    ) {
        let facts = |sellers: &[Seller]| -> Vec<Candidate> {
            let result = run(sellers, &request(id)).unwrap();
            let anywhere = |candidate: &Candidate| Candidate { slot: NodeSlot(0), ..*candidate };
            result.ranked().iter().map(anywhere).collect()
        };
        prop_assert_eq!(facts(&sellers), facts(&shuffled));
    }

    #[test]
    fn failover_is_priced_as_a_clearing_without_the_failed(sellers in sellers(), id: u8) {
        let market = Market::of(&sellers);
        let snapshot = market.book.snapshot();
        let result = clear(&snapshot, &request(id), &Everyone).unwrap();
        let mut failed = Vec::new();
        for candidate in result.ranked() {
            let retried = Request { excluded: &failed, ..request(id) };
            let again = clear(&snapshot, &retried, &Everyone).unwrap();
            prop_assert_eq!(&again.ranked()[0], candidate);
            failed.push(candidate.node);
        }
    }

    #[test]
    fn replayed_book_and_busy_nodes_give_the_same_clearing(
        sellers in sellers(), id: u8, busy in prop::collection::vec(0..30_u32, 0..10),
    ) {
        let market = Market::of(&sellers);
        let busy: Vec<NodeSlot> = busy.into_iter().map(NodeSlot).collect();
        let first = clear(&market.book.snapshot(), &request(id), &BusyNodes(&busy));
        let replayed = OrderBook::replay(market.decoded()).unwrap();
        prop_assert_eq!(replayed.head(), market.book.head());
        let recorded = first.as_ref().map_or(busy, |clearing| clearing.busy.clone());
        let again = clear(&replayed.snapshot(), &request(id), &BusyNodes(&recorded));
        prop_assert_eq!(first, again);
    }
}
