//! Proposing a change of the market.

use pinaivu::state::Change;

use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let change = Change::Governance(stage.alice.address());
    Case::of(stage.world.proposal_open(&stage.market, 4, change).1).anyone("payer")
}
