//! Requests that wait for a node to have room.
//!
//! Bounded three ways: in number, in bytes and in time, and for each allowance in number, so that neither
//! memory nor latency grows with the load. Whoever is next is chosen allowance by allowance in turn: one
//! that asks for much waits behind its own requests, not before other people's. A request that waits
//! holds no money and no place anywhere else.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use pinaivu_protocol::ids::AllowanceId;
use tokio::sync::oneshot;
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

/// Why a request does not get its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTurn {
    /// There is no room to wait.
    Full,
    /// It waited long enough.
    TimedOut,
}

struct Waiting {
    number: u64,
    turn: oneshot::Sender<()>,
}

#[derive(Default)]
struct State {
    /// Those of whom somebody waits, in the order of their turns.
    order: VecDeque<AllowanceId>,
    lines: HashMap<AllowanceId, VecDeque<Waiting>>,
    requests: usize,
    bytes: usize,
    next: u64,
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

    /// Waits for a turn until `deadline`. Whoever stops waiting leaves the queue.
    pub(super) async fn wait(
        &self,
        allowance: AllowanceId,
        bytes: usize,
        deadline: Instant,
    ) -> Result<(), NoTurn> {
        let (turn, mut place) = self.join(allowance, bytes).ok_or(NoTurn::Full)?;
        match timeout_at(deadline, turn).await {
            Ok(Ok(())) => {
                place.called = true;
                Ok(())
            }
            _ => Err(NoTurn::TimedOut),
        }
    }

    fn join(&self, allowance: AllowanceId, bytes: usize) -> Option<(oneshot::Receiver<()>, Place)> {
        let mut state = self.state.lock();
        let State { order, lines, requests, bytes: held, next } = &mut *state;
        let line = lines.get(&allowance).map_or(0, VecDeque::len);
        if *requests >= self.limits.requests
            || line >= self.limits.per_allowance
            || held.saturating_add(bytes) > self.limits.bytes
        {
            return None;
        }
        let (turn, waiting) = oneshot::channel();
        let number = *next;
        *next = next.wrapping_add(1);
        *requests = requests.saturating_add(1);
        *held = held.saturating_add(bytes);
        if line == 0 {
            order.push_back(allowance);
        }
        lines.entry(allowance).or_default().push_back(Waiting { number, turn });
        let place = Place { queue: self.clone(), allowance, number, bytes, called: false };
        Some((waiting, place))
    }

    /// There may be room for one more: calls whoever is next.
    pub(super) fn call(&self) {
        let mut state = self.state.lock();
        while let Some(allowance) = state.order.pop_front() {
            let Some(line) = state.lines.get_mut(&allowance) else { continue };
            let waiting = line.pop_front();
            if line.is_empty() {
                state.lines.remove(&allowance);
            } else {
                state.order.push_back(allowance);
            }
            // One that has stopped waiting takes nobody's turn.
            if waiting.is_some_and(|waiting| waiting.turn.send(()).is_ok()) {
                return;
            }
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().requests
    }

    fn leave(&self, place: &Place) {
        let mut state = self.state.lock();
        state.requests = state.requests.saturating_sub(1);
        state.bytes = state.bytes.saturating_sub(place.bytes);
        if place.called {
            return;
        }
        if let Some(line) = state.lines.get_mut(&place.allowance) {
            line.retain(|waiting| waiting.number != place.number);
            if line.is_empty() {
                state.lines.remove(&place.allowance);
                state.order.retain(|allowance| *allowance != place.allowance);
            }
        }
    }
}

/// A place in the queue; left when it is dropped.
struct Place {
    queue: Queue,
    allowance: AllowanceId,
    number: u64,
    bytes: usize,
    called: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        let queue = self.queue.clone();
        queue.leave(self);
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

    #[test]
    fn turns_go_round_the_allowances_and_in_order_within_one() {
        let queue = Queue::new(LIMITS);
        let mut waiting: Vec<_> = [1, 1, 1, 2, 3]
            .map(|number| queue.join(payer(number), 1).unwrap())
            .into_iter()
            .collect();
        let mut called = Vec::new();
        for _ in 0..5 {
            queue.call();
            let at = (0..5).find(|at| {
                !called.contains(at) && waiting.get_mut(*at).unwrap().0.try_recv().is_ok()
            });
            called.push(at.unwrap());
        }
        assert_eq!(called, [0, 3, 4, 1, 2]);
    }

    #[test]
    fn queue_is_bounded_in_all_for_each_and_in_bytes() {
        let queue = Queue::new(LIMITS);
        let first: Vec<_> = (0..3).map(|_| queue.join(payer(1), 1).unwrap()).collect();
        assert!(queue.join(payer(1), 1).is_none());
        assert!(queue.join(payer(2), 98).is_none());
        let second = queue.join(payer(2), 97).unwrap();
        assert!(queue.join(payer(3), 1).is_none());
        drop(second);
        let _third = (queue.join(payer(3), 1).unwrap(), queue.join(payer(4), 1).unwrap());
        assert!(queue.join(payer(5), 0).is_none());
        drop(first);
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn one_that_left_takes_nobodys_turn() {
        let queue = Queue::new(LIMITS);
        let gone = queue.join(payer(1), 1).unwrap();
        let mut stays = queue.join(payer(2), 1).unwrap();
        drop(gone);
        queue.call();
        assert!(stays.0.try_recv().is_ok());
        queue.call();
        assert_eq!(queue.len(), 1);
    }

    #[tokio::test]
    async fn wait_ends_at_its_deadline_and_leaves_the_queue() {
        let queue = Queue::new(LIMITS);
        let deadline = Instant::now();
        assert_eq!(queue.wait(payer(1), 1, deadline).await, Err(NoTurn::TimedOut));
        assert_eq!(queue.len(), 0);
        let none = Queue::new(QueueLimits { requests: 0, ..LIMITS });
        assert_eq!(none.wait(payer(1), 1, deadline).await, Err(NoTurn::Full));
    }
}
