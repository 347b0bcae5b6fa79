//! Random sequences of all instructions by many people, against a reference ledger.
//!
//! For every transaction the ledger says beforehand what must come of it: which instruction is refused
//! with which error, or what every account it touches says afterwards. At the end of each episode
//! everybody leaves without asking anyone, and what stays behind must be what nobody owns.

mod action;
mod chain;
mod guarantees;
mod ledger;
mod operators;
mod random;
mod run;
mod settlement;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use run::{Episode, Start};

use crate::hostile::Idl;

/// Seeds that are tried every time. One that ever failed stays here.
const CORPUS: [u64; 12] = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233];

/// Instructions of one episode, before everybody leaves.
const EPISODE: u64 = 1_200;

/// How often each instruction was accepted.
type Accepted = BTreeMap<&'static str, u64>;

/// Runs at least so many instructions in episodes, whose seeds follow each other, on so many threads.
fn fuzz(instructions: u64, seed: u64, threads: usize) -> Accepted {
    let started = Instant::now();
    let (episodes, tried) = (AtomicU64::new(0), AtomicU64::new(0));
    let worker = || {
        let (start, mut accepted) = (Start::new(), Accepted::new());
        while tried.load(Ordering::Relaxed) < instructions {
            let number = episodes.fetch_add(1, Ordering::Relaxed);
            let mut episode = Episode::new(&start, seed.wrapping_add(number));
            tried.fetch_add(episode.run(EPISODE), Ordering::Relaxed);
            add(&mut accepted, episode.accepted());
        }
        accepted
    };
    let mut accepted = Accepted::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            add(&mut accepted, worker.join().expect("an episode failed; see above"));
        }
    });
    let (tried, seconds) = (tried.into_inner(), started.elapsed().as_secs_f64());
    let episodes = episodes.into_inner();
    let rate = tried as f64 / seconds;
    eprintln!("seed {seed}: {tried} instructions, {episodes} episodes, {rate:.0} a second");
    accepted
}

fn add(all: &mut Accepted, more: impl IntoIterator<Item = (&'static str, u64)>) {
    for (name, count) in more {
        *all.entry(name).or_default() += count;
    }
}

/// Instructions that the sequences do not drive: opening the market a second time is refused, always;
/// the others have tests of their own only.
const NOT_DRIVEN: [&str; 19] = [
    "coordinator_close",
    "demand_open_recorded",
    "equivocation_heads",
    "equivocation_log",
    "equivocation_node",
    "escrow_recover",
    "evidence_close",
    "evidence_open",
    "evidence_write",
    "market_initialize",
    "measurement_allow",
    "measurement_revoke",
    "payout_close",
    "proposal_apply",
    "proposal_cancel",
    "proposal_open",
    "receipt_close",
    "receipt_record",
    "signer_close",
];

/// Every instruction must have succeeded this often, or it was not tested.
fn require_all(accepted: &Accepted, least: u64) {
    let known: BTreeSet<String> = Idl::read().instructions.into_keys().collect();
    assert!(NOT_DRIVEN.iter().all(|name| known.contains(*name) && !accepted.contains_key(name)));
    for name in known.iter().filter(|name| !NOT_DRIVEN.contains(&name.as_str())) {
        let count = accepted.get(name.as_str()).copied().unwrap_or_default();
        assert!(count >= least, "{name} succeeded {count} times: {accepted:?}");
    }
}

#[test]
fn corpus_of_seeds_agrees_with_the_reference_ledger() {
    let mut accepted = Accepted::new();
    for seed in CORPUS {
        add(&mut accepted, fuzz(EPISODE, seed, 1));
    }
    require_all(&accepted, 10);
}

#[test]
fn fresh_seed_agrees_with_the_reference_ledger() {
    let state = std::collections::hash_map::RandomState::new();
    let seed = std::hash::BuildHasher::hash_one(&state, 0);
    // Printed when it fails: `cargo xtask program fuzz --seed …` runs it again.
    eprintln!("seed {seed}");
    fuzz(2 * EPISODE, seed, 1);
}

/// The long run, by `cargo xtask program fuzz`.
#[test]
#[ignore = "takes as long as it is told to"]
#[expect(clippy::disallowed_methods, reason = "a test's arguments can come from nowhere else")]
fn long_run_agrees_with_the_reference_ledger() {
    let number = |name: &str| {
        let text = std::env::var(name).expect("set by cargo xtask program fuzz");
        text.parse::<u64>().expect("a number")
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let accepted = fuzz(number("PINAIVU_FUZZ_INSTRUCTIONS"), number("PINAIVU_FUZZ_SEED"), threads);
    for (name, count) in &accepted {
        eprintln!("{count:>9} {name}");
    }
    require_all(&accepted, 1);
}
