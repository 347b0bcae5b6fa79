//! Debits and credits to cumulative amounts.

use pinaivu::error::PinaivuError;
use pinaivu::event::{AllowancesDebited, PayoutsCredited};
use pinaivu::state::{Allowance, Coordinator as CoordinatorAccount, Payout};
use solana_pubkey::Pubkey;

use crate::harness::*;

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) alice: Actor,
    pub(crate) escrow: Pubkey,
    pub(crate) coordinator: Coordinator,
    /// Alice's reservations of 100 and 50.
    pub(crate) allowances: [Pubkey; 2],
    pub(crate) nodes: [Node; 2],
    pub(crate) payouts: [Pubkey; 2],
}

pub(crate) fn setting() -> Setting {
    let mut world = World::new();
    let alice = world.actor(1_000);
    let escrow = world.escrow(&alice, 1_000);
    let coordinator = world.coordinator();
    let first = world.allowance(&alice, &escrow, &coordinator, 100);
    world.pass(1, 0);
    let second = world.allowance(&alice, &escrow, &coordinator, 50);
    let nodes = [world.node(), world.node()];
    let payouts = [world.payout(&coordinator, &nodes[0]), world.payout(&coordinator, &nodes[1])];
    Setting { world, alice, escrow, coordinator, allowances: [first, second], nodes, payouts }
}

impl Setting {
    pub(crate) fn debit(&mut self, entries: &[(Pubkey, u64)]) -> AllowancesDebited {
        let debit = self.world.debit(&self.coordinator, entries);
        event(&self.world.ok(&debit, &[&self.coordinator.signer]))
    }

    pub(crate) fn credit(&mut self, entries: &[(Pubkey, u64)], fees: u64) -> PayoutsCredited {
        let credit = self.world.credit(&self.world.market, &self.coordinator, entries, fees);
        event(&self.world.ok(&credit, &[&self.coordinator.signer]))
    }

    #[track_caller]
    pub(crate) fn refuses_debit(&mut self, entries: &[(Pubkey, u64)], error: PinaivuError) {
        let debit = self.world.debit(&self.coordinator, entries);
        self.world.fails(&debit, &[&self.coordinator.signer], error);
    }

    #[track_caller]
    pub(crate) fn refuses_credit(&mut self, entries: &[(Pubkey, u64)], error: PinaivuError) {
        let credit = self.world.credit(&self.world.market, &self.coordinator, entries, 0);
        self.world.fails(&credit, &[&self.coordinator.signer], error);
    }

    pub(crate) fn debited(&self) -> [u64; 2] {
        self.allowances.map(|allowance| self.world.read::<Allowance>(&allowance).debited)
    }

    pub(crate) fn credited(&self) -> [u64; 2] {
        self.payouts.map(|payout| self.world.read::<Payout>(&payout).credited)
    }

    /// Debited, credited, fees.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let it: CoordinatorAccount = self.world.read(&self.coordinator.address);
        (it.debited, it.credited, it.fees)
    }
}
