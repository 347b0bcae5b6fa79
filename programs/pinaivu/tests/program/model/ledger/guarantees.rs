//! What becomes of guarantees, demands and bonds on their way out.

use anchor_lang::error::ErrorCode::AccountNotInitialized;

use super::*;
use crate::model::action::Lie;

impl Ledger {
    /// What everything about a guarantee needs.
    fn both_open(&self, payout: Id) -> Result<(), Refusal> {
        let it = &self.payouts[payout];
        require(it.open && self.coordinators[it.coordinator].open, AccountNotInitialized)
    }

    pub(super) fn guarantee_set(&mut self, payout: Id, by: Id, guarantee: u64) -> Verdict {
        self.both_open(payout)?;
        let (now, guarantee) = (self.now(), u128::from(guarantee));
        let it = &self.payouts[payout];
        let (coordinator, present) = (it.coordinator, it.guarantee);
        require(self.coordinators[coordinator].authority == by, E::NotAuthority)?;
        require(guarantee != present || it.lowering.is_some(), E::NothingToChange)?;
        if guarantee < present {
            self.payouts[payout].lowering = Some((guarantee, now));
        } else {
            let promised = self.promised(coordinator) + (guarantee - present);
            let covered = promised <= self.coordinators[coordinator].guarantee;
            require(covered, E::GuaranteesUncovered)?;
            self.payouts[payout].guarantee = guarantee;
            self.payouts[payout].lowering = None;
        }
        Ok(vec![Touched::Payout(payout), Touched::Coordinator(coordinator)])
    }

    pub(super) fn guarantee_lower(&mut self, payout: Id) -> Verdict {
        self.both_open(payout)?;
        let it = &self.payouts[payout];
        let coordinator = it.coordinator;
        let (lower, since) = it.lowering.ok_or(E::NothingLowering)?;
        require(it.demand.is_none(), E::DemandOpen)?;
        require(self.has_waited(since, self.rules.guarantee), E::NotMatured)?;
        let it = &mut self.payouts[payout];
        it.guarantee = lower.max(it.advanced);
        it.lowering = None;
        Ok(vec![Touched::Payout(payout), Touched::Coordinator(coordinator)])
    }

    pub(super) fn guarantee_refill(&mut self, payout: Id) -> Verdict {
        self.both_open(payout)?;
        let it = &mut self.payouts[payout];
        let coordinator = it.coordinator;
        let back = it.advanced.min(it.credited - it.out_of_pool());
        require(back > 0, E::NothingToRefill)?;
        it.advanced -= back;
        self.coordinators[coordinator].guarantee += back;
        self.vaults[ESCROW] -= back;
        self.vaults[BOND] += back;
        Ok(vec![Touched::Payout(payout), Touched::Coordinator(coordinator), Touched::Vaults])
    }

    /// What a demand needs whatever it shows: the payout owner, or the node's operator where the node
    /// is given.
    fn may_demand(&self, payout: Id, by: Id, with_node: bool) -> Result<(), Refusal> {
        let it = &self.payouts[payout];
        let operator = with_node && self.nodes[it.node].operator == by;
        require(it.owner == by || operator, E::NotPayee)
    }

    fn demand(&mut self, payout: Id, cumulative: u128) -> Verdict {
        let now = self.now();
        let it = &mut self.payouts[payout];
        require(cumulative > it.credited.max(it.paid), E::NothingToDemand)?;
        let pending = it.demand.map_or(0, |(demanded, _)| demanded);
        require(cumulative > pending, E::NothingToDemand)?;
        it.demand = Some((cumulative, now));
        Ok(vec![Touched::Payout(payout)])
    }

    pub(super) fn demand_open(
        &mut self,
        payout: Id,
        by: Id,
        with_node: bool,
        signer: Id,
        cumulative: u64,
        lie: Lie,
    ) -> Verdict {
        self.both_open(payout)?;
        let it = &self.payouts[payout];
        require(!with_node || self.nodes[it.node].open, AccountNotInitialized)?;
        self.may_demand(payout, by, with_node)?;
        require(self.coordinators[it.coordinator].signer == signer, E::WrongSignerKey)?;
        match lie {
            Lie::None => self.demand(payout, u128::from(cumulative)),
            Lie::Deployment => Err(E::WrongDeployment.into()),
            Lie::Coordinator => Err(E::WrongCoordinator.into()),
            Lie::Content => Err(E::WrongNode.into()),
        }
    }

    pub(super) fn demand_open_recorded(
        &mut self,
        payout: Id,
        by: Id,
        with_node: bool,
        record: Id,
    ) -> Verdict {
        self.both_open(payout)?;
        let (it, record) = (&self.payouts[payout], &self.records[record]);
        require(!with_node || self.nodes[it.node].open, AccountNotInitialized)?;
        require(record.open, AccountNotInitialized)?;
        require(record.coordinator == it.coordinator, E::WrongCoordinator)?;
        require(record.node == self.nodes[it.node].address, E::WrongNode)?;
        let cumulative = record.cumulative;
        self.may_demand(payout, by, with_node)?;
        self.demand(payout, cumulative)
    }

    pub(super) fn demand_settle(&mut self, payout: Id) -> Verdict {
        self.both_open(payout)?;
        let it = &self.payouts[payout];
        let (demanded, since) = it.demand.ok_or(E::NoDemand)?;
        require(self.has_waited(since, self.rules.liveness), E::NotMatured)?;
        let (coordinator, owner) = (it.coordinator, it.owner);
        let it = &mut self.payouts[payout];
        it.demand = None;
        let claimed = it.credited.saturating_sub(it.paid);
        it.paid += claimed;
        let given = demanded.saturating_sub(it.paid).min(it.guarantee - it.advanced);
        it.paid += given;
        it.advanced += given;
        self.coordinators[coordinator].guarantee -= given;
        self.pay(ESCROW, owner, claimed);
        self.pay(BOND, owner, given);
        let accounts = [Touched::Payout(payout), Touched::Coordinator(coordinator)];
        Ok([accounts.as_slice(), &[Touched::Person(owner), Touched::Vaults]].concat())
    }

    pub(super) fn coordinator_unbond(
        &mut self,
        coordinator: Id,
        by: Id,
        guarantee: u64,
        penalty: u64,
    ) -> Verdict {
        let (now, promised) = (self.now(), self.promised(coordinator));
        let (guarantee, penalty) = (u128::from(guarantee), u128::from(penalty));
        let it = &mut self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        require(it.authority == by, E::NotAuthority)?;
        require(guarantee > 0 || penalty > 0, E::AmountZero)?;
        require(it.guarantee >= guarantee, E::InsufficientStake)?;
        require(it.guarantee - guarantee >= promised, E::GuaranteesUncovered)?;
        require(it.penalty >= penalty, E::InsufficientStake)?;
        if guarantee > 0 {
            it.guarantee -= guarantee;
            it.guarantee_leaving = (it.guarantee_leaving.0 + guarantee, now);
        }
        if penalty > 0 {
            it.penalty -= penalty;
            it.penalty_leaving = (it.penalty_leaving.0 + penalty, now);
        }
        Ok(vec![Touched::Coordinator(coordinator)])
    }

    pub(super) fn coordinator_unbond_claim(&mut self, coordinator: Id) -> Verdict {
        let it = &self.coordinators[coordinator];
        require(it.open, AccountNotInitialized)?;
        let authority = it.authority;
        let (guarantee, penalty) = (it.guarantee_leaving, it.penalty_leaving);
        let mut due = 0;
        if self.has_waited(guarantee.1, self.rules.guarantee) {
            due += guarantee.0;
            self.coordinators[coordinator].guarantee_leaving.0 = 0;
        }
        if self.has_waited(penalty.1, self.rules.unbond) {
            due += penalty.0;
            self.coordinators[coordinator].penalty_leaving.0 = 0;
        }
        require(due > 0 || guarantee.0 + penalty.0 == 0, E::NotMatured)?;
        require(due > 0, E::NothingUnbonding)?;
        self.pay(BOND, authority, due);
        let accounts = [Touched::Coordinator(coordinator), Touched::Person(authority)];
        Ok([accounts.as_slice(), &[Touched::Vaults]].concat())
    }
}
