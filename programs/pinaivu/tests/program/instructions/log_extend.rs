//! Extending the receipt log's head.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::LogExtended;
use pinaivu::state::Coordinator as CoordinatorAccount;
use pinaivu_protocol::hash::sha256;

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::log::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let logged = &stage.flows.leaves;
    let all = [logged.as_slice(), &leaves(3)].concat();
    let extension = extension(0, &all, logged.len(), all.len());
    Case::of(stage.world.log_extend(&stage.coordinator, extension))
}

#[test]
fn log_extended_step_by_step_has_the_root_of_all_its_leaves() {
    let (mut world, coordinator) = setting();
    let leaves = leaves(1_000);
    let sizes = [0, 1, 2, 3, 7, 8, 9, 64, 65, 127, 200, 513, 1_000];
    for step in sizes.windows(2) {
        let (old, new) = (step[0], step[1]);
        let extend = world.log_extend(&coordinator, extension(0, &leaves, old, new));
        let meta = world.ok(&extend, &[&coordinator.signer]);
        let log = world.read::<CoordinatorAccount>(&coordinator.address).log;
        assert_eq!((log.epoch, log.size, log.root), (0, new as u64, root(&leaves[..new])));
        assert_eq!(log.peaks.len(), new.count_ones() as usize);
        let extended: LogExtended = event(&meta);
        assert_eq!((extended.coordinator, extended.epoch), (coordinator.address, 0));
        assert_eq!((extended.old_size, extended.size), (old as u64, new as u64));
        assert_eq!(extended.root, root(&leaves[..new]));
    }
}

#[test]
fn log_extended_twice_from_the_same_size_is_refused_the_second_time() {
    let (mut world, coordinator) = setting();
    let leaves = leaves(8);
    let extend = world.log_extend(&coordinator, extension(0, &leaves, 0, 5));
    world.ok(&extend, &[&coordinator.signer]);
    world.fails(&extend, &[&coordinator.signer], PinaivuError::LogSizeMismatch);
    let rewrite = world.log_extend(&coordinator, extension(0, &leaves, 4, 8));
    world.fails(&rewrite, &[&coordinator.signer], PinaivuError::LogSizeMismatch);
    let gap = world.log_extend(&coordinator, extension(0, &leaves, 6, 8));
    world.fails(&gap, &[&coordinator.signer], PinaivuError::LogSizeMismatch);
}

#[test]
fn log_that_would_not_grow_is_refused() {
    let (mut world, coordinator) = setting();
    let leaves = leaves(8);
    world.ok(&world.log_extend(&coordinator, extension(0, &leaves, 0, 5)), &[&coordinator.signer]);
    for new_size in [5, 4, 0] {
        let same = Extension {
            epoch: 0,
            old_size: 5,
            new_size,
            hashes: Vec::new(),
            expected_root: root(&leaves[..5]),
        };
        let extend = world.log_extend(&coordinator, same);
        world.fails(&extend, &[&coordinator.signer], PinaivuError::LogNotGrowing);
    }
}

#[test]
fn log_extended_with_a_hash_too_few_or_too_many_is_refused() {
    let (mut world, coordinator) = setting();
    let good = extension(0, &leaves(7), 0, 7);
    let mut few = good.clone();
    few.hashes.pop();
    let mut many = good.clone();
    many.hashes.push([0; 32]);
    let mut none = good;
    none.hashes.clear();
    for bad in [few, many, none] {
        let extend = world.log_extend(&coordinator, bad);
        world.fails(&extend, &[&coordinator.signer], PinaivuError::LogHashCountWrong);
    }
}

#[test]
fn log_extended_with_any_field_changed_is_refused() {
    let (mut world, coordinator) = setting();
    let leaves = leaves(13);
    world.ok(&world.log_extend(&coordinator, extension(0, &leaves, 0, 6)), &[&coordinator.signer]);
    let good = extension(0, &leaves, 6, 13);
    let mut cases = vec![
        (Extension { epoch: 1, ..good.clone() }, PinaivuError::EpochMismatch),
        (Extension { old_size: 5, ..good.clone() }, PinaivuError::LogSizeMismatch),
        (Extension { new_size: 15, ..good.clone() }, PinaivuError::LogHashCountWrong),
        (Extension { expected_root: [1; 32], ..good.clone() }, PinaivuError::LogRootMismatch),
    ];
    for index in 0..good.hashes.len() {
        let mut bad = good.clone();
        bad.hashes[index][31] ^= 1;
        cases.push((bad, PinaivuError::LogRootMismatch));
    }
    for (bad, error) in cases {
        let extend = world.log_extend(&coordinator, bad);
        world.fails(&extend, &[&coordinator.signer], error);
    }
    world.ok(&world.log_extend(&coordinator, good), &[&coordinator.signer]);
}

#[test]
fn log_extended_by_anyone_but_the_hot_signer_is_refused() {
    let (mut world, coordinator) = setting();
    let extend = world.log_extend(&coordinator, extension(0, &leaves(1), 0, 1));
    let mut cold = extend.clone();
    cold.accounts[0].pubkey = coordinator.authority.address();
    world.fails(&cold, &[&coordinator.authority.key], PinaivuError::NotSigner);
    let mut unsigned = extend;
    unsigned.accounts[0].is_signer = false;
    world.fails(&unsigned, &[], ErrorCode::AccountNotSigner);
}

#[test]
fn log_of_the_largest_size_there_is_fits_its_account() {
    let (mut world, coordinator) = setting();
    let mut size = 0_u64;
    let mut peaks: Vec<Hash> = Vec::new();
    for bit in (0..64).rev() {
        // One complete subtree at a time, largest first: all of them stay peaks.
        let hash = sha256(&[&[0], &[bit]]).0;
        peaks.push(hash);
        let fold = |right: Option<Hash>, left: &Hash| match right {
            None => Some(*left),
            Some(right) => Some(sha256(&[&[1], left, &right]).0),
        };
        let expected_root = peaks.iter().rev().fold(None, fold).unwrap();
        let new_size = size + (1 << bit);
        let step =
            Extension { epoch: 0, old_size: size, new_size, hashes: vec![hash], expected_root };
        world.ok(&world.log_extend(&coordinator, step), &[&coordinator.signer]);
        size = new_size;
    }
    let log = world.read::<CoordinatorAccount>(&coordinator.address).log;
    assert_eq!((log.size, log.peaks), (u64::MAX, peaks));
    // Its peaks do not get in the way of anything else.
    let (_, open) = world.log_epoch_open(&coordinator, 0);
    world.ok(&open, &[&coordinator.authority.key]);
    assert_eq!(world.read::<CoordinatorAccount>(&coordinator.address).endpoint, "localhost:8443");
}
