//! Reserving money for a coordinator.

use solana_pubkey::Pubkey;

use crate::harness::*;

pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) alice: Actor,
    pub(crate) escrow: Pubkey,
    pub(crate) coordinator: Coordinator,
}

pub(crate) fn setting(deposit: u64) -> Setting {
    let mut world = World::new();
    let alice = world.actor(deposit);
    let escrow = world.escrow(&alice, deposit);
    let coordinator = world.coordinator();
    Setting { world, alice, escrow, coordinator }
}
