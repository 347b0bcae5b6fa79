//! Changing a coordinator's hot key.

use anchor_lang::error::ErrorCode;
use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorSignerRotated;
use pinaivu::instructions::CoordinatorUpdateArgs;
use pinaivu::state::Coordinator as CoordinatorAccount;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Case, Stage};

const NO_CHANGE: CoordinatorUpdateArgs =
    CoordinatorUpdateArgs { endpoint: None, measurement: None, evidence_hash: None };

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let fresh = stage.fresh.pubkey();
    Case::of(stage.world.coordinator_rotate_signer(&stage.coordinator, &fresh)).anyone("payer")
}

#[test]
fn signer_rotated_drops_the_old_evidence_and_the_old_key() {
    let mut world = World::new();
    let (coordinator, fresh) = (world.coordinator(), world.key());
    let authority = &coordinator.authority.key;
    let evidence = CoordinatorUpdateArgs { evidence_hash: Some([5; 32]), ..NO_CHANGE };
    world.ok(&world.coordinator_update(&coordinator, evidence), &[authority]);
    let rotate = world.coordinator_rotate_signer(&coordinator, &fresh.pubkey());
    let mut squatted = rotate.clone();
    squatted.accounts[2].is_signer = false;
    world.fails(&squatted, &[authority], ErrorCode::AccountNotSigner);
    let mut hot = rotate.clone();
    hot.accounts[1].pubkey = coordinator.signer.pubkey();
    world.fails(&hot, &[&coordinator.signer, &fresh], PinaivuError::NotAuthority);
    let meta = world.ok(&rotate, &[authority, &fresh]);
    let stored: CoordinatorAccount = world.read(&coordinator.address);
    assert_eq!((stored.signer, stored.evidence_hash), (fresh.pubkey(), [0; 32]));
    let rotated: CoordinatorSignerRotated = event(&meta);
    assert_eq!(
        (rotated.old_signer, rotated.new_signer),
        (coordinator.signer.pubkey(), fresh.pubkey()),
    );
    let same = world.coordinator_rotate_signer(&coordinator, &fresh.pubkey());
    world.fails(&same, &[authority, &fresh], PinaivuError::NothingToChange);
    let fees = world.credit(&world.market, &coordinator, &[], 1);
    world.fails(&fees, &[&coordinator.signer], PinaivuError::NotSigner);
}
