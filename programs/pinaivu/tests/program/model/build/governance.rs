//! The market's own instructions.

use pinaivu::state::{Change, MarketRules};

use super::*;
use crate::harness::rules as first_rules;

impl Chain {
    pub(super) fn build_market(
        &self,
        ledger: &Ledger,
        action: &Action,
    ) -> Option<(Pubkey, Instruction)> {
        let (w, market) = (&self.world, &self.world.market);
        let by = |by: &Option<Id>| by.map_or(ledger.governance, |id| ledger.people[id].address);
        let proposal = |id: &Id| &ledger.proposals[*id];
        Some(match action {
            Action::MarketInitialize { second, by_deployer } => {
                let market = if *second { &self.second } else { market };
                let args = first_rules(w.governance.pubkey());
                let mut open = w.market_initialize(market, args);
                if !by_deployer {
                    open.accounts[1].pubkey = ledger.people[0].address;
                }
                none(open)
            }
            Action::MarketPause { by: who, paused } => {
                let mut pause = w.market_pause(market, *paused);
                pause.accounts[0].pubkey = by(who);
                none(pause)
            }
            Action::ProposalOpen { by: who, number, change } => {
                let change = self::change(ledger, *change);
                let (address, mut open) = w.proposal_open(market, *number, change);
                open.accounts[1].pubkey = by(who);
                (address, open)
            }
            Action::ProposalApply { proposal: id, new } => {
                let new = new.map(|id| ledger.people[id].address);
                none(w.proposal_apply(market, &proposal(id).address, new))
            }
            Action::ProposalCancel { proposal: id, by: who } => {
                let mut cancel = w.proposal_cancel(market, &proposal(id).address);
                cancel.accounts[0].pubkey = by(who);
                none(cancel)
            }
            Action::MeasurementAllow { proposal: id } => {
                let it = proposal(id);
                none(w.measurement_allow(market, &it.address, &measurement(it.measurement())))
            }
            Action::MeasurementRevoke { proposal: id } => {
                let it = proposal(id);
                none(w.measurement_revoke(market, &it.address, &measurement(it.measurement())))
            }
            _ => return None,
        })
    }
}

fn change(ledger: &Ledger, proposed: Proposed) -> Change {
    match proposed {
        Proposed::Rules(rules) => Change::Rules(market_rules(&rules)),
        Proposed::Governance(person) => Change::Governance(ledger.people[person].address),
        Proposed::Allow(number) => Change::MeasurementAllowed(measurement(number)),
        Proposed::Revoke(number) => Change::MeasurementRevoked(measurement(number)),
    }
}

/// The ledger's rules in the program's words.
pub(in crate::model) const fn market_rules(rules: &Rules) -> MarketRules {
    MarketRules {
        fee_cap_bps: rules.fee_cap,
        exit_delay_slots: rules.exit.0,
        exit_delay_seconds: rules.exit.1,
        unbond_delay_slots: rules.unbond.0,
        unbond_delay_seconds: rules.unbond.1,
        liveness_slots: rules.liveness.0,
        liveness_seconds: rules.liveness.1,
        guarantee_delay_slots: rules.guarantee.0,
        guarantee_delay_seconds: rules.guarantee.1,
        governance_delay_slots: rules.governance.0,
        governance_delay_seconds: rules.governance.1,
        min_stake: rules.min_stake,
        min_bond: rules.min_bond,
    }
}
