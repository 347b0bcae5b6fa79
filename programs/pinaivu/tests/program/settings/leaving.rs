//! Reserved money on its way back: releases, expiries and their delays. No operator takes part.

use pinaivu::state::{Allowance, Escrow};
use solana_pubkey::Pubkey;

use crate::harness::*;

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) alice: Actor,
    pub(crate) escrow: Pubkey,
    pub(crate) coordinator: Coordinator,
    pub(crate) allowance: Pubkey,
}

/// Alice has 100 in her escrow, 60 of them reserved.
pub(crate) fn setting() -> Setting {
    let mut world = World::new();
    let alice = world.actor(100);
    let escrow = world.escrow(&alice, 100);
    let coordinator = world.coordinator();
    let allowance = world.allowance(&alice, &escrow, &coordinator, 60);
    Setting { world, alice, escrow, coordinator, allowance }
}

impl Setting {
    pub(crate) fn release(&mut self, amount: u64, destination: Option<Pubkey>) {
        let owner = self.alice.address();
        let release = self.world.allowance_release(&self.allowance, &owner, amount, destination);
        self.world.ok(&release, &[&self.alice.key]);
    }

    pub(crate) fn exit(&self, destination: Option<Pubkey>) -> solana_instruction::Instruction {
        self.world.allowance_exit(&self.world.market, &self.allowance, destination)
    }

    pub(crate) fn stored(&self) -> Allowance {
        self.world.read(&self.allowance)
    }

    pub(crate) fn free(&self) -> u64 {
        self.world.read::<Escrow>(&self.escrow).free
    }
}
