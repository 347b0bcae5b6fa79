//! Taking a measurement off the list.

use crate::hostile::{Case, LISTED, Stage};

/// The same key paid both rents.
const TWICE: &[&str] =
    &["entry_rent_payer given as rent_payer", "rent_payer given as entry_rent_payer"];

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let proposal = &stage.promises.revoking;
    let revoke = stage.world.measurement_revoke(&stage.market, proposal, &LISTED);
    // Both rents were paid by the same key, which is written in either place.
    Case::of(revoke)
        .also("rent_payer", &["read-only"])
        .also("entry_rent_payer", &["read-only"])
        .also("two places", TWICE)
}
