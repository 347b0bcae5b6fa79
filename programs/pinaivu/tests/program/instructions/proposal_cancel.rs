//! Taking a proposal back; its other tests are with `proposal_apply`.

use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.proposal_cancel(&stage.market, &stage.flows.allowing))
        .also("proposal", &["proposed rules", "proposed revocation"])
}
