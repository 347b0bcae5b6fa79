//! The end of an audit: what never came, ids that came twice, and the report.

use std::collections::BTreeMap;
use std::io;

use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::Amount;

use super::Ledger;
use crate::audit::chain::Settled;
use crate::audit::duplicates::Key;
use crate::audit::finding::Contradiction;
use crate::audit::report::{ChainTotals, Report};

impl Ledger {
    pub(in crate::audit) fn finish(
        mut self,
        settled: &Settled,
        due: &BTreeMap<NodeId, Amount>,
    ) -> io::Result<Report> {
        for ((epoch, size), expected) in std::mem::take(&mut self.expected) {
            let had = self.epochs.iter().find(|report| report.epoch == epoch);
            let had = had.map_or(0, |report| report.size);
            for (_, from) in expected {
                let detail = format!("the log has {had} entries, {from} has {size}");
                self.found(Contradiction::Shrunk, epoch, None, detail);
            }
        }
        let mut missing: Vec<(u32, u64)> =
            self.held.iter().filter(|(_, held)| !held.seen).map(|(place, _)| *place).collect();
        missing.sort_unstable();
        for (epoch, index) in missing {
            let detail = "somebody holds a signed receipt that the log does not have".to_owned();
            self.found(Contradiction::Equivocation, epoch, Some(index), detail);
        }
        self.check_ids()?;
        self.check_money(settled, due);
        for (kind, detail) in self.owner.finish(&settled.debits) {
            self.found(kind, settled.open.epoch, None, detail);
        }
        Ok(self.report(settled))
    }

    fn check_ids(&mut self) -> io::Result<()> {
        let mut last: Option<Key> = None;
        std::mem::take(&mut self.keys).sorted(|key| {
            let before = last.replace(key).filter(|before| before.request == key.request);
            match before {
                Some(before) if before.segment == key.segment => {
                    let detail = format!(
                        "{} segment {} has a receipt at epoch {}, entry {} too",
                        key.request, key.segment.0, before.epoch, before.index
                    );
                    self.found(Contradiction::Duplicate, key.epoch, Some(key.index), detail);
                }
                before => {
                    let next = before.map_or(0, |before| before.segment.0.saturating_add(1));
                    if key.segment.0 != next {
                        let detail = format!(
                            "{} has a receipt for segment {} and none for segment {next}",
                            key.request, key.segment.0
                        );
                        self.found(Contradiction::Segment, key.epoch, Some(key.index), detail);
                    }
                }
            }
        })
    }

    fn report(self, settled: &Settled) -> Report {
        let mut not_checked = vec![
            "answers, speed and which model answered: no log can show them".to_owned(),
            "receipts that were never logged and that nobody brought along".to_owned(),
        ];
        if self.unproved > 0 {
            not_checked
                .push(format!("{} receipts carry no statement of their node", self.unproved));
        }
        if self.nodes.not_looked_up() > 0 {
            not_checked.push(format!(
                "{} receipts name nodes or keys that nobody looked up, after so many that are not on chain",
                self.nodes.not_looked_up()
            ));
        }
        if self.nodes.gone() > 0 {
            not_checked.push(format!(
                "whether {} nodes that closed their accounts were paid",
                self.nodes.gone()
            ));
        }
        let (taken_over, nodes) = self.taken_over();
        if nodes > 0 {
            not_checked.push(format!(
                "{} USDC of the earnings of {nodes} nodes have no receipt: {} entries of closed epochs are \
                 lost, and the next epoch went on from what the chain had credited",
                // Rounded down; these are whole but for what the nodes' receipts left over.
                taken_over.to_amount_floor().unwrap_or(Amount::MAX).to_usdc_string(),
                self.lost
            ));
        }
        not_checked.extend(self.unused.iter().map(|why| format!("brought along: {why}")));
        if !self.has_owner {
            not_checked.push("debits of single allowances: their owners hold the salts".to_owned());
        }
        Report {
            coordinator: self.coordinator,
            deployment: self.deployment,
            epochs: self.epochs,
            totals: self.sums.show(),
            anchored: self.anchored.show(),
            chain: ChainTotals {
                log_size: settled.open.size,
                debited: settled.debited,
                credited: settled.credited,
                fees: settled.fees,
            },
            nodes: self.nodes.books().len(),
            contradictions: self.findings,
            further_contradictions: self.further,
            not_checked,
        }
    }
}
