//! Changing a coordinator's endpoint and attestation.

use pinaivu::error::PinaivuError;
use pinaivu::event::CoordinatorUpdated;
use pinaivu::instructions::CoordinatorUpdateArgs;
use solana_signer::Signer as _;

use crate::harness::*;
use crate::hostile::{Again, Case, LISTED, Stage};

const NO_CHANGE: CoordinatorUpdateArgs =
    CoordinatorUpdateArgs { endpoint: None, measurement: None, evidence_hash: None };

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let args = CoordinatorUpdateArgs {
        endpoint: Some("localhost:1".to_owned()),
        measurement: Some(LISTED),
        evidence_hash: Some([2; 32]),
    };
    Case::of(stage.world.coordinator_update(&stage.coordinator, args)).again(Again::Idle)
}

#[test]
fn update_changes_what_is_given_and_nothing_else() {
    let mut world = World::new();
    let coordinator = world.coordinator();
    let authority = &coordinator.authority.key;
    let nothing = world.coordinator_update(&coordinator, NO_CHANGE);
    world.fails(&nothing, &[authority], PinaivuError::NothingToChange);
    let args = CoordinatorUpdateArgs { measurement: Some([0; 32]), ..NO_CHANGE };
    world.ok(&world.coordinator_update(&coordinator, args), &[authority]);
    let args = CoordinatorUpdateArgs { evidence_hash: Some([4; 32]), ..NO_CHANGE };
    let meta = world.ok(&world.coordinator_update(&coordinator, args), &[authority]);
    let updated: CoordinatorUpdated = event(&meta);
    assert_eq!((updated.coordinator, updated.sequence), (coordinator.address, 4));
    assert_eq!(updated.endpoint, "localhost:8443");
    assert_eq!((updated.measurement, updated.evidence_hash), ([0; 32], [4; 32]));
    let args = CoordinatorUpdateArgs { endpoint: Some("x".to_owned()), ..NO_CHANGE };
    let mut hot = world.coordinator_update(&coordinator, args);
    hot.accounts[0].pubkey = coordinator.signer.pubkey();
    world.fails(&hot, &[&coordinator.signer], PinaivuError::NotAuthority);
}
