//! Requests that wait for a node to have room.
//!
//! Bounded three ways: in number, in bytes and in time, and for each allowance in number, so that neither
//! memory nor latency grows with the load. Whoever is next is chosen allowance by allowance in turn: one
//! that asks for much waits behind its own requests, not before other people's. Whoever comes while other
//! people wait for the same model waits too. One at a time has a turn for a model, so that nobody whose turn
//! came later overtakes. A turn that is of no use, because the room is not where the request can go, costs
//! nobody the place and goes on to the next one. A request that waits holds no money and no place anywhere
//! else.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use pinaivu_protocol::ids::AllowanceId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QueueLimits {
    /// In all; 0: nobody.
    pub(super) requests: usize,
    /// Of one allowance.
    pub(super) per_allowance: usize,
    /// Bytes of their bodies together.
    pub(super) bytes: usize,
}

/// Turns in a row that may be of no use before the next call.
const TURNS: u32 = 8;

/// One of the turns that follow one call.
#[derive(Clone, Copy)]
struct Turn {
    /// Which call.
    round: u64,
    /// Turns that may still follow it.
    left: u32,
}

struct Waiting {
    number: u64,
    model: Arc<str>,
    woken: Arc<Notify>,
    /// It has its turn; with the rank its line had before that.
    called: Option<(Turn, u64)>,
    /// The last round in which its turn was of no use.
    tried: Option<u64>,
}

/// Those of one allowance, in the order in which they came.
struct Line {
    /// Whoever has the lowest is next.
    rank: u64,
    /// The last round in which one of it had a turn.
    tried: Option<u64>,
    waiting: VecDeque<Waiting>,
}

#[derive(Default)]
struct State {
    lines: HashMap<AllowanceId, Line>,
    /// Models for which somebody has a turn; whether there was another call meanwhile.
    turns: HashMap<Arc<str>, bool>,
    requests: usize,
    bytes: usize,
    /// Counts requests, rounds and turns.
    next: u64,
}

impl State {
    fn next(&mut self) -> u64 {
        let next = self.next;
        self.next = next.wrapping_add(1);
        next
    }

    /// Whoever is next for `model` in a round. Allowances that had no turn in it come first.
    fn first(&self, model: &str, round: u64) -> Option<(AllowanceId, u64)> {
        let candidates = self.lines.iter().flat_map(|(allowance, line)| {
            let waiting = line.waiting.iter().filter(|waiting| {
                &*waiting.model == model && waiting.called.is_none() && waiting.tried != Some(round)
            });
            waiting.map(|waiting| {
                let place = (line.tried == Some(round), line.rank, waiting.number);
                (place, (*allowance, waiting.number))
            })
        });
        candidates.min_by_key(|(place, _)| *place).map(|(_, whose)| whose)
    }

    /// There may be room for one more. While somebody has a turn, that waits until it is over.
    fn call(&mut self, model: &Arc<str>) {
        if let Some(again) = self.turns.get_mut(model) {
            *again = true;
            return;
        }
        let round = self.next();
        if self.summon(model, Turn { round, left: TURNS }) {
            self.turns.insert(Arc::clone(model), false);
        }
    }

    /// Gives whoever is next for `model` a turn; the allowance's next one comes after everybody else's.
    /// False where nobody is next.
    fn summon(&mut self, model: &str, turn: Turn) -> bool {
        let Some((allowance, number)) = self.first(model, turn.round) else { return false };
        let rank = self.next();
        let Some(line) = self.lines.get_mut(&allowance) else { return false };
        let waiting = line.waiting.iter_mut().find(|waiting| waiting.number == number);
        let Some(waiting) = waiting else { return false };
        line.tried = Some(turn.round);
        waiting.called = Some((turn, std::mem::replace(&mut line.rank, rank)));
        waiting.woken.notify_one();
        true
    }

    /// A turn was of no use: somebody else has it.
    fn pass(&mut self, model: &Arc<str>, turn: Turn) {
        let left = turn.left.checked_sub(1);
        if !left.is_some_and(|left| self.summon(model, Turn { left, ..turn })) {
            self.end(model, false);
        }
    }

    /// Nobody has a turn for a model any more. There may be room for another after one that found some.
    fn end(&mut self, model: &Arc<str>, found: bool) {
        let again = self.turns.remove(model).unwrap_or(false);
        if again || found {
            self.call(model);
        }
    }
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub(super) struct Queue {
    limits: QueueLimits,
    state: Arc<Mutex<State>>,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self { limits, state: Arc::default() }
    }

    /// Whether somebody else's request waits for a model.
    pub(super) fn has_others(&self, allowance: AllowanceId, model: &str) -> bool {
        let state = self.state.lock();
        let mut others = state.lines.iter().filter(|(of, _)| **of != allowance);
        others.any(|(_, line)| line.waiting.iter().any(|waiting| &*waiting.model == model))
    }

    /// A place at the end of an allowance's line. Nothing where there is no room.
    pub(super) fn join(&self, allowance: AllowanceId, model: &str, bytes: usize) -> Option<Place> {
        let mut state = self.state.lock();
        let line = state.lines.get(&allowance).map_or(0, |line| line.waiting.len());
        if state.requests >= self.limits.requests
            || line >= self.limits.per_allowance
            || state.bytes.saturating_add(bytes) > self.limits.bytes
        {
            return None;
        }
        let (number, woken) = (state.next(), Arc::<Notify>::default());
        state.requests = state.requests.saturating_add(1);
        state.bytes = state.bytes.saturating_add(bytes);
        let waiting = Waiting {
            number,
            model: model.into(),
            woken: Arc::clone(&woken),
            called: None,
            tried: None,
        };
        let line = state.lines.entry(allowance).or_insert_with(|| Line {
            rank: number,
            tried: None,
            waiting: VecDeque::new(),
        });
        line.waiting.push_back(waiting);
        Some(Place { queue: self.clone(), allowance, number, bytes, woken, served: false })
    }

    /// There may be room for one more: calls whoever is next, of each model, because nobody knows here
    /// which of them the room is for. Where it is of no use to that one, the next one has the turn.
    pub(super) fn call(&self) {
        let mut state = self.state.lock();
        let waiting = state.lines.values().flat_map(|line| &line.waiting);
        let models: HashSet<Arc<str>> = waiting.map(|waiting| Arc::clone(&waiting.model)).collect();
        for model in &models {
            state.call(model);
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().requests
    }
}

/// A place in the queue; left when it is dropped.
pub(super) struct Place {
    queue: Queue,
    allowance: AllowanceId,
    number: u64,
    bytes: usize,
    woken: Arc<Notify>,
    served: bool,
}

impl Place {
    /// Waits for a turn. False when there is none until `deadline`.
    pub(super) async fn turn(&self, deadline: Instant) -> bool {
        timeout_at(deadline, self.woken.notified()).await.is_ok()
    }

    /// The turn was of no use: the place stays what it was.
    pub(super) fn keep(&self) {
        let mut state = self.queue.state.lock();
        let Some(line) = state.lines.get_mut(&self.allowance) else { return };
        let waiting = line.waiting.iter_mut().find(|waiting| waiting.number == self.number);
        let Some(waiting) = waiting else { return };
        if let Some((turn, rank)) = waiting.called.take() {
            waiting.tried = Some(turn.round);
            line.rank = line.rank.min(rank);
            let model = Arc::clone(&waiting.model);
            state.pass(&model, turn);
        }
    }

    /// The turn was of use.
    pub(super) fn leave(mut self) {
        self.served = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.requests = state.requests.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(self.bytes);
        let Some(line) = state.lines.get_mut(&self.allowance) else { return };
        let at = line.waiting.iter().position(|waiting| waiting.number == self.number);
        let Some(gone) = at.and_then(|at| line.waiting.remove(at)) else { return };
        if line.waiting.is_empty() {
            state.lines.remove(&self.allowance);
        }
        // It takes nobody's turn with it.
        match gone.called {
            Some(_) if self.served => state.end(&gone.model, true),
            Some((turn, _)) => state.pass(&gone.model, turn),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { requests: 5, per_allowance: 3, bytes: 100 };

    const fn payer(number: u8) -> AllowanceId {
        AllowanceId([number; 32])
    }

    fn join(queue: &Queue, number: u8, bytes: usize) -> Option<Place> {
        queue.join(payer(number), "m", bytes)
    }

    /// Which of those that wait have their turn.
    fn called(places: &[Place]) -> Vec<usize> {
        let has_turn = |place: &Place| {
            let state = place.queue.state.lock();
            let mut waiting = state.lines.get(&place.allowance).unwrap().waiting.iter();
            waiting.any(|waiting| waiting.number == place.number && waiting.called.is_some())
        };
        (0_usize..).zip(places).filter(|(_, place)| has_turn(place)).map(|(at, _)| at).collect()
    }

    #[test]
    fn turns_go_round_the_allowances_and_in_order_within_one() {
        let queue = Queue::new(LIMITS);
        let mut waiting: Vec<_> =
            [1, 1, 1, 2, 3].map(|number| join(&queue, number, 1).unwrap()).into();
        queue.call();
        // Each that found room calls the next: the two others before the first one's second and third.
        for expected in [0, 2, 2, 0, 0] {
            assert_eq!(called(&waiting), [expected]);
            // Another call changes nothing about whose turn it is.
            queue.call();
            assert_eq!(called(&waiting), [expected]);
            waiting.remove(expected).leave();
        }
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn call_during_a_turn_of_no_use_begins_another_round() {
        let queue = Queue::new(LIMITS);
        let waiting = [join(&queue, 1, 1).unwrap()];
        queue.call();
        queue.call();
        waiting.first().unwrap().keep();
        assert_eq!(called(&waiting), [0]);
        waiting.first().unwrap().keep();
        assert_eq!(called(&waiting), [0_usize; 0]);
    }

    #[test]
    fn turn_of_no_use_goes_on_to_others_and_costs_nobody_the_place() {
        let queue = Queue::new(LIMITS);
        let waiting = [1, 1, 2].map(|number| join(&queue, number, 1).unwrap());
        for _ in 0..2 {
            queue.call();
            // The other allowance's before the same one's second; nobody twice.
            for at in [0, 2, 1] {
                assert_eq!(called(&waiting), [at]);
                waiting.get(at).unwrap().keep();
            }
            assert_eq!(called(&waiting), [0_usize; 0]);
        }
    }

    #[test]
    fn call_is_over_after_some_turns_of_no_use() {
        let limits = QueueLimits { requests: 20, per_allowance: 20, ..LIMITS };
        let queue = Queue::new(limits);
        let waiting: Vec<_> = (0..20).map(|_| join(&queue, 1, 1).unwrap()).collect();
        queue.call();
        let mut turns = 0;
        while let [at] = *called(&waiting) {
            waiting.get(at).unwrap().keep();
            turns += 1;
        }
        assert_eq!(turns, 1 + TURNS);
    }

    #[test]
    fn one_of_each_model_is_called() {
        let queue = Queue::new(LIMITS);
        let mut waiting: Vec<_> =
            ["a", "b", "b"].map(|model| queue.join(payer(1), model, 1).unwrap()).into();
        queue.call();
        assert_eq!(called(&waiting), [0, 1]);
        waiting.remove(1).leave();
        assert_eq!(called(&waiting), [0, 1]);
    }

    #[test]
    fn others_are_those_of_another_allowance_that_wait_for_the_same_model() {
        let queue = Queue::new(LIMITS);
        let place = join(&queue, 1, 1).unwrap();
        assert!(!queue.has_others(payer(1), "m"));
        assert!(queue.has_others(payer(2), "m"));
        assert!(!queue.has_others(payer(2), "another"));
        // Also while it has its turn.
        queue.call();
        assert!(queue.has_others(payer(2), "m"));
        drop(place);
        assert!(!queue.has_others(payer(2), "m"));
    }

    #[test]
    fn queue_is_bounded_in_all_for_each_and_in_bytes() {
        let queue = Queue::new(LIMITS);
        let first: Vec<_> = (0..3).map(|_| join(&queue, 1, 1).unwrap()).collect();
        assert!(join(&queue, 1, 1).is_none());
        assert!(join(&queue, 2, 98).is_none());
        let second = join(&queue, 2, 97).unwrap();
        assert!(join(&queue, 3, 1).is_none());
        drop(second);
        let _third = (join(&queue, 3, 1).unwrap(), join(&queue, 4, 1).unwrap());
        assert!(join(&queue, 5, 0).is_none());
        drop(first);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn one_that_left_takes_nobodys_turn() {
        let queue = Queue::new(LIMITS);
        let gone = join(&queue, 1, 1).unwrap();
        let stays = [join(&queue, 2, 1).unwrap()];
        queue.call();
        assert_eq!(called(&stays), [0_usize; 0]);
        drop(gone);
        assert_eq!(called(&stays), [0]);
        let served = join(&queue, 1, 1).unwrap();
        let waits = [join(&queue, 3, 1).unwrap()];
        queue.call();
        served.leave();
        assert_eq!(called(&waits), [0_usize; 0]);
        assert_eq!(queue.len(), 2);
    }

    #[tokio::test]
    async fn wait_ends_with_a_turn_or_at_its_deadline_and_leaves_the_queue() {
        let queue = Queue::new(LIMITS);
        let place = join(&queue, 1, 1).unwrap();
        assert!(!place.turn(Instant::now()).await);
        // A turn that comes before it is waited for is not lost.
        queue.call();
        assert!(place.turn(Instant::now() + std::time::Duration::from_secs(60)).await);
        drop(place);
        assert_eq!(queue.len(), 0);
        let none = Queue::new(QueueLimits { requests: 0, ..LIMITS });
        assert!(join(&none, 1, 1).is_none());
    }
}
