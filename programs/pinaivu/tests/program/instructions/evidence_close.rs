//! Closing evidence.

use solana_signer::Signer as _;

use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let owner = stage.world.payer.pubkey();
    Case::of(stage.world.evidence_close(&owner, &stage.promises.evidence)).also("evidence", &["unfinished evidence"])
}
