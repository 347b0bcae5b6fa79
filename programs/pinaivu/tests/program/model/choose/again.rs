//! What comes to an end, and what tries to come back.

use super::*;

impl Chooser<'_> {
    /// One step towards the end of something that is to close: every third coordinator and node, and
    /// the payouts of what is closed. Everything else goes on meanwhile.
    pub(super) fn winding_down(&mut self) -> Action {
        let (coordinators, nodes) = (&self.ledger.coordinators, &self.ledger.nodes);
        let payouts = &self.ledger.payouts;
        let leaving = |id: Id| id % 3 == 2;
        let orphan = |id: Id| {
            let it = &payouts[id];
            it.open && !(coordinators[it.coordinator].open && nodes[it.node].open)
        };
        let chosen = match self.random.below(4) {
            0 | 1 => self
                .any(coordinators.len(), |id| leaving(id) && coordinators[id].open)
                .map(|id| self.coordinator_ends(id)),
            2 => self
                .any(nodes.len(), |id| leaving(id) && nodes[id].open)
                .map(|id| self.node_ends(id)),
            _ => self.any(payouts.len(), orphan).map(|id| self.payout_ends(id)),
        };
        chosen.unwrap_or_else(|| {
            let payout = self.payout();
            Action::PayoutClose { payout, by: self.mostly(self.ledger.payouts[payout].owner) }
        })
    }

    fn coordinator_ends(&mut self, coordinator: Id) -> Action {
        let it = &self.ledger.coordinators[coordinator];
        let by = self.mostly(it.authority);
        let payouts = &self.ledger.payouts;
        let needs_it = |id: Id| {
            let payout = &payouts[id];
            payout.coordinator == coordinator && (payout.guarantee > 0 || payout.advanced > 0)
        };
        let payout = self.any(payouts.len(), needs_it).filter(|_| !self.random.once_in(6));
        if let Some(payout) = payout {
            return self.payout_ends(payout);
        }
        if it.guarantee > 0 || it.penalty > 0 {
            let [guarantee, penalty] =
                [it.guarantee, it.penalty].map(|it| u64::try_from(it).unwrap());
            return Action::CoordinatorUnbond { coordinator, by, guarantee, penalty };
        }
        if it.guarantee_leaving.0 > 0 || it.penalty_leaving.0 > 0 {
            return Action::CoordinatorUnbondClaim { coordinator };
        }
        if it.fees > it.fees_paid {
            return Action::FeeClaim { coordinator };
        }
        Action::CoordinatorClose { coordinator, by }
    }

    fn node_ends(&mut self, node: Id) -> Action {
        let it = &self.ledger.nodes[node];
        let by = self.mostly(it.operator);
        if it.stake > 0 && !self.random.once_in(6) {
            return Action::NodeUnbond { node, by, amount: u64::try_from(it.stake).unwrap() };
        }
        if it.unbonding > 0 && !self.random.once_in(6) {
            return Action::NodeUnbondClaim { node };
        }
        Action::NodeClose { node, by }
    }

    fn payout_ends(&mut self, payout: Id) -> Action {
        let it = &self.ledger.payouts[payout];
        let coordinator = &self.ledger.coordinators[it.coordinator];
        if it.credited > it.paid && !self.random.once_in(6) {
            return Action::Claim { payout };
        }
        if it.advanced > 0 {
            // Its coordinator credits what was advanced, so that the bond is whole again.
            if it.credited > it.out_of_pool() {
                return Action::GuaranteeRefill { payout };
            }
            let entries = vec![(payout, u64::try_from(it.paid).unwrap())];
            let (coordinator, by) = (it.coordinator, coordinator.signer);
            return Action::Credit { coordinator, by, entries, fees: 0 };
        }
        if it.demand.is_some() && !self.random.once_in(3) {
            return Action::DemandSettle { payout };
        }
        if it.lowering.is_some() {
            return Action::GuaranteeLower { payout };
        }
        if it.guarantee > 0 {
            return Action::GuaranteeSet { payout, by: coordinator.authority, guarantee: 0 };
        }
        Action::PayoutClose { payout, by: self.mostly(it.owner) }
    }

    /// What was closed is opened at its old address, which must not be possible while anything could
    /// count there once more.
    pub(super) fn reopening(&mut self) -> Action {
        let ledger = self.ledger;
        let again = match self.random.below(5) {
            0 => self.any(ledger.escrows.len(), |id| !ledger.escrows[id].open).map(|id| {
                let it = &ledger.escrows[id];
                Action::EscrowOpen { owner: it.owner, opened: it.opened }
            }),
            1 => self.any(ledger.allowances.len(), |id| !ledger.allowances[id].open).map(|id| {
                let it = &ledger.allowances[id];
                Action::AllowanceOpen {
                    escrow: it.escrow,
                    by: ledger.escrows[it.escrow].owner,
                    coordinator: it.coordinator,
                    opened: it.opened,
                    amount: 1,
                    expiry: ledger.time + 900,
                    voucher: it.voucher.map(|(wallet, _)| wallet),
                }
            }),
            2 => self.any(ledger.nodes.len(), |id| !ledger.nodes[id].open).map(|id| {
                let it = &ledger.nodes[id];
                let (operator, payout_owner) = (it.operator, it.payout_owner);
                Action::NodeRegister {
                    operator,
                    payout_owner,
                    signer: it.signer,
                    opened: it.opened,
                }
            }),
            3 => {
                self.any(ledger.coordinators.len(), |id| !ledger.coordinators[id].open).map(|id| {
                    let it = &ledger.coordinators[id];
                    Action::CoordinatorRegister {
                        authority: it.authority,
                        signer: it.signer,
                        opened: it.opened,
                        fee_bps: it.fee_bps,
                        measurement: 0,
                    }
                })
            }
            _ => self.any(ledger.payouts.len(), |id| !ledger.payouts[id].open).map(|id| {
                let it = &ledger.payouts[id];
                Action::PayoutOpen { coordinator: it.coordinator, node: it.node }
            }),
        };
        again.unwrap_or_else(|| Action::EscrowOpen {
            owner: self.person(),
            opened: self.opening_slot(),
        })
    }
}
