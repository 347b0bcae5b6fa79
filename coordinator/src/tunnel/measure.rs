//! What the coordinator measures of nodes: the only source of speed and reliability in the ranking.
//!
//! Per node and model the last [`WINDOW`] requests are kept. A model's reference is the median over all
//! its nodes, so that a slow model is not a slow node and a node is compared with others under the same
//! conditions. Requests a client pinned to a node do not get here.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use pinaivu_auction::{Measured as Line, Measurements, Reference, Standing};
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::{TokenCount, UnixMillis};

/// How many requests of one node and model count.
const WINDOW: usize = 64;

/// One request that ended in a way the node answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It was served.
    Served {
        /// From dispatch to the first byte.
        first_byte: Duration,
        /// From the first to the last byte.
        streaming: Duration,
        /// Tokens generated in that time.
        output: TokenCount,
    },
    /// It failed by the node's fault.
    Failed,
}

#[derive(Debug, Default)]
struct History {
    samples: VecDeque<Sample>,
    last_success: Option<UnixMillis>,
    /// Failures since then, without a success between them. What was asked before the newest rest began
    /// and fails after that is the same trouble and does not count again.
    failures: u32,
    /// Since when and until when it is not asked, for failing too often in a row.
    resting: Option<(UnixMillis, UnixMillis)>,
    standing: Standing,
}

/// How fast a node was of late; nothing where that was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speed {
    /// Median time to the first byte.
    pub first_byte_millis: Option<u32>,
    /// Median speed of generation, in thousandths of a token a second.
    pub millitokens_per_second: Option<u32>,
}

/// All measurements of one process.
#[derive(Debug, Default)]
pub(super) struct Measured {
    histories: Mutex<HashMap<Arc<str>, HashMap<NodeId, History>>>,
    /// The latest end of any node's rest.
    resting_until: AtomicU64,
}

/// Failures in a row after which a node is not asked for a while.
const FAILURES_UNTIL_REST: u32 = 5;
/// For how long at first and at most, in milliseconds; each further failure doubles it. The first request
/// after that is the trial.
const FIRST_REST: u64 = 5_000;
const LONGEST_REST: u64 = 5 * 60 * 1000;

fn rest(failures: u32) -> Option<UnixMillis> {
    let doublings = failures.checked_sub(FAILURES_UNTIL_REST)?;
    let rest = FIRST_REST.saturating_mul(1 << doublings.min(16));
    Some(UnixMillis(rest.min(LONGEST_REST)))
}

impl Measured {
    /// Records how a request ended that was given to the node at `asked`.
    pub(super) fn record(
        &self,
        node: NodeId,
        model: &str,
        sample: Sample,
        asked: UnixMillis,
        now: UnixMillis,
    ) {
        let mut histories = self.histories.lock();
        if !histories.contains_key(model) {
            histories.insert(Arc::from(model), HashMap::new());
        }
        let Some(nodes) = histories.get_mut(model) else { return };
        let history = nodes.entry(node).or_default();
        if history.samples.len() >= WINDOW {
            history.samples.pop_front();
        }
        history.samples.push_back(sample);
        match sample {
            Sample::Served { .. } => {
                history.last_success = Some(now);
                history.failures = 0;
                history.resting = None;
            }
            // A connection that breaks with fifty answers on it has failed once.
            Sample::Failed if history.resting.is_some_and(|(since, _)| asked < since) => {}
            Sample::Failed => {
                history.failures = history.failures.saturating_add(1);
                if let Some(rest) = rest(history.failures) {
                    let until = now.saturating_add(rest);
                    history.resting = Some((now, until));
                    self.resting_until.fetch_max(until.0, Ordering::Relaxed);
                }
            }
        }
    }

    /// The nodes that are not asked for a model right now, for failing too often in a row. One look at a
    /// number while there are none.
    pub(super) fn resting(&self, model: &str, now: UnixMillis) -> Vec<NodeId> {
        if self.resting_until.load(Ordering::Relaxed) <= now.0 {
            return Vec::new();
        }
        let histories = self.histories.lock();
        let nodes = histories.get(model).into_iter().flatten();
        let rests = |history: &History| history.resting.is_some_and(|(_, until)| until > now);
        nodes.filter(|(_, history)| rests(history)).map(|(node, _)| *node).collect()
    }

    /// How fast a node was for a model.
    pub(super) fn speed(&self, model: &str, node: &NodeId) -> Speed {
        let histories = self.histories.lock();
        let history = histories.get(model).and_then(|nodes| nodes.get(node));
        history.map_or(Speed::default(), |history| Speed {
            first_byte_millis: median(history.samples.iter().filter_map(first_byte_millis)),
            millitokens_per_second: median(
                history.samples.iter().filter_map(millitokens_per_second),
            ),
        })
    }

    /// What was measured where it changes a standing since the last call. `load` gives a node's requests in
    /// flight and its capacity.
    #[must_use]
    pub(super) fn changed(
        &self,
        now: UnixMillis,
        load: impl Fn(&NodeId) -> (u32, u32),
    ) -> Vec<Line> {
        let mut changed = Vec::new();
        for (model, nodes) in self.histories.lock().iter_mut() {
            let reference = reference(nodes.values());
            for (node, history) in nodes {
                let (in_flight, capacity) = load(node);
                let line = Line {
                    node: *node,
                    model: model.to_string(),
                    measurements: history.measurements(&reference, in_flight, capacity),
                    reference,
                    last_served: history.last_success,
                };
                let standing = line.standing(now);
                if standing != history.standing {
                    history.standing = standing;
                    changed.push(line);
                }
            }
        }
        changed
    }
}

impl History {
    fn measurements(&self, reference: &Reference, in_flight: u32, capacity: u32) -> Measurements {
        let failed = self.samples.iter().filter(|sample| **sample == Sample::Failed).count();
        Measurements {
            requests: count(self.samples.len()),
            failed: count(failed),
            first_byte_millis: median(self.samples.iter().filter_map(first_byte_millis))
                .unwrap_or(reference.first_byte_millis),
            // Answers too short to measure say nothing against a node.
            millitokens_per_second: median(self.samples.iter().filter_map(millitokens_per_second))
                .unwrap_or(reference.millitokens_per_second),
            in_flight,
            capacity,
        }
    }
}

fn reference<'a>(nodes: impl Iterator<Item = &'a History>) -> Reference {
    let samples: Vec<&Sample> = nodes.flat_map(|history| &history.samples).collect();
    let first_byte = median(samples.iter().copied().filter_map(first_byte_millis));
    let speed = median(samples.iter().copied().filter_map(millitokens_per_second));
    // Before anyone was measured there is nothing to compare with, and any reference is neutral.
    Reference {
        first_byte_millis: first_byte.unwrap_or(1),
        millitokens_per_second: speed.unwrap_or(1),
    }
}

pub(super) fn first_byte_millis(sample: &Sample) -> Option<u32> {
    match sample {
        Sample::Served { first_byte, .. } => {
            Some(u32::try_from(first_byte.as_millis()).unwrap_or(u32::MAX).max(1))
        }
        Sample::Failed => None,
    }
}

/// Least time from first to last byte that says anything: a whole answer arrives in one piece, all of
/// its generation before the first byte.
const LEAST_STREAMING: Duration = Duration::from_millis(5);

/// Speed counts only where there is enough to measure: a handful of tokens says more about buffering.
pub(super) fn millitokens_per_second(sample: &Sample) -> Option<u32> {
    match sample {
        Sample::Served { streaming, output, .. }
            if output.get() >= 8 && *streaming >= LEAST_STREAMING =>
        {
            let micros = streaming.as_micros().max(1);
            let speed = u128::from(output.get()).saturating_mul(1_000_000_000).div_ceil(micros);
            Some(u32::try_from(speed).unwrap_or(u32::MAX))
        }
        _ => None,
    }
}

/// The upper median.
fn median(values: impl Iterator<Item = u32>) -> Option<u32> {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    values.get(values.len() >> 1).copied()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use pinaivu_auction::{QualityFactor, RECENT_SERVICE};

    use super::*;

    const MODEL: &str = "m";
    const NOW: UnixMillis = UnixMillis(1_000_000_000);

    fn node(byte: u8) -> NodeId {
        NodeId([byte; 32])
    }

    fn served(first_byte_millis: u64) -> Sample {
        Sample::Served {
            first_byte: Duration::from_millis(first_byte_millis),
            streaming: Duration::from_secs(1),
            output: TokenCount(50),
        }
    }

    #[test]
    fn answer_in_one_piece_has_no_speed() {
        let sample = |millis| Sample::Served {
            first_byte: Duration::from_millis(400),
            streaming: Duration::from_millis(millis),
            output: TokenCount(50),
        };
        assert_eq!(millitokens_per_second(&sample(4)), None);
        assert_eq!(millitokens_per_second(&sample(5)), Some(10_000_000));
        assert_eq!(first_byte_millis(&sample(4)), Some(400));
    }

    fn idle(_: &NodeId) -> (u32, u32) {
        (0, 8)
    }

    #[test]
    fn only_node_of_a_model_stays_neutral_however_slow() {
        let measured = Measured::default();
        for _ in 0..10 {
            measured.record(node(1), MODEL, served(5_000), NOW, NOW);
        }
        let lines = measured.changed(NOW, idle);
        assert_eq!(
            lines.iter().map(|line| (line.node, line.model.as_str())).collect::<Vec<_>>(),
            [(node(1), MODEL)]
        );
        let neutral = Standing { quality: QualityFactor::NEUTRAL, recent_service: true };
        assert_eq!(lines[0].standing(NOW), neutral);
        // Everything that the standing follows from is in the line.
        let line = &lines[0];
        assert_eq!((line.measurements.requests, line.measurements.failed), (10, 0));
        assert_eq!(line.measurements.first_byte_millis, 5_000);
        assert_eq!(line.reference.first_byte_millis, 5_000);
        assert_eq!((line.measurements.in_flight, line.measurements.capacity), (0, 8));
        assert_eq!(line.last_served, Some(NOW));
    }

    #[test]
    fn slower_of_two_nodes_is_rated_worse() {
        let measured = Measured::default();
        for _ in 0..WINDOW {
            measured.record(node(1), MODEL, served(100), NOW, NOW);
            measured.record(node(2), MODEL, served(400), NOW, NOW);
        }
        let ratings = measured.changed(NOW, idle);
        let quality =
            |id| ratings.iter().find(|line| line.node == id).map(|line| line.standing(NOW).quality);
        assert!(quality(node(1)) < quality(node(2)), "{ratings:?}");
    }

    #[test]
    fn failures_are_rated_worse_than_nothing() {
        let measured = Measured::default();
        for _ in 0..5 {
            measured.record(node(1), MODEL, Sample::Failed, NOW, NOW);
        }
        let ratings = measured.changed(NOW, idle);
        assert!(ratings.iter().all(|line| line.standing(NOW).quality > QualityFactor::NEUTRAL));
        assert!(ratings.iter().all(|line| !line.standing(NOW).recent_service));
    }

    #[test]
    fn node_that_fails_again_and_again_rests_longer_each_time_until_it_serves() {
        let measured = Measured::default();
        let at = |millis: u64| UnixMillis(NOW.0 + millis);
        for _ in 0..FAILURES_UNTIL_REST - 1 {
            measured.record(node(1), MODEL, Sample::Failed, NOW, NOW);
        }
        assert_eq!(measured.resting(MODEL, NOW), []);
        measured.record(node(1), MODEL, Sample::Failed, NOW, NOW);
        assert_eq!(measured.resting(MODEL, at(4_999)), [node(1)]);
        assert_eq!(measured.resting("another", NOW), []);
        assert_eq!(measured.resting(MODEL, at(5_000)), []);
        let fail = |at| measured.record(node(1), MODEL, Sample::Failed, at, at);
        fail(at(5_000));
        assert_eq!(measured.resting(MODEL, at(14_999)), [node(1)]);
        assert_eq!(measured.resting(MODEL, at(15_000)), []);
        // Asked although it rests, for want of others.
        for _ in 0..40 {
            fail(at(15_000));
        }
        assert_eq!(measured.resting(MODEL, at(315_000)), []);
        assert_eq!(measured.resting(MODEL, at(314_999)), [node(1)]);
        measured.record(node(1), MODEL, served(10), at(15_000), at(20_000));
        assert_eq!(measured.resting(MODEL, at(20_000)), []);
    }

    #[test]
    fn many_answers_that_break_at_once_are_one_failure_for_the_length_of_the_rest() {
        let measured = Measured::default();
        let at = |millis: u64| UnixMillis(NOW.0 + millis);
        for _ in 0..50 {
            measured.record(node(1), MODEL, Sample::Failed, NOW, at(1_000));
        }
        // And one of them only later.
        measured.record(node(1), MODEL, Sample::Failed, NOW, at(5_500));
        assert_eq!(measured.resting(MODEL, at(5_999)), [node(1)]);
        assert_eq!(measured.resting(MODEL, at(6_000)), []);
        // The trial, and what was asked beside it.
        for _ in 0..50 {
            measured.record(node(1), MODEL, Sample::Failed, at(6_000), at(6_500));
        }
        assert_eq!(measured.resting(MODEL, at(16_499)), [node(1)]);
        assert_eq!(measured.resting(MODEL, at(16_500)), []);
    }

    #[test]
    fn unchanged_standing_is_not_reported_again() {
        let measured = Measured::default();
        measured.record(node(1), MODEL, served(100), NOW, NOW);
        assert_eq!(measured.changed(NOW, idle).len(), 1);
        assert_eq!(measured.changed(NOW, idle), []);
    }

    #[test]
    fn service_long_ago_is_not_recent() {
        let measured = Measured::default();
        measured.record(node(1), MODEL, served(100), NOW, NOW);
        assert_eq!(measured.changed(NOW, idle).len(), 1);
        let later = UnixMillis(NOW.0 + RECENT_SERVICE.0);
        let ratings = measured.changed(later, idle);
        assert_eq!(
            ratings.iter().map(|r| r.standing(later).recent_service).collect::<Vec<_>>(),
            [false]
        );
    }
}
