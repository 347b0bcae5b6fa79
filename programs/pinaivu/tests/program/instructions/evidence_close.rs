//! Closing evidence; its other tests are with `evidence_write`.

use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.evidence_close(&stage.alice.address(), &stage.flows.evidence))
}
