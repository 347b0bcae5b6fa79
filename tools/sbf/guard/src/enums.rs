//! Enums with data, sorting, boxes, recursion.

use crate::trace::Trace;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    Empty,
    Pair(u8, i64),
    Record { amount: u128, label: String },
    List(Vec<u16>),
    Nested(Option<Box<Shape>>),
}

fn shape(trace: &mut Trace, depth: u32) -> Shape {
    match trace.below(5) {
        0 => Shape::Empty,
        1 => Shape::Pair(trace.next() as u8, trace.next() as i64),
        2 => Shape::Record { amount: trace.next_wide(), label: format!("{:x}", trace.next()) },
        3 => {
            let length = trace.below(6);
            Shape::List((0..length).map(|_| trace.next() as u16).collect())
        }
        _ => Shape::Nested((depth > 0).then(|| Box::new(shape(trace, depth - 1)))),
    }
}

pub(crate) fn run(trace: &mut Trace) {
    let mut shapes: Vec<Shape> = (0..14).map(|_| shape(trace, 2)).collect();
    let mut reversed = shapes.clone();
    shapes.sort();
    reversed.sort_unstable_by(|a, b| b.cmp(a));
    reversed.reverse();
    trace.see(u64::from(shapes == reversed));
    shapes.dedup();
    for shape in &shapes {
        trace.see_text(&format!("{shape:?}"));
    }
    for wanted in reversed.iter().step_by(3) {
        trace.see_option(shapes.binary_search(wanted).ok().map(|position| position as u64));
    }
    // Beyond the sort's scratch space on the stack, where std was patched.
    let mut many: Vec<(u64, u64)> = (0..300).map(|position| (trace.below(50), position)).collect();
    many.sort_by_key(|(key, _)| *key);
    for (key, position) in many {
        trace.see(key);
        trace.see(position);
    }
    let (some, rest): (Vec<_>, Vec<_>) =
        shapes.into_iter().partition(|shape| matches!(shape, Shape::Pair(..) | Shape::List(_)));
    trace.see(some.len() as u64);
    trace.see(rest.len() as u64);
}
