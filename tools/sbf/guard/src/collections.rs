//! Maps, sets, queues and heaps.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use crate::trace::Trace;

pub(crate) fn run(trace: &mut Trace) {
    let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
    let mut pairs: BTreeSet<(u8, u16)> = BTreeSet::new();
    let mut queue: VecDeque<u64> = VecDeque::new();
    let mut heap: BinaryHeap<(u64, u64)> = BinaryHeap::new();
    let mut counts: HashMap<u64, u64> = HashMap::new();
    for step in 0..60_u64 {
        let key = trace.below(40);
        *sums.entry(key).or_default() += step;
        pairs.insert((key as u8, step as u16));
        heap.push((key, step));
        *counts.entry(key).or_default() += 1;
        match key % 3 {
            0 => queue.push_front(key),
            _ => queue.push_back(step),
        }
        if key.is_multiple_of(5) {
            trace.see_option(sums.remove(&(key / 2)));
        }
        if key.is_multiple_of(7) {
            trace.see_option(queue.pop_front());
        }
    }
    for (key, sum) in &sums {
        trace.see(*key);
        trace.see(*sum);
    }
    for (key, step) in pairs.range((10, 0)..) {
        trace.see((*key).into());
        trace.see((*step).into());
    }
    queue.make_contiguous().iter().for_each(|value| trace.see(*value));
    while let Some((key, step)) = heap.pop() {
        trace.see(key);
        trace.see(step);
    }
    // A hash map's order belongs to its seeds, which differ on purpose.
    let mut counts: Vec<(u64, u64)> = counts.into_iter().collect();
    counts.sort_unstable();
    for (key, count) in counts {
        trace.see(key);
        trace.see(count);
    }
}
