//! Fees paid out.

use pinaivu::error::PinaivuError;
use pinaivu::event::FeesClaimed;
use pinaivu::state::{Coordinator as CoordinatorAccount, Ledger};

use crate::harness::*;
use crate::hostile::{Case, Stage};
use crate::settings::settled::*;

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (coordinator, tokens) =
        (&stage.coordinator.address, &stage.coordinator.authority.tokens);
    Case::of(stage.world.fee_claim(&stage.market, coordinator, tokens))
}

#[test]
fn fees_are_paid_once_and_only_to_the_authority() {
    let mut it = setting();
    let (market, destination) = (it.world.market, it.coordinator.authority.tokens);
    let thief = it.world.actor(0);
    for wrong in [thief.tokens, it.node.payout_owner.tokens] {
        it.world.fails(&it.fee_claim(&wrong), &[], PinaivuError::WrongTokenAccount);
    }
    let meta = it.world.ok(&it.fee_claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 10);
    let stored: CoordinatorAccount = it.world.read(&it.coordinator.address);
    assert_eq!((stored.fees, stored.fees_paid), (10, 10));
    let claimed: FeesClaimed = event(&meta);
    assert_eq!(
        (claimed.coordinator, claimed.amount, claimed.fees_paid),
        (it.coordinator.address, 10, 10)
    );
    assert_eq!((claimed.escrow_liabilities, claimed.vault_balance), (990, 990));
    it.world.fails(&it.fee_claim(&destination), &[], PinaivuError::NothingToClaim);
    it.settle(110, 80, 11);
    it.world.ok(&it.fee_claim(&destination), &[]);
    assert_eq!(it.world.tokens(&destination), 11);
    assert_eq!(it.world.tokens(&market.escrow_vault), 989);
}

#[test]
fn rest_that_was_never_distributed_stays_in_the_pool() {
    let mut it = setting();
    let (node, authority) = (it.node.payout_owner.tokens, it.coordinator.authority.tokens);
    it.world.ok(&it.claim(&node), &[]);
    it.world.ok(&it.fee_claim(&authority), &[]);
    let market = it.world.market;
    // 900 are Alice's, 10 were debited and belong to nobody yet.
    assert_eq!(it.world.tokens(&market.escrow_vault), 910);
    assert_eq!(it.world.read::<Ledger>(&market.ledger).escrow_liabilities, 910);
    it.settle(100, 90, 10);
    it.world.ok(&it.claim(&node), &[]);
    assert_eq!(it.world.tokens(&node), 90);
}
