//! Taking a measurement off the list; its other tests are with `measurement_allow`.

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
