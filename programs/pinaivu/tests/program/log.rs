//! The receipt log's head. The expected roots come from RFC 9162's recursive definition, written out
//! here, not from the program's compact ranges.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::{LogEpochOpened, LogExtended};
use pinaivu::state::{Coordinator as CoordinatorAccount, EpochHead, VERSION};
use pinaivu_protocol::hash::sha256;
use solana_signer::Signer as _;

use crate::harness::*;

type Hash = [u8; 32];

/// Hashes of the leaves 0, 1, 2, …
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| sha256(&[&[0], &index.to_be_bytes()]).0).collect()
}

/// MTH of RFC 9162, section 2.1.1, over leaf hashes.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]).0,
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            sha256(&[&[1], &root(left), &root(right)]).0
        }
    }
}

/// The extension of a log of these leaves: at each position the largest aligned complete subtree.
fn extension(epoch: u32, leaves: &[Hash], old_size: usize, new_size: usize) -> Extension {
    let (mut position, mut hashes) = (old_size, Vec::new());
    while position < new_size {
        let fitting = (0..63).rev().map(|level| 1_usize << level);
        let size = fitting
            .into_iter()
            .find(|size| position % size == 0 && position + size <= new_size)
            .unwrap();
        hashes.push(root(&leaves[position..position + size]));
        position += size;
    }
    Extension {
        epoch,
        old_size: old_size as u64,
        new_size: new_size as u64,
        hashes,
        expected_root: root(&leaves[..new_size]),
    }
}

fn setting() -> (World, Coordinator) {
    let mut world = World::new();
    let coordinator = world.coordinator();
    (world, coordinator)
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
