//! What governance tries, and others in its name.

use super::*;

impl Chooser<'_> {
    /// Mostly whoever governs.
    fn governor(&mut self) -> Option<Id> {
        self.random.once_in(10).then(|| self.person())
    }

    /// The number of a measurement; 0 stands for none.
    pub(super) fn measurement(&mut self) -> Id {
        self.random.below(self.ledger.listed.len())
    }

    pub(super) fn governance_action(&mut self) -> Action {
        let proposals = &self.ledger.proposals;
        let waiting = proposals.iter().filter(|it| it.open).count();
        if proposals.is_empty() || (waiting < 4 && self.random.once_in(3)) {
            return self.propose();
        }
        let proposal = self.fitting(proposals.len(), |id| proposals[id].open);
        match (self.random.below(8), proposals[proposal].change) {
            (0, _) => Action::ProposalCancel { proposal, by: self.governor() },
            (1, _) => self.carelessly(proposal),
            (_, Proposed::Allow(_)) => Action::MeasurementAllow { proposal },
            (_, Proposed::Revoke(_)) => Action::MeasurementRevoke { proposal },
            (_, Proposed::Governance(person)) => {
                let new = (!self.random.once_in(6)).then(|| self.mostly(person));
                Action::ProposalApply { proposal, new }
            }
            (_, Proposed::Rules(_)) => Action::ProposalApply { proposal, new: None },
        }
    }

    /// With any of the instructions that make a change.
    fn carelessly(&mut self, proposal: Id) -> Action {
        match self.random.below(3) {
            0 => Action::ProposalApply { proposal, new: None },
            1 => Action::MeasurementAllow { proposal },
            _ => Action::MeasurementRevoke { proposal },
        }
    }

    fn propose(&mut self) -> Action {
        let next = self.ledger.proposals.len() as u64;
        let number = if self.random.once_in(12) { self.random.next() % (next + 2) } else { next };
        let change = match self.random.below(8) {
            0..=2 => Proposed::Rules(self.rules()),
            3 => Proposed::Governance(self.person()),
            4..=6 => Proposed::Allow(self.measurement()),
            _ => Proposed::Revoke(self.measurement()),
        };
        Action::ProposalOpen { by: self.governor(), number, change }
    }

    /// Rules under which everything can go on, or such as the caps forbid.
    fn rules(&mut self) -> Rules {
        let first = Rules::FIRST;
        let mut rules = Rules {
            fee_cap: self.random.choose(&[0, 1_000, first.fee_cap, first.fee_cap, 5_000]),
            exit: self.random.choose(&[first.exit, (50, 30)]),
            unbond: self.random.choose(&[first.unbond, (150, 80)]),
            liveness: self.random.choose(&[first.liveness, (10, 8)]),
            guarantee: self.random.choose(&[first.guarantee, (40, 28)]),
            governance: self.random.choose(&[first.governance, (250, 100)]),
            min_stake: self.random.choose(&[first.min_stake, 0]),
            min_bond: self.random.choose(&[first.min_bond, first.min_bond, 0, 60]),
        };
        match self.random.below(24) {
            0 => rules.fee_cap = 5_001,
            1 => rules.min_bond = 10_000_000_000_001,
            2 => rules.min_stake = u64::MAX,
            3 => rules.exit.0 = 0,
            4 => rules.liveness.1 = 0,
            5 => rules.unbond.0 = 6_480_001,
            6 => rules.governance.1 = 2_592_001,
            7 => rules.liveness = rules.guarantee,
            8 => rules.exit.0 = rules.governance.0 + 1,
            9 => rules.guarantee.1 = rules.governance.1 + 1,
            _ => {}
        }
        rules
    }
}
