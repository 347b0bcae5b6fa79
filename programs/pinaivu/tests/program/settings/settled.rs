//! Credits and fees paid out.

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::harness::*;

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) coordinator: Coordinator,
    pub(crate) allowance: Pubkey,
    pub(crate) node: Node,
    pub(crate) payout: Pubkey,
}

/// 100 debited, 80 credited to one node, 10 kept, 10 not distributed.
pub(crate) fn setting() -> Setting {
    let mut world = World::new();
    let alice = world.actor(1_000);
    let escrow = world.escrow(&alice, 1_000);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 500);
    let node = world.node();
    let payout = world.payout(&coordinator, &node);
    let mut it = Setting { world, coordinator, allowance, node, payout };
    it.settle(100, 80, 10);
    it
}

impl Setting {
    pub(crate) fn settle(&mut self, debited: u64, credited: u64, fees: u64) {
        let signer = &self.coordinator.signer;
        let debit = self.world.debit(&self.coordinator, &[(self.allowance, debited)]);
        self.world.ok(&debit, &[signer]);
        let market = self.world.market;
        let credit =
            self.world.credit(&market, &self.coordinator, &[(self.payout, credited)], fees);
        self.world.ok(&credit, &[signer]);
    }

    pub(crate) fn claim(&self, destination: &Pubkey) -> Instruction {
        let market = self.world.market;
        self.world.claim(&market, &self.payout, destination)
    }

    pub(crate) fn fee_claim(&self, destination: &Pubkey) -> Instruction {
        self.world.fee_claim(&self.world.market, &self.coordinator.address, destination)
    }
}
