//! Holds what a book says of nodes' service against receipts.
//!
//! How fast a node answered only the coordinator has seen. That it answered, and when, its receipts show:
//! a line of [`BookEntry::Measured`] that counts answers which no receipt is of, or a service that none is
//! from about that time, is false.

use std::collections::BTreeMap;

use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::UnixMillis;

use crate::entry::BookEntry;

/// How much later than an answer its receipt may have been made: after a crash a node presents it again.
pub const RECEIPT_DELAY: UnixMillis = UnixMillis(10 * 60 * 1000);

/// How much a receipt's time may lie before the answer's, which are taken one after the other.
const SLACK: UnixMillis = UnixMillis(1_000);

/// When receipts of whole answers were made, by node and model.
#[derive(Clone, Debug, Default)]
pub struct Service {
    times: BTreeMap<(NodeId, String), Vec<UnixMillis>>,
    newest: UnixMillis,
}

/// A line that receipts contradict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FalseService {
    /// No receipt is from about the time.
    LastServed {
        /// Of which node.
        node: NodeId,
        /// For which model.
        model: String,
        /// When it served, by the book.
        at: UnixMillis,
    },
    /// There are fewer receipts than answers.
    Answers {
        /// Of which node.
        node: NodeId,
        /// For which model.
        model: String,
        /// By the book.
        said: u32,
        /// By the receipts since the book was opened.
        receipts: u64,
    },
}

/// What was found in a book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceReport {
    /// Lines that were held against receipts.
    pub lines: u64,
    /// Those whose receipts may still be to come.
    pub pending: u64,
    /// Standings that were given without what they follow from.
    pub bare: u64,
    /// What is false, in the order of the book.
    pub findings: Vec<FalseService>,
}

impl Service {
    /// Takes a receipt of a whole answer.
    pub fn receipt(&mut self, node: NodeId, model: &str, created: UnixMillis) {
        self.newest = self.newest.max(created);
        self.times.entry((node, model.to_owned())).or_default().push(created);
    }

    /// Holds a book against the receipts, which must be all up to some entry of the log.
    #[must_use]
    pub fn check(&self, entries: &[BookEntry]) -> ServiceReport {
        let mut report = ServiceReport::default();
        let mut opened = UnixMillis::ZERO;
        for entry in entries {
            match entry {
                BookEntry::Opened { at, .. } => opened = *at,
                BookEntry::Rated { ratings } => {
                    report.bare = report.bare.saturating_add(ratings.len() as u64);
                }
                BookEntry::Measured { at, measured } => {
                    for line in measured {
                        report.lines = report.lines.saturating_add(1);
                        if at.saturating_add(RECEIPT_DELAY) > self.newest {
                            report.pending = report.pending.saturating_add(1);
                        }
                        let key = (line.node, line.model.clone());
                        let times = self.times.get(&key).map_or(&[][..], Vec::as_slice);
                        report.findings.extend(self.false_time(times, line.last_served, key));
                        let key = (line.node, line.model.clone());
                        let measured = &line.measurements;
                        let said = measured
                            .requests
                            .saturating_sub(measured.failed.min(measured.requests));
                        report.findings.extend(self.false_count(times, (opened, *at), said, key));
                    }
                }
                _ => {}
            }
        }
        report
    }

    /// Whether everything that may belong to `time` is known.
    fn is_settled(&self, time: UnixMillis) -> bool {
        time.saturating_add(RECEIPT_DELAY) <= self.newest
    }

    fn false_time(
        &self,
        times: &[UnixMillis],
        said: Option<UnixMillis>,
        (node, model): (NodeId, String),
    ) -> Option<FalseService> {
        let at = said?;
        let window = at.saturating_sub(SLACK)..=at.saturating_add(RECEIPT_DELAY);
        let shown = times.iter().any(|time| window.contains(time));
        (!shown && self.is_settled(at)).then_some(FalseService::LastServed { node, model, at })
    }

    fn false_count(
        &self,
        times: &[UnixMillis],
        (opened, at): (UnixMillis, UnixMillis),
        said: u32,
        (node, model): (NodeId, String),
    ) -> Option<FalseService> {
        let life = opened.saturating_sub(SLACK)..=at.saturating_add(RECEIPT_DELAY);
        let receipts = times.iter().filter(|time| life.contains(time)).count() as u64;
        let short = receipts < u64::from(said);
        (short && self.is_settled(at)).then_some(FalseService::Answers {
            node,
            model,
            said,
            receipts,
        })
    }
}
