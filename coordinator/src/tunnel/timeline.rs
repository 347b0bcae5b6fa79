//! How fast answers began and ran, over time: for people to look at, not for ranking.
//!
//! In memory only and bounded: minutes of a day, hours of six weeks, and hours of a week for each node.
//! Values are kept in classes of one sixteenth of their size, so a percentile is right to 6 %, rounded
//! down. Unsigned by nature: it is what this coordinator measured.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::UnixMillis;

use super::Sample;
use super::measure::{first_byte_millis, millitokens_per_second};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// A day.
const MINUTES_KEPT: usize = 24 * 60;
/// Six weeks: more than a thousand buckets of an hour.
const HOURS_KEPT: usize = 6 * 7 * 24;
/// A week.
const NODE_HOURS_KEPT: usize = 7 * 24;

/// Counts of values by class, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram(Vec<(u16, u32)>);

impl Histogram {
    fn add(&mut self, value: u32) {
        self.count(class(value), 1);
    }

    fn count(&mut self, class: u16, count: u32) {
        match self.0.binary_search_by_key(&class, |(known, _)| *known) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = known.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (class, count)),
        }
    }

    /// Adds all values of another.
    pub fn merge(&mut self, other: &Self) {
        for (class, count) in &other.0 {
            self.count(*class, *count);
        }
    }

    /// How many values.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The value that `percent` of all are below or at, rounded down to its class.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> Option<u32> {
        let rank = self.samples().saturating_mul(percent).div_ceil(100).max(1);
        let mut seen = 0_u64;
        self.0.iter().find_map(|(class, count)| {
            seen = seen.saturating_add(u64::from(*count));
            (seen >= rank).then(|| lowest(*class))
        })
    }
}

/// Below 16 each value is a class; above, sixteen to each power of two.
fn class(value: u32) -> u16 {
    let Some(shift) = value.checked_ilog2().and_then(|bits| bits.checked_sub(4)) else {
        return u16::try_from(value).unwrap_or(0);
    };
    let place = (value >> shift) & 15;
    u16::try_from(((shift + 1) << 4) | place).unwrap_or(u16::MAX)
}

fn lowest(class: u16) -> u32 {
    let class = u32::from(class);
    match (class >> 4).checked_sub(1) {
        None => class,
        Some(shift) => (16 | (class & 15)) << shift,
    }
}

/// One node in one hour.
#[derive(Clone, Debug, Default)]
pub struct NodeHour {
    /// Milliseconds to the first byte.
    pub first: Histogram,
    /// Thousandths of a token a second.
    pub speed: Histogram,
    /// Requests that failed by the node's fault.
    pub failed: u32,
}

#[derive(Debug, Default)]
struct State {
    minutes: BTreeMap<u64, Histogram>,
    hours: BTreeMap<u64, Histogram>,
    nodes: HashMap<NodeId, BTreeMap<u64, NodeHour>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Timeline(Mutex<State>);

impl Timeline {
    pub(super) fn record(&self, node: NodeId, sample: &Sample, now: UnixMillis) {
        let (minute, hour) = (now.0 / MINUTE, now.0 / HOUR);
        let mut state = self.0.lock();
        let hours = state.nodes.entry(node).or_default();
        let slot = hours.entry(hour).or_default();
        let first = first_byte_millis(sample);
        match first {
            Some(first) => slot.first.add(first),
            None => slot.failed = slot.failed.saturating_add(1),
        }
        if let Some(speed) = millitokens_per_second(sample) {
            slot.speed.add(speed);
        }
        keep(hours, NODE_HOURS_KEPT);
        if let Some(first) = first {
            state.minutes.entry(minute).or_default().add(first);
            state.hours.entry(hour).or_default().add(first);
            keep(&mut state.minutes, MINUTES_KEPT);
            keep(&mut state.hours, HOURS_KEPT);
        }
    }

    /// Milliseconds to the first byte over all nodes, from `from` up to `to`: by the minute where
    /// minutes are asked for and kept, else by whole hours.
    pub(super) fn first_bytes(&self, from: UnixMillis, to: UnixMillis) -> Histogram {
        let state = self.0.lock();
        let by_minute = to.0.saturating_sub(from.0) < HOUR;
        let (series, unit) =
            if by_minute { (&state.minutes, MINUTE) } else { (&state.hours, HOUR) };
        let mut all = Histogram::default();
        let end = to.0.div_ceil(unit);
        for histogram in series.range(from.0 / unit..end.max(from.0 / unit)).map(|(_, h)| h) {
            all.merge(histogram);
        }
        all
    }

    /// What is kept of a node, by the hour, in order of time.
    pub(super) fn node(&self, node: &NodeId) -> Vec<(UnixMillis, NodeHour)> {
        let state = self.0.lock();
        let hours = state.nodes.get(node).into_iter().flatten();
        hours.map(|(hour, kept)| (UnixMillis(hour.saturating_mul(HOUR)), kept.clone())).collect()
    }
}

fn keep<T>(series: &mut BTreeMap<u64, T>, most: usize) {
    while series.len() > most {
        series.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pinaivu_protocol::units::TokenCount;

    use super::*;

    fn served(millis: u64) -> Sample {
        Sample::Served {
            first_byte: Duration::from_millis(millis),
            streaming: Duration::from_secs(1),
            output: TokenCount(50),
        }
    }

    #[test]
    fn classes_are_in_order_and_right_to_a_sixteenth() {
        let mut last = 0;
        for value in (0..5_000).chain([u32::MAX / 2, u32::MAX]) {
            let found = lowest(class(value));
            assert!(found <= value && value - found <= value / 16, "{value}: {found}");
            assert!(class(value) >= last, "{value}");
            last = class(value);
        }
    }

    #[test]
    fn percentiles_count_values_not_classes() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for value in 1..=15 {
            histogram.add(value);
        }
        assert_eq!(histogram.percentile(50), Some(8));
        assert_eq!(histogram.percentile(95), Some(15));
        assert_eq!(histogram.samples(), 15);
    }

    #[test]
    fn samples_are_found_in_their_minute_and_hour_and_with_their_node() {
        let timeline = Timeline::default();
        let (node, at) = (NodeId([1; 32]), UnixMillis(10 * HOUR + 5 * MINUTE));
        timeline.record(node, &served(8), at);
        timeline.record(node, &Sample::Failed, at);
        let minute = |from: u64| {
            timeline.first_bytes(UnixMillis(from), UnixMillis(from + MINUTE)).percentile(50)
        };
        assert_eq!(minute(10 * HOUR + 5 * MINUTE), Some(8));
        assert_eq!(minute(10 * HOUR + 6 * MINUTE), None);
        let hour = timeline.first_bytes(UnixMillis(10 * HOUR), UnixMillis(11 * HOUR));
        assert_eq!((hour.percentile(50), hour.samples()), (Some(8), 1));
        let hours = timeline.node(&node);
        assert_eq!(hours.len(), 1);
        assert_eq!((hours[0].0, hours[0].1.failed), (UnixMillis(10 * HOUR), 1));
        assert_eq!(hours[0].1.speed.percentile(50), Some(49_152));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let timeline = Timeline::default();
        for hour in 0..2_000 {
            timeline.record(NodeId([1; 32]), &served(5), UnixMillis(hour * HOUR));
        }
        let state = timeline.0.lock();
        assert_eq!(state.hours.len(), HOURS_KEPT);
        assert_eq!(state.minutes.len(), MINUTES_KEPT);
        assert_eq!(state.nodes[&NodeId([1; 32])].len(), NODE_HOURS_KEPT);
    }
}
