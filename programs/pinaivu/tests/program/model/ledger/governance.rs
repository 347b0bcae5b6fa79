//! What becomes of the market's own instructions: its opening, its pause, and changes that wait.

use anchor_lang::error::ErrorCode::{AccountNotInitialized, ConstraintSeeds};

use super::*;
use crate::harness::{
    ALREADY_IN_USE, EXIT_SECONDS, EXIT_SLOTS, FEE_CAP, GOVERNANCE_SECONDS, GOVERNANCE_SLOTS,
    GUARANTEE_SECONDS, GUARANTEE_SLOTS, LIVENESS_SECONDS, LIVENESS_SLOTS, MIN_BOND, UNBOND_SECONDS,
    UNBOND_SLOTS, custom,
};

/// The market's rules, as the documentation names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) struct Rules {
    pub(in crate::model) fee_cap: u16,
    pub(in crate::model) exit: Wait,
    pub(in crate::model) unbond: Wait,
    pub(in crate::model) liveness: Wait,
    pub(in crate::model) guarantee: Wait,
    pub(in crate::model) governance: Wait,
    pub(in crate::model) min_stake: u64,
    pub(in crate::model) min_bond: u64,
}

/// Ten million USDC.
const HIGHEST_MINIMUM: u64 = 10_000_000_000_000;

/// Thirty days of 400 ms, and of seconds.
const LONGEST: Wait = (6_480_000, 2_592_000);

impl Rules {
    /// What the market is opened with.
    pub(in crate::model) const FIRST: Self = Self {
        fee_cap: FEE_CAP,
        exit: (EXIT_SLOTS, EXIT_SECONDS),
        unbond: (UNBOND_SLOTS, UNBOND_SECONDS),
        liveness: (LIVENESS_SLOTS, LIVENESS_SECONDS),
        guarantee: (GUARANTEE_SLOTS, GUARANTEE_SECONDS),
        governance: (GOVERNANCE_SLOTS, GOVERNANCE_SECONDS),
        min_stake: 100,
        min_bond: MIN_BOND,
    };

    /// The hard-coded caps.
    fn judge(&self) -> Result<(), Refusal> {
        require(self.fee_cap <= 5_000, E::FeeTooHigh)?;
        let minima = self.min_stake <= HIGHEST_MINIMUM && self.min_bond <= HIGHEST_MINIMUM;
        require(minima, E::MinimumTooHigh)?;
        let all = [self.exit, self.unbond, self.liveness, self.guarantee, self.governance];
        let possible = |(slots, seconds): &Wait| {
            *slots > 0 && *seconds > 0 && *slots <= LONGEST.0 && *seconds <= LONGEST.1
        };
        require(all.iter().all(possible), E::DelayOutOfRange)?;
        let (first, then) = (self.liveness, self.guarantee);
        let demanded_first = first.0 < then.0 && first.1 < then.1;
        let last = self.governance;
        let governed_last = [self.exit, self.unbond, self.guarantee]
            .iter()
            .all(|delay| delay.0 <= last.0 && delay.1 <= last.1);
        require(demanded_first && governed_last, E::DelayOrder)
    }
}

/// What governance can propose. Measurements are numbers in the ledger's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Proposed {
    Rules(Rules),
    Governance(Id),
    Allow(Id),
    Revoke(Id),
}

/// A change that waits.
#[derive(Clone, Debug)]
pub(in crate::model) struct Proposal {
    pub(in crate::model) address: Pubkey,
    pub(in crate::model) change: Proposed,
    /// Whose it is.
    governance: Pubkey,
    since: Moment,
    wait: Wait,
    pub(in crate::model) open: bool,
}

impl Proposal {
    /// The measurement it is about; 0 when it is about something else.
    pub(in crate::model) fn measurement(&self) -> Id {
        match self.change {
            Proposed::Allow(measurement) | Proposed::Revoke(measurement) => measurement,
            Proposed::Rules(_) | Proposed::Governance(_) => 0,
        }
    }
}

/// The measurement with a number; the zero one for 0.
pub(in crate::model) fn measurement(number: Id) -> [u8; 32] {
    [u8::try_from(number).unwrap(); 32]
}

impl Ledger {
    pub(super) fn market_initialize(&mut self, second: bool, by_deployer: bool) -> Verdict {
        require(second && !self.second_market, custom(ALREADY_IN_USE))?;
        require(by_deployer, E::NotUpgradeAuthority)?;
        self.second_market = true;
        Ok(vec![Touched::SecondMarket])
    }

    fn governs(&self, by: Option<Id>) -> Result<(), Refusal> {
        let right = by.is_none_or(|by| self.people[by].address == self.governance);
        require(right, E::NotGovernance)
    }

    pub(super) fn market_pause(&mut self, by: Option<Id>, paused: bool) -> Verdict {
        self.governs(by)?;
        require(self.paused != paused, E::NothingToChange)?;
        self.paused = paused;
        Ok(vec![Touched::Market])
    }

    pub(super) fn proposal_open(
        &mut self,
        address: Pubkey,
        by: Option<Id>,
        number: u64,
        change: Proposed,
    ) -> Verdict {
        // The number is in the address: none is given twice.
        require(number == self.proposals.len() as u64, ConstraintSeeds)?;
        self.governs(by)?;
        match change {
            Proposed::Rules(rules) => rules.judge()?,
            Proposed::Governance(person) => {
                let same = self.people[person].address == self.governance;
                require(!same, E::NothingToChange)?;
            }
            Proposed::Allow(number) | Proposed::Revoke(number) => {
                require(number != 0, E::MeasurementNotAllowed)?;
            }
        }
        let (governance, since, wait) = (self.governance, self.now(), self.rules.governance);
        self.proposals.push(Proposal { address, change, governance, since, wait, open: true });
        Ok(vec![Touched::Market, Touched::Proposal(self.proposals.len() - 1)])
    }

    fn due(&self, proposal: Id) -> Result<(), Refusal> {
        let it = &self.proposals[proposal];
        require(it.governance == self.governance, E::ProposalSuperseded)?;
        require(self.has_waited(it.since, it.wait), E::NotMatured)
    }

    pub(super) fn proposal_apply(&mut self, proposal: Id, new: Option<Id>) -> Verdict {
        require(self.proposals[proposal].open, AccountNotInitialized)?;
        self.due(proposal)?;
        match self.proposals[proposal].change {
            Proposed::Rules(rules) => self.rules = rules,
            Proposed::Governance(person) => {
                require(new == Some(person), E::NewGovernanceMissing)?;
                self.governance = self.people[person].address;
            }
            Proposed::Allow(_) | Proposed::Revoke(_) => return Err(E::WrongProposal.into()),
        }
        self.proposals[proposal].open = false;
        Ok(vec![Touched::Market, Touched::Proposal(proposal)])
    }

    pub(super) fn proposal_cancel(&mut self, proposal: Id, by: Option<Id>) -> Verdict {
        require(self.proposals[proposal].open, AccountNotInitialized)?;
        self.governs(by)?;
        self.proposals[proposal].open = false;
        Ok(vec![Touched::Proposal(proposal)])
    }

    pub(super) fn measurement_allow(&mut self, proposal: Id) -> Verdict {
        let it = &self.proposals[proposal];
        let (number, change) = (it.measurement(), it.change);
        require(it.open, AccountNotInitialized)?;
        require(!self.listed[number], custom(ALREADY_IN_USE))?;
        require(matches!(change, Proposed::Allow(_)), E::WrongProposal)?;
        self.listing(proposal, number, true)
    }

    pub(super) fn measurement_revoke(&mut self, proposal: Id) -> Verdict {
        let it = &self.proposals[proposal];
        let (number, change) = (it.measurement(), it.change);
        require(it.open && self.listed[number], AccountNotInitialized)?;
        require(matches!(change, Proposed::Revoke(_)), E::WrongProposal)?;
        self.listing(proposal, number, false)
    }

    fn listing(&mut self, proposal: Id, number: Id, listed: bool) -> Verdict {
        self.due(proposal)?;
        self.listed[number] = listed;
        self.proposals[proposal].open = false;
        Ok(vec![Touched::Market, Touched::Proposal(proposal), Touched::Measurement(number)])
    }
}
