//! Freezing a log and beginning the next.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::LogEpochOpened;
use pinaivu::state::{Coordinator as CoordinatorAccount, EpochHead, VERSION};
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::log::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.log_epoch_open(&stage.coordinator, 0).1).anyone("payer")
}

#[test]
fn epoch_opened_freezes_the_old_head_and_begins_an_empty_log() {
    let (mut world, coordinator) = setting();
    let leaves = leaves(9);
    world.ok(&world.log_extend(&coordinator, extension(0, &leaves, 0, 9)), &[&coordinator.signer]);
    let (head, open) = world.log_epoch_open(&coordinator, 0);
    let meta = world.ok(&open, &[&coordinator.authority.key]);
    let frozen: EpochHead = world.read(&head);
    assert_eq!((frozen.version, frozen.coordinator), (VERSION, coordinator.address));
    assert_eq!((frozen.epoch, frozen.size, frozen.root), (0, 9, root(&leaves)));
    assert_eq!(frozen.closed_slot, world.slot());
    let log = world.read::<CoordinatorAccount>(&coordinator.address).log;
    assert_eq!((log.epoch, log.size, log.root, log.peaks), (1, 0, root(&[]), Vec::new()));
    let opened: LogEpochOpened = event(&meta);
    assert_eq!((opened.coordinator, opened.epoch), (coordinator.address, 1));
    assert_eq!((opened.closed_size, opened.closed_root), (9, root(&leaves)));

    let late =
        world.log_extend(&coordinator, Extension { old_size: 0, ..extension(0, &leaves, 0, 1) });
    world.fails(&late, &[&coordinator.signer], PinaivuError::EpochMismatch);
    world.ok(&world.log_extend(&coordinator, extension(1, &leaves, 0, 1)), &[&coordinator.signer]);
    // The frozen head's account cannot be written again.
    world.fails(&open, &[&coordinator.authority.key], ErrorCode::ConstraintSeeds);
    assert_eq!(world.read::<EpochHead>(&head).size, 9);
}

#[test]
fn epoch_opened_by_anyone_but_the_cold_authority_is_refused() {
    let (mut world, coordinator) = setting();
    let (_, open) = world.log_epoch_open(&coordinator, 0);
    let mut hot = open.clone();
    hot.accounts[1].pubkey = coordinator.signer.pubkey();
    world.fails(&hot, &[&coordinator.signer], PinaivuError::NotAuthority);
    let mut unsigned = open;
    unsigned.accounts[1].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}
