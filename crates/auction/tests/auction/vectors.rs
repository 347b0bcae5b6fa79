//! `tests/vectors/auction.json`: books as published and clearings of them, for verifiers in other
//! languages. The file is what this code says; `vectors_are_written` writes it again.

use std::path::{Path, PathBuf};

use pinaivu_auction::{
    Clearing, Measured, Measurements, NoWinner, Order, Reference, Terms, Wish, next_head,
};
use pinaivu_protocol::ask::Features;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::RequestId;
use pinaivu_protocol::units::{TokenCount, TokenPrice, UnixMillis};
use serde_json::{Value, json};

use crate::market::{LATER, MODEL, Market, NOW, Seller, ask, key, measured, node};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/auction.json")
}

fn terms(request: u8) -> Terms {
    Terms {
        request: RequestId([request; 16]),
        model: MODEL.to_owned(),
        input_tokens: TokenCount(100),
        max_output: TokenCount(100),
        features: Features::CHAT.0,
        max_price: None,
        excluded: Vec::new(),
        pinned: None,
        now: NOW,
        busy: Vec::new(),
        wish: Wish::default(),
    }
}

/// A book whose history has every kind of entry.
fn eventful() -> Market {
    let mut market = Market::of(&[
        Seller::new(1, 200_000),
        Seller { quality: 9_000, ..Seller::new(2, 210_000) },
        Seller { owner: 1, ..Seller::new(3, 205_000) },
        Seller { recent: false, ..Seller::new(4, 201_000) },
        Seller::new(5, 400_000),
    ]);
    market.offer(5, 230_000, 2).unwrap();
    market.remove(4);
    market.admit(4, 4);
    market.offer(4, 199_000, 2).unwrap();
    let mut brief = ask(6, 1, 1);
    brief.expires = UnixMillis(NOW.0 + 1);
    market.admit(6, 6);
    market.apply(&key(6).sign(brief), NOW).unwrap();
    market.expire(UnixMillis(NOW.0 + 1));
    let mut able = ask(6, 260_000, 2);
    able.features = Features::CHAT.union(Features::TOOLS);
    able.context_length = 32_768;
    market.apply(&key(6).sign(able), NOW).unwrap();
    market
}

/// More offers than are ranked, many of them equal.
fn crowded() -> Market {
    let sellers: Vec<Seller> = (1..=20)
        .map(|number| Seller {
            owner: number % 3,
            recent: number % 4 != 0,
            ..Seller::new(number, 100_000 + u64::from(number % 2))
        })
        .collect();
    Market::of(&sellers)
}

/// A book whose standings follow from measurements, each term of the factor moved and out of its bounds.
fn judged() -> Market {
    let sellers: Vec<Seller> = (1..=9).map(|number| Seller::new(number, 100_000)).collect();
    let mut market = Market::of(&sellers);
    let reference = Reference { first_byte_millis: 150, millitokens_per_second: 40_000 };
    let quiet = Measurements { requests: 64, ..Measurements::default() };
    let all = [
        Measurements { first_byte_millis: 90, ..quiet },
        Measurements { first_byte_millis: 4_000, ..quiet },
        Measurements { millitokens_per_second: 90_001, ..quiet },
        Measurements { millitokens_per_second: 7, ..quiet },
        Measurements { failed: 3, ..quiet },
        Measurements { failed: 64, ..quiet },
        Measurements { in_flight: 5, capacity: 7, ..quiet },
        Measurements {
            requests: u32::MAX,
            failed: u32::MAX,
            first_byte_millis: u32::MAX,
            millitokens_per_second: 1,
            in_flight: u32::MAX,
            capacity: 1,
        },
    ];
    let lines = (1_u16..).zip(all).map(|(number, measurements)| Measured {
        measurements,
        reference,
        last_served: (number % 3 != 0).then_some(UnixMillis(NOW.0 - u64::from(number))),
        ..measured(number, 0, NOW)
    });
    market.measure(NOW, &lines.collect::<Vec<_>>()).unwrap();
    let nothing = Reference { first_byte_millis: 0, millitokens_per_second: 0 };
    let late = Measured { reference: nothing, ..measured(9, 3, UnixMillis(0)) };
    market.measure(NOW, &[late]).unwrap();
    market
}

fn candidates(clearing: &Clearing) -> Vec<Value> {
    clearing
        .ranked()
        .iter()
        .map(|candidate| {
            json!({
                "node": candidate.node.to_string(),
                "ask": candidate.ask.0.to_string(),
                "price": candidate.tariff.price.0.to_string(),
                "input_weight": candidate.tariff.input_weight,
                "output_weight": candidate.tariff.output_weight,
                "score": candidate.score.to_string(),
                "critical": candidate.critical.map(|price| price.0.to_string()),
                "runner_up": candidate.runner_up.map(|node| node.to_string()),
                "best_losing_ask": candidate.best_losing_ask.map(|price| price.0.to_string()),
                "competitors": candidate.competitors,
            })
        })
        .collect()
}

fn case(market: &Market, name: &str, terms: &Terms) -> Value {
    let cleared = terms.clear(&market.book.snapshot());
    let exclusions = match &cleared {
        Ok(clearing) => clearing.exclusions,
        Err(NoWinner { exclusions, .. }) => *exclusions,
    };
    json!({
        "name": name,
        "terms": hex::encode(terms.encode()),
        "ranked": cleared.as_ref().map(candidates).unwrap_or_default(),
        "excluded": {
            "expired": exclusions.expired,
            "not_pinned": exclusions.not_pinned,
            "excluded": exclusions.excluded,
            "features": exclusions.features,
            "context": exclusions.context,
            "above_limit": exclusions.above_limit,
            "busy": exclusions.busy,
        },
    })
}

fn book(name: &str, market: &Market, cases: &[Value]) -> Value {
    let entries: Vec<String> = market.entries.iter().map(hex::encode).collect();
    json!({
        "name": name,
        "entries": entries,
        "head": market.book.head().to_string(),
        "cases": cases,
    })
}

fn vectors() -> Value {
    let eventful = eventful();
    let cases = [
        case(&eventful, "everybody competes", &terms(1)),
        case(
            &eventful,
            "a limit bounds the price",
            &Terms { max_price: Some(TokenPrice(205_000)), ..terms(2) },
        ),
        case(&eventful, "the winner is full", &Terms { busy: vec![1, 3], ..terms(3) }),
        case(
            &eventful,
            "tried after the first failed",
            &Terms { excluded: vec![node(2)], ..terms(4) },
        ),
        case(&eventful, "pinned to one node", &Terms { pinned: Some(node(5)), ..terms(5) }),
        case(
            &eventful,
            "only one has tools",
            &Terms { features: Features::CHAT.union(Features::TOOLS).0, ..terms(6) },
        ),
        case(
            &eventful,
            "only one has the context",
            &Terms { input_tokens: TokenCount(9_000), ..terms(7) },
        ),
        case(
            &eventful,
            "the client wished for the lowest price",
            &Terms { wish: Wish { order: Order::Price, first_only: true }, ..terms(11) },
        ),
        case(&eventful, "all asks have ended", &Terms { now: LATER, ..terms(8) }),
    ];
    let crowded = crowded();
    let crowd = [
        case(&crowded, "ties by hash, one way", &terms(9)),
        case(&crowded, "ties by hash, another way", &terms(10)),
    ];
    let judged = judged();
    let measured = [case(&judged, "by measured quality", &terms(12))];
    json!({
        "about": "Order books as they are published, entry by entry, and what clearings of them come to. Bytes are hexadecimal, prices and scores decimal strings. `entries` are borsh of BookEntry, `terms` of Terms; `head` is that after the last entry.",
        "books": [
            book("eventful", &eventful, &cases),
            book("crowded", &crowded, &crowd),
            book("measured", &judged, &measured),
        ],
    })
}

fn text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&vectors()).unwrap())
}

#[test]
fn committed_vectors_are_what_the_code_says() {
    let committed = std::fs::read_to_string(file()).unwrap();
    assert!(committed == text(), "{} is not up to date", file().display());
}

#[test]
fn heads_of_the_vectors_follow_from_their_entries() {
    for book in vectors()["books"].as_array().unwrap() {
        let head = book["entries"].as_array().unwrap().iter().fold(Hash32::ZERO, |head, entry| {
            next_head(&head, &hex::decode(entry.as_str().unwrap()).unwrap())
        });
        assert_eq!(book["head"], head.to_string());
    }
}

#[test]
#[ignore = "writes tests/vectors/auction.json"]
fn vectors_are_written() {
    std::fs::write(file(), text()).unwrap();
}
