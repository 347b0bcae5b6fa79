//! Proposing a change; its other tests are with `proposal_apply`.

use pinaivu::state::Change;

use crate::harness::*;
use crate::hostile::{Case, Stage, NEXT_PROPOSAL};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let change = Change::Rules(market_rules());
    Case::of(stage.world.proposal_open(&stage.market, NEXT_PROPOSAL, change).1).anyone("payer")
}
