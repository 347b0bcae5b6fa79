//! What operators of nodes and coordinators try.

use super::*;
use crate::harness::{FEE, FEE_CAP};
use crate::model::action::{Fault, Leaf};

/// Most coordinators that are open at once.
const COORDINATORS: usize = 6;

/// Leaves after which a log is mostly closed.
const LEAVES: usize = 60;

impl Chooser<'_> {
    pub(super) fn node_action(&mut self) -> Action {
        let node = self.node();
        let it = &self.ledger.nodes[node];
        let by = self.mostly(it.operator);
        match self.random.below(12) {
            0 => Action::NodeRegister {
                operator: self.person(),
                payout_owner: self.person(),
                signer: self.key(),
                opened: self.opening_slot(),
            },
            1..=3 => {
                let person = self.person();
                let amount = self.random.amount(self.ledger.people[person].holds / 16);
                Action::NodeStake { node, person, amount }
            }
            4 | 5 => Action::NodeUnbond { node, by, amount: self.random.amount(it.stake) },
            6..=8 => Action::NodeUnbondClaim { node },
            9 => Action::NodeRotateSigner { node, by, signer: self.key() },
            10 => self.signer_close(),
            _ => Action::NodeClose { node, by },
        }
    }

    fn signer_close(&mut self) -> Action {
        let retired = &self.ledger.retired;
        if retired.is_empty() {
            return Action::NodeClose { node: self.node(), by: self.person() };
        }
        Action::SignerClose { retired: self.fitting(retired.len(), |id| retired[id].open) }
    }

    pub(super) fn coordinator_action(&mut self) -> Action {
        let coordinator = self.coordinator();
        let it = &self.ledger.coordinators[coordinator];
        let by = self.mostly(it.authority);
        let open = self.ledger.coordinators.iter().filter(|it| it.open).count();
        match self.random.below(20) {
            0 | 1 if open < COORDINATORS => Action::CoordinatorRegister {
                authority: self.person(),
                signer: self.key(),
                opened: self.opening_slot(),
                fee_bps: self.random.choose(&[0, 1, FEE, FEE_CAP, FEE_CAP + 1]),
                measurement: if self.random.once_in(3) { self.measurement() } else { 0 },
            },
            2 | 3 => Action::CoordinatorBond {
                coordinator,
                by,
                guarantee: self.random.amount(2_000),
                penalty: self.random.amount(200),
            },
            4 => Action::CoordinatorRotateSigner { coordinator, by, signer: self.key() },
            5 => {
                let measurement = self.random.once_in(2).then(|| self.measurement());
                let value = self.random.below(256) as u8;
                Action::CoordinatorUpdate { coordinator, by, value, measurement }
            }
            6..=8 => Action::PayoutOpen { coordinator, node: self.node() },
            9 => Action::LogEpochOpen { coordinator, by },
            _ if it.leaves.len() > LEAVES => Action::LogEpochOpen { coordinator, by },
            _ => self.log_extend(coordinator),
        }
    }

    fn log_extend(&mut self, coordinator: Id) -> Action {
        let it = &self.ledger.coordinators[coordinator];
        let faults = [Fault::Epoch, Fault::Size, Fault::Count, Fault::Root, Fault::None];
        let fault = if self.random.once_in(5) { self.random.choose(&faults) } else { Fault::None };
        let by = self.mostly_key(it.signer);
        let count = self.random.below(9);
        let new = (0..count).map(|index| self.leaf(coordinator, it.leaves.len() + index)).collect();
        Action::LogExtend { coordinator, by, new, fault }
    }

    /// The leaf of a receipt of one of the coordinator's nodes, or of nothing that anybody knows.
    fn leaf(&mut self, coordinator: Id, index: usize) -> Leaf {
        let payouts = &self.ledger.payouts;
        let own = |id: Id| payouts[id].open && payouts[id].coordinator == coordinator;
        let payout = self.any(payouts.len(), own).filter(|_| !self.random.once_in(3));
        let Some(payout) = payout else {
            let mut leaf = [0; 32];
            leaf[..8].copy_from_slice(&self.random.next().to_le_bytes());
            return (leaf, None);
        };
        let it = &payouts[payout];
        // Sometimes so much that no credit will reach it soon.
        let more = self.random.choose(&[300, 300, 5_000]);
        let earned = it.credited.max(it.paid) + self.random.below(more) as u128;
        let earned = u64::try_from(earned).unwrap();
        let epoch = self.ledger.coordinators[coordinator].epoch;
        let receipt = receipt(self.ledger, coordinator, (epoch, index as u64), it.node, earned);
        (receipt.leaf().unwrap().0, Some((it.node, earned)))
    }
}
