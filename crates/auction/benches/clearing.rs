//! How long one clearing takes in a book of 1,000 nodes that each offer 20 models: ranking, prices and
//! record included, the nodes' occupancy read from atomics as in a gateway.
//!
//! Criterion shows how the mean changes. A gateway cares for the tail, so before that every one of
//! 100,000 clearings is timed on its own and the percentiles are printed.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]
#![expect(missing_docs, reason = "criterion's macros make public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group};
use pinaivu_auction::{
    NodeFacts, Occupancy, OrderBook, QualityFactor, Rating, Request, Snapshot, Standing, Weights,
    clear,
};
use pinaivu_protocol::ask::{Ask, Features};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId, PublicKey, RequestId};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::{TokenCount, TokenPrice, UnixMillis};

const NODES: u16 = 1_000;
const MODELS: u16 = 20;
const SAMPLES: u32 = 100_000;

/// How the offers of a book relate.
#[derive(Clone, Copy, Debug)]
enum Field {
    /// Different prices, qualities and owners, in no order.
    Varied,
    /// All equal: every offer ties with every other.
    Equal,
    /// Each offer beats all before it, so the ranking changes with every one.
    Falling,
}

fn node(number: u16) -> NodeId {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    NodeId(bytes)
}

fn model(number: u16) -> String {
    format!("vendor/model-{number}-instruct")
}

fn price(field: Field, number: u16) -> u64 {
    match field {
        Field::Varied => 100_000 + (u64::from(number) * 7_919) % 50_021,
        Field::Equal => 100_000,
        Field::Falling => 200_000 - u64::from(number),
    }
}

fn book(field: Field) -> Snapshot {
    let deployment = DeploymentId(Hash32([1; 32]));
    let coordinator = CoordinatorId([2; 32]);
    let (mut book, _) = OrderBook::open(deployment, coordinator, Hash32::ZERO, UnixMillis(0));
    for number in 0..MODELS {
        book.list_model(&model(number), Weights { input: 1, output: 4 }).unwrap();
    }
    for number in 0..NODES {
        let mut seed = [3; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let key = SigningKey::from_seed(&seed).unwrap();
        let mut owner = [4; 32];
        owner[..2].copy_from_slice(&(number / 3).to_be_bytes());
        let facts = NodeFacts { signer: key.public(), payout_owner: PublicKey(owner) };
        book.admit_node(node(number), facts).unwrap();
        let mut ratings = Vec::new();
        for index in 0..MODELS {
            let ask = Ask {
                deployment,
                coordinator,
                node: node(number),
                model: model(index),
                price: TokenPrice(price(field, number)),
                context_length: 8_192,
                features: Features::CHAT,
                sequence: 1,
                expires: UnixMillis(u64::MAX),
            };
            book.apply(&key.sign(ask), UnixMillis(1)).unwrap();
            let quality = match field {
                Field::Varied => 8_000 + (number % 40) * 100,
                Field::Equal | Field::Falling => 10_000,
            };
            let standing =
                Standing { quality: QualityFactor::clamped(quality), recent_service: true };
            ratings.push(Rating { node: node(number), model: model(index), standing });
        }
        book.rate(&ratings);
    }
    book.snapshot()
}

fn request(models: &[String], id: u32) -> Request<'_> {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&id.wrapping_mul(2_654_435_761).to_be_bytes());
    Request {
        id: RequestId(bytes),
        model: &models[id as usize % models.len()],
        input_tokens: TokenCount(500),
        max_output: TokenCount(500),
        features: Features::CHAT,
        max_price: Some(TokenPrice(1_000_000)),
        excluded: &[],
        pinned: None,
        warm: &[],
        now: UnixMillis(1),
    }
}

fn percentiles(field: Field, snapshot: &Snapshot, occupancy: &Occupancy, models: &[String]) {
    for id in 0..1_000 {
        black_box(clear(snapshot, &request(models, id), occupancy)).unwrap();
    }
    let mut nanos: Vec<u128> = (0..SAMPLES)
        .map(|id| {
            let request = request(models, id);
            let start = Instant::now();
            let result = black_box(clear(black_box(snapshot), &request, occupancy));
            let elapsed = start.elapsed().as_nanos();
            assert!(result.is_ok());
            elapsed
        })
        .collect();
    nanos.sort_unstable();
    let at = |permille: usize| nanos[(nanos.len() - 1) * permille / 1_000];
    println!(
        "clearing {field:?}: {NODES} nodes x {MODELS} models, {SAMPLES} samples: \
         p50 {} ns, p99 {} ns, p99.9 {} ns, max {} ns",
        at(500),
        at(990),
        at(999),
        at(1_000),
    );
}

fn bench(criterion: &mut Criterion) {
    let models: Vec<String> = (0..MODELS).map(model).collect();
    let occupancy = Arc::new(Occupancy::new(8));
    for field in [Field::Varied, Field::Equal, Field::Falling] {
        let snapshot = book(field);
        percentiles(field, &snapshot, &occupancy, &models);
        let mut id = 0_u32;
        criterion.bench_function(&format!("clearing/{field:?}"), |bencher| {
            bencher.iter(|| {
                id = id.wrapping_add(1);
                clear(black_box(&snapshot), &request(&models, id), &*occupancy)
            });
        });
    }
}

criterion_group!(benches, bench);

fn main() {
    // Test runners start benchmarks too, to list or to try them: only `cargo bench` measures.
    if std::env::args().any(|argument| argument == "--bench") {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
