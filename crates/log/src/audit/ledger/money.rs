//! What the chain took, promised and kept, against the receipts it covers.

use std::collections::BTreeMap;

use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::units::{Amount, FineAmount};

use super::{FINE, Ledger};
use crate::audit::chain::Settled;
use crate::audit::finding::Contradiction;

impl Ledger {
    pub(super) fn check_money(&mut self, settled: &Settled, due: &BTreeMap<NodeId, Amount>) {
        let epoch = settled.open.epoch;
        let fees = FineAmount(self.anchored.fees).to_amount_floor().unwrap_or(Amount::MAX);
        self.check_debits(settled);
        if settled.fees > fees {
            let detail = format!(
                "{} USDC of fees were kept, receipts allow {}",
                settled.fees.to_usdc_string(),
                fees.to_usdc_string()
            );
            self.found(Contradiction::Fees, epoch, None, detail);
        }
        self.check_resumed(settled);
        let mut findings = Vec::new();
        // What went to somebody without receipts was there to be paid to those who have some.
        let mut astray = settled.fees.saturating_sub(fees);
        for (node, credited) in &settled.credits {
            let earned = self.nodes.anchored(node);
            if *credited > earned {
                astray = astray.saturating_add(credited.saturating_sub(earned));
                let detail = format!(
                    "node {node} was credited {} USDC, its receipts add up to {}",
                    credited.to_usdc_string(),
                    earned.to_usdc_string()
                );
                findings.push((Contradiction::Credits, detail));
            }
        }
        let given = settled.credited.saturating_add(settled.fees);
        let left = settled.debited.saturating_sub(given);
        for (node, due) in due {
            let credited = settled.credits.get(node).copied().unwrap_or(Amount::ZERO);
            if *due > credited && (left > Amount::ZERO || astray > Amount::ZERO) {
                let detail = format!(
                    "node {node} earned {} USDC and was credited {}, while {} USDC lie undistributed and \
                     {} went where no receipt says",
                    due.to_usdc_string(),
                    credited.to_usdc_string(),
                    left.to_usdc_string(),
                    astray.to_usdc_string()
                );
                findings.push((Contradiction::Unpaid, detail));
            }
        }
        for (kind, detail) in findings {
            self.found(kind, epoch, None, detail);
        }
    }

    fn check_debits(&mut self, settled: &Settled) {
        // Each allowance is rounded up once. How many there were is on chain for the open ones; the
        // closed ones took the rest, one unit each at least.
        let open = settled.debits.values().filter(|debited| **debited > Amount::ZERO).count();
        let in_open = settled.debits.values().fold(0_u64, |sum, debit| sum.saturating_add(debit.0));
        let closed = settled.debited.0.saturating_sub(in_open).min(self.anchored.receipts);
        let roundings = u128::try_from(open).unwrap_or(u128::MAX).saturating_add(closed.into());
        let most = self.anchored.charged.saturating_add(roundings.saturating_mul(FINE - 1));
        if settled.debited.to_fine().0 > most {
            let detail = format!(
                "{} USDC were debited, the {} receipts that the chain covers add up to {} fine units",
                settled.debited.to_usdc_string(),
                self.anchored.receipts,
                self.anchored.charged
            );
            self.found(Contradiction::Debits, settled.open.epoch, None, detail);
        }
    }

    /// An epoch never goes on from more than the chain credited before it was opened, and credits only grow.
    fn check_resumed(&mut self, settled: &Settled) {
        let mut findings = Vec::new();
        for (node, book) in self.nodes.books() {
            let Some((place, from)) = book.resumed else { continue };
            let credited = settled.credits.get(node).copied().unwrap_or(Amount::ZERO);
            if from > credited.to_fine() {
                let detail = format!(
                    "node {node} goes on from {from} after receipts were lost, the chain credited it {} USDC",
                    credited.to_usdc_string()
                );
                findings.push((place, detail));
            }
        }
        for ((epoch, index), detail) in findings {
            self.found(Contradiction::Cumulative, epoch, Some(index), detail);
        }
    }

    /// What later epochs took over for lost receipts: how much, and of how many nodes.
    pub(super) fn taken_over(&self) -> (FineAmount, usize) {
        let taken = self.nodes.books().values().map(|book| book.taken_over);
        let taken = taken.filter(|taken| *taken > FineAmount::ZERO);
        taken.fold((FineAmount::ZERO, 0), |(sum, nodes), taken| {
            (sum.saturating_add(taken), nodes.saturating_add(1))
        })
    }
}
