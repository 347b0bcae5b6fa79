//! What is tried next, and how likely.

mod again;
mod evidence;
mod governance;
mod operators;
mod settlement;
mod users;

use super::action::{Action, Lie};
use super::ledger::*;
use super::random::Random;

/// Chooses what to try next. It knows the ledger, so that most of what it tries makes sense.
pub(super) struct Chooser<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) random: &'a mut Random,
}

impl Chooser<'_> {
    pub(super) fn choose(&mut self) -> Action {
        match self.random.below(168) {
            0..=3 => Action::EscrowOpen { owner: self.person(), opened: self.opening_slot() },
            4..=27 => self.escrow_action(),
            28..=53 if !self.ledger.allowances.is_empty() => self.allowance_action(),
            54..=58 => self.debit(),
            59..=69 if !self.ledger.payouts.is_empty() => self.credit(),
            70..=73 if !self.ledger.payouts.is_empty() => Action::Claim { payout: self.payout() },
            74..=75 => Action::FeeClaim { coordinator: self.coordinator() },
            76..=85 => self.node_action(),
            86..=98 => self.coordinator_action(),
            99..=112 if !self.ledger.payouts.is_empty() => self.guarantee_action(),
            113..=116 => self.unbond_action(),
            117..=136 => self.evidence_action(),
            137..=142 => self.governance_action(),
            143..=154 => self.winding_down(),
            155..=157 => self.reopening(),
            158..=160 => self.contradicting_heads(),
            161 if self.random.once_in(4) => Action::MarketInitialize {
                second: self.random.once_in(2),
                by_deployer: self.random.once_in(2),
            },
            _ => Action::MarketPause {
                by: self.random.once_in(4).then(|| self.person()),
                paused: !self.ledger.paused && self.random.once_in(2),
            },
        }
    }

    fn person(&mut self) -> Id {
        self.random.below(self.ledger.people.len())
    }

    /// Mostly who may, sometimes whoever comes along.
    fn mostly(&mut self, right: Id) -> Id {
        if self.random.once_in(16) { self.person() } else { right }
    }

    fn mostly_key(&mut self, right: Id) -> Id {
        if self.random.once_in(24) { self.key() } else { right }
    }

    fn key(&mut self) -> Id {
        self.random.below(self.ledger.keys.len())
    }

    fn opening_slot(&mut self) -> u64 {
        let age = match self.random.below(16) {
            0 => WINDOW,
            1 => WINDOW + 1,
            2 => return self.ledger.slot + 1,
            3..=6 => self.random.below(300) as u64,
            _ => self.random.below(3) as u64,
        };
        self.ledger.slot - age
    }

    /// A position, preferably of something that fits.
    fn fitting(&mut self, length: usize, fits: impl Fn(usize) -> bool) -> Id {
        let tries = if self.random.once_in(12) { 1 } else { 12 };
        let mut chosen = 0;
        for _ in 0..tries {
            chosen = self.random.below(length);
            if fits(chosen) {
                break;
            }
        }
        chosen
    }

    /// One of those that fit, if any does.
    fn any(&mut self, length: usize, fits: impl Fn(usize) -> bool) -> Option<Id> {
        let all: Vec<Id> = (0..length).filter(|id| fits(*id)).collect();
        (!all.is_empty()).then(|| self.random.choose(&all))
    }

    fn escrow(&mut self) -> Id {
        let escrows = &self.ledger.escrows;
        self.fitting(escrows.len(), |id| escrows[id].open)
    }

    fn allowance(&mut self) -> Id {
        let allowances = &self.ledger.allowances;
        self.fitting(allowances.len(), |id| allowances[id].open)
    }

    fn node(&mut self) -> Id {
        let nodes = &self.ledger.nodes;
        self.fitting(nodes.len(), |id| nodes[id].open)
    }

    fn coordinator(&mut self) -> Id {
        let coordinators = &self.ledger.coordinators;
        self.fitting(coordinators.len(), |id| coordinators[id].open)
    }

    fn payout(&mut self) -> Id {
        let payouts = &self.ledger.payouts;
        self.fitting(payouts.len(), |id| payouts[id].open)
    }

    /// Mostly nothing.
    fn lie(&mut self) -> Lie {
        if self.random.once_in(8) {
            self.random.choose(&[Lie::Deployment, Lie::Coordinator, Lie::Content])
        } else {
            Lie::None
        }
    }
}
