//! Closing a record; its other tests are with `receipt_record`.

use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    Case::of(stage.world.receipt_close(&stage.flows.record))
}
