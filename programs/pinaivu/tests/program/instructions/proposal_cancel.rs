//! Taking a proposal back.

use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.proposal_cancel(&stage.market, &stage.promises.rules)).also("proposal", &["allowing proposal", "revoking proposal"])
}
