//! What is settled, guaranteed and demanded.

use super::*;
use crate::harness::MIN_BOND;

impl Chooser<'_> {
    pub(super) fn debit(&mut self) -> Action {
        let coordinator = self.coordinator();
        let own: Vec<Id> = (0..self.ledger.allowances.len())
            .filter(|id| self.ledger.allowances[*id].coordinator == coordinator)
            .collect();
        let mut entries = Vec::new();
        for _ in 0..self.random.below(6) {
            let anybodys = own.is_empty() || self.random.once_in(60);
            if anybodys && self.ledger.allowances.is_empty() {
                break;
            }
            let id = if anybodys { self.allowance() } else { self.random.choose(&own) };
            let it = &self.ledger.allowances[id];
            entries.push((id, self.random.amount(it.debited + it.remaining())));
        }
        let by = self.mostly_key(self.ledger.coordinators[coordinator].signer);
        Action::Debit { coordinator, by, entries }
    }

    pub(super) fn credit(&mut self) -> Action {
        let coordinator = self.coordinator();
        let it = &self.ledger.coordinators[coordinator];
        let own: Vec<Id> = (0..self.ledger.payouts.len())
            .filter(|id| self.ledger.payouts[*id].coordinator == coordinator)
            .collect();
        let mut entries = Vec::new();
        for _ in 0..self.random.below(5) {
            let anybodys = own.is_empty() || self.random.once_in(60);
            let id = if anybodys { self.payout() } else { self.random.choose(&own) };
            let there = self.ledger.payouts[id].credited + it.undistributed() / 3;
            entries.push((id, self.random.amount(there)));
        }
        let fees = self.random.amount(it.debited / 10);
        Action::Credit { coordinator, by: self.mostly_key(it.signer), entries, fees }
    }

    pub(super) fn guarantee_action(&mut self) -> Action {
        let payout = self.payout();
        let it = &self.ledger.payouts[payout];
        let coordinator = &self.ledger.coordinators[it.coordinator];
        match self.random.below(14) {
            0..=2 => {
                let by = self.mostly(coordinator.authority);
                let guarantee = self.random.amount(coordinator.guarantee / 2);
                Action::GuaranteeSet { payout, by, guarantee }
            }
            3 | 4 => Action::GuaranteeLower { payout },
            5 | 6 => Action::GuaranteeRefill { payout },
            7..=9 => {
                let owed = it.credited.max(it.paid) + 1 + self.random.below(300) as u128;
                let (by, with_node) = self.payee(payout);
                Action::DemandOpen {
                    payout,
                    by,
                    with_node,
                    signer: self.mostly_key(coordinator.signer),
                    cumulative: self.random.amount(owed),
                    lie: self.lie(),
                }
            }
            _ => Action::DemandSettle { payout },
        }
    }

    /// Mostly the payout owner, sometimes the node's operator, who has to show the node.
    pub(super) fn payee(&mut self, payout: Id) -> (Id, bool) {
        let it = &self.ledger.payouts[payout];
        let operator = self.random.once_in(4);
        let right = if operator { self.ledger.nodes[it.node].operator } else { it.owner };
        let with_node = operator != self.random.once_in(12);
        (self.mostly(right), with_node)
    }

    pub(super) fn unbond_action(&mut self) -> Action {
        let coordinator = self.coordinator();
        let it = &self.ledger.coordinators[coordinator];
        if self.random.once_in(2) {
            return Action::CoordinatorUnbondClaim { coordinator };
        }
        let by = self.mostly(it.authority);
        let free = it.guarantee - self.ledger.promised(coordinator);
        let guarantee = self.random.amount(free / 2);
        // Mostly above the least, so that people can go on reserving for it.
        let penalty = it.penalty.saturating_sub(u128::from(MIN_BOND));
        let penalty = if self.random.once_in(2) { 0 } else { self.random.amount(penalty) };
        Action::CoordinatorUnbond { coordinator, by, guarantee, penalty }
    }
}
