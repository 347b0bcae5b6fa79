//! Random sequences of all instructions by many people, against a reference ledger.
//!
//! For every transaction the ledger says beforehand what must come of it: which instruction is refused
//! with which error, or what every account it touches says afterwards. At the end of each episode
//! everybody leaves without asking anyone, and what stays behind must be what nobody owns.
//!
//! Long runs are guided by what of the program was executed; what they find is distilled into
//! `corpus.txt`, which every test run repeats beside a fresh seed.

mod action;
mod build;
mod choose;
mod compare;
mod coverage;
mod episode;
mod guided;
mod leave;
mod ledger;
mod random;
mod recipe;

use std::collections::BTreeSet;

use episode::{Start, Tally};
use guided::{STEPS, add, explore};
use recipe::Recipe;

use crate::hostile::Idl;

/// Seeds that are tried every time. One that ever failed stays here.
const SEEDS: [u64; 6] = [1, 2, 3, 5, 8, 13];

/// What long runs left, and the seeds above.
fn corpus() -> Vec<Recipe> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/model/corpus.txt");
    let text = std::fs::read_to_string(path).expect("the corpus");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let recipes = lines.map(|line| line.parse().expect("a recipe in the corpus"));
    recipes.chain(SEEDS.map(|seed| Recipe::default().then(seed, STEPS))).collect()
}

/// Every instruction of the IDL was accepted and refused so often, or it was not tested.
fn require_all(tally: &Tally, least: u64) {
    let known: BTreeSet<String> = Idl::read().instructions.into_keys().collect();
    let tried: BTreeSet<String> = tally.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(tried, known, "instructions that are driven");
    for (name, outcomes) in tally {
        let enough = outcomes.accepted >= least && outcomes.refused >= least;
        assert!(enough, "{name}: {outcomes:?}");
    }
}

#[test]
fn corpus_agrees_with_the_reference_ledger_and_drives_every_instruction_both_ways() {
    let (start, mut tally) = (Start::new(), Tally::new());
    for recipe in corpus() {
        add(&mut tally, recipe.run(&start).tally());
    }
    require_all(&tally, 1);
}

#[test]
fn fresh_seed_agrees_with_the_reference_ledger() {
    let state = std::collections::hash_map::RandomState::new();
    let seed = std::hash::BuildHasher::hash_one(&state, 0);
    let recipe = Recipe::default().then(seed, 2 * STEPS);
    // Printed when it fails: `cargo xtask program fuzz --recipe …` runs it again.
    eprintln!("{recipe}");
    recipe.run(&Start::new());
}

#[test]
fn recipe_leads_to_the_same_end_every_time() {
    let (start, recipe) = (Start::new(), Recipe::default().then(7, 150).then(9, 150));
    let (one, other) = (recipe.run(&start), recipe.run(&start));
    assert_eq!(one.tally(), other.tally());
    assert!(one.chain.world.footprint() == other.chain.world.footprint());
}

/// The long run, by `cargo xtask program fuzz`.
#[test]
#[ignore = "takes as long as it is told to"]
#[expect(clippy::disallowed_methods, reason = "a test's arguments can come from nowhere else")]
fn long_run_agrees_with_the_reference_ledger() {
    let given = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    if let Some(recipe) = given("PINAIVU_FUZZ_RECIPE") {
        recipe.parse::<Recipe>().expect("a recipe").run(&Start::new());
        return;
    }
    let number = |name: &str| {
        let text = given(name).expect("set by cargo xtask program fuzz");
        text.parse::<u64>().expect("a number")
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = given("PINAIVU_FUZZ_THREADS").map_or(threads, |text| text.parse().unwrap());
    let (instructions, seed) = (number("PINAIVU_FUZZ_INSTRUCTIONS"), number("PINAIVU_FUZZ_SEED"));
    let corpus = given("PINAIVU_FUZZ_CORPUS");
    let report = explore(instructions, seed, threads, corpus.is_some());
    for (name, outcomes) in &report.tally {
        eprintln!("{:>9} accepted {:>9} refused {name}", outcomes.accepted, outcomes.refused);
    }
    if let Some(file) = corpus {
        let lines: String = report.corpus.iter().map(|recipe| format!("{recipe}\n")).collect();
        let head = "# Distilled from long runs by `cargo xtask program fuzz --corpus FILE`.\n";
        std::fs::write(file, format!("{head}{lines}")).expect("the corpus can be written");
    }
    require_all(&report.tally, 1);
}
