//! Taking a measurement off the list; its other tests are with `measurement_allow`.

use pinaivu::error::PinaivuError;
use pinaivu::state::Change;

use crate::harness::*;
use crate::hostile::{Case, Stage, LISTED};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    // The same wallet paid both rents, so it is writable anyway.
    Case::of(stage.world.measurement_revoke(&stage.market, &stage.flows.revoking, &LISTED))
        .also("rent_payer", &["read-only"])
        .also("entry_rent_payer", &["read-only"])
        .also(
            "two places",
            &["entry_rent_payer given as rent_payer", "rent_payer given as entry_rent_payer"],
        )
}

#[test]
fn measurement_named_by_a_proposal_to_allow_it_is_not_revoked() {
    let mut world = World::new();
    let (market, governance) = (world.market, world.governance.insecure_clone());
    let propose = |world: &mut World, number: u64| {
        let change = Change::MeasurementAllowed(LISTED);
        let (proposal, open) = world.proposal_open(&market, number, change);
        world.ok(&open, &[&governance]);
        proposal
    };
    let (first, again) = (propose(&mut world, 0), propose(&mut world, 1));
    world.pass(GOVERNANCE_SLOTS, GOVERNANCE_SECONDS);
    world.ok(&world.measurement_allow(&market, &first, &LISTED), &[]);
    let revoke = world.measurement_revoke(&market, &again, &LISTED);
    world.fails(&revoke, &[], PinaivuError::WrongProposal);
}
