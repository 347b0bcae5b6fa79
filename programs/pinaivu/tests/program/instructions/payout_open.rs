//! Opening what a coordinator owes a node.

use pinaivu::error::PinaivuError;
use pinaivu::event::PayoutOpened;
use pinaivu::state::Payout;

use crate::harness::*;
use crate::hostile::{Case, Stage};

/// Succeeds on the stage.
pub(crate) fn case(stage: &Stage) -> Case {
    let (coordinator, node) = (&stage.coordinator.address, &stage.idle.address);
    Case::of(stage.world.payout_open(&stage.market, coordinator, node).1).anyone("payer")
}

#[test]
fn payout_opened_by_anyone_names_the_nodes_payout_owner() {
    let mut world = World::new();
    let (market, coordinator, node) = (world.market, world.coordinator(), world.node());
    let (payout, open) = world.payout_open(&market, &coordinator.address, &node.address);
    let meta = world.ok(&open, &[]);
    let stored: Payout = world.read(&payout);
    assert_eq!((stored.coordinator, stored.node), (coordinator.address, node.address));
    assert_eq!(stored.payout_owner, node.payout_owner.address());
    assert_eq!((stored.credited, stored.paid, stored.guarantee, stored.sequence), (0, 0, 0, 1));
    let opened: PayoutOpened = event(&meta);
    assert_eq!((opened.payout, opened.payout_owner), (payout, node.payout_owner.address()));
    world.fails(&open, &[], custom(ALREADY_IN_USE));
}

#[test]
fn payout_between_two_markets_is_refused() {
    let mut world = World::new();
    let other = world.open_market(CLASSIC);
    let (market, coordinator, foreign) = (world.market, world.coordinator(), world.node_in(other));
    for its in [market, other] {
        let (_, open) = world.payout_open(&its, &coordinator.address, &foreign.address);
        world.fails(&open, &[], PinaivuError::WrongMarket);
    }
}
