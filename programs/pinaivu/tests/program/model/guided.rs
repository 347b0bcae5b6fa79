//! The long run: episodes that begin where something new was seen.
//!
//! Two of three start from a copy of an earlier episode at a point where it had just reached a part of the
//! program, or an order of outcomes, that nobody had reached before, and go on from there with another
//! seed. So a state that takes many steps to reach is explored without being reached by luck each time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::coverage::{Map, Tracer};
use super::episode::{Episode, Start, Tally};
use super::random::Random;
use super::recipe::Recipe;

/// Steps of one seed.
pub(super) const STEPS: u32 = 1_200;

/// Steps after which an episode is kept if it saw something new.
const STRETCH: u32 = 25;

/// Episodes that a worker keeps to start from.
const KEPT: usize = 96;

/// Recipes from which the corpus is distilled, and that it has at most.
const CANDIDATES: usize = 160;
const DISTILLED: usize = 24;

/// What a long run gives.
pub(super) struct Report {
    pub(super) tally: Tally,
    /// Recipes that together reach what the best of the run did, the most fruitful first.
    pub(super) corpus: Vec<Recipe>,
}

/// An episode to go on from.
struct Kept {
    episode: Episode,
    recipe: Recipe,
}

/// What all workers share.
struct Run {
    map: Map,
    instructions: u64,
    seed: u64,
    episodes: AtomicU64,
    sent: AtomicU64,
    /// Recipes with how much new they saw.
    fruitful: Mutex<Vec<(u64, Recipe)>>,
}

/// Runs at least so many instructions on so many threads.
pub(super) fn explore(instructions: u64, seed: u64, threads: usize, distil: bool) -> Report {
    let started = Instant::now();
    let run = Run {
        map: Map::new(),
        instructions,
        seed,
        episodes: AtomicU64::new(0),
        sent: AtomicU64::new(0),
        fruitful: Mutex::default(),
    };
    let mut tally = Tally::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| run.work())).collect();
        for worker in workers {
            add(&mut tally, &worker.join().expect("an episode failed; see above"));
        }
    });
    let (sent, seconds) = (run.sent.load(Ordering::Relaxed), started.elapsed().as_secs_f64());
    let (episodes, rate) = (run.episodes.load(Ordering::Relaxed), sent as f64 / seconds);
    let seen = run.map.count();
    eprintln!(
        "seed {seed}: {sent} instructions, {episodes} episodes, {rate:.0} a second; {seen} steps and \
         orders of outcomes seen"
    );
    let corpus = if distil { run.distilled() } else { Vec::new() };
    Report { tally, corpus }
}

/// Adds up outcomes.
pub(super) fn add(all: &mut Tally, more: &Tally) {
    for (name, outcomes) in more {
        let sum = all.entry(name).or_default();
        sum.accepted += outcomes.accepted;
        sum.refused += outcomes.refused;
    }
}

impl Run {
    fn work(&self) -> Tally {
        let tracer = Tracer::new(&self.map);
        let (start, mut tally) = (Start::traced(&tracer), Tally::new());
        let mut kept: Vec<Kept> = Vec::new();
        tracer.fresh();
        while self.sent.load(Ordering::Relaxed) < self.instructions {
            let number = self.episodes.fetch_add(1, Ordering::Relaxed);
            let seed = self.seed.wrapping_add(number);
            let mut choice = Random::new(!seed);
            let from = if kept.is_empty() || choice.once_in(3) {
                Kept { episode: Episode::new(&start), recipe: Recipe::default() }
            } else {
                let it = &kept[choice.below(kept.len())];
                Kept { episode: it.episode.fork(), recipe: it.recipe.clone() }
            };
            let episode = self.follow(from, seed, &tracer, &mut kept, &mut choice);
            self.sent.fetch_add(episode.sent(), Ordering::Relaxed);
            add(&mut tally, episode.tally());
        }
        tally
    }

    /// One seed from where something was left, keeping what sees something new.
    fn follow(
        &self,
        from: Kept,
        seed: u64,
        tracer: &Tracer,
        kept: &mut Vec<Kept>,
        choice: &mut Random,
    ) -> Episode {
        let Kept { mut episode, recipe } = from;
        episode.seed(seed, recipe.then(seed, STEPS).to_string());
        let mut new = 0;
        for step in 1..=STEPS {
            episode.step();
            tracer.see_hash(episode.outcomes());
            if !step.is_multiple_of(STRETCH) {
                continue;
            }
            let fresh = tracer.fresh();
            if fresh > 0 {
                let recipe = recipe.then(seed, step);
                let it = Kept { episode: episode.fork(), recipe };
                if kept.len() < KEPT {
                    kept.push(it);
                } else {
                    kept[choice.below(KEPT)] = it;
                }
            }
            new += fresh;
        }
        episode.leave();
        new += tracer.fresh();
        if new > 0 {
            let mut fruitful = self.fruitful.lock().unwrap();
            fruitful.push((new, recipe.then(seed, STEPS)));
        }
        episode
    }

    /// Of the recipes that saw most, as few as possible that see together what all of them see.
    fn distilled(&self) -> Vec<Recipe> {
        let mut candidates = self.fruitful.lock().unwrap().clone();
        candidates.sort_by_key(|(new, recipe)| (recipe.0.len(), std::cmp::Reverse(*new)));
        candidates.truncate(CANDIDATES);
        let seen = |recipe: &Recipe| {
            let map = Map::new();
            recipe.run(&Start::traced(&Tracer::new(&map)));
            map.seen()
        };
        let mut candidates: Vec<(Recipe, Vec<u64>)> =
            candidates.into_iter().map(|(_, recipe)| (recipe.clone(), seen(&recipe))).collect();
        let (mut corpus, mut have) = (Vec::new(), Map::new().seen());
        while corpus.len() < DISTILLED {
            let more = |seen: &[u64]| -> u32 {
                seen.iter().zip(&have).map(|(seen, have)| (seen & !have).count_ones()).sum()
            };
            let best = (0..candidates.len()).max_by_key(|id| more(&candidates[*id].1));
            let Some(best) = best.filter(|id| more(&candidates[*id].1) > 0) else { break };
            let (recipe, seen) = candidates.swap_remove(best);
            have.iter_mut().zip(seen).for_each(|(have, seen)| *have |= seen);
            corpus.push(recipe);
        }
        corpus
    }
}
