//! Demands: what a coordinator does not credit is asked of its guarantee bond, once.

use pinaivu_protocol::tunnel::{CoordinatorMessage, TicketRefusal};
use pinaivu_testkit::{PATIENCE, wait_until};

use crate::support::coordinator::body;
use crate::support::{COORDINATOR, World};

/// 12 prompt tokens of weight 1 and 7 generated ones of weight 3: 8.25 millionths of a USDC.
const EARNED: u128 = (12 + 7 * 3) * 250_000;

#[tokio::test]
async fn overdue_credit_is_demanded_with_the_newest_receipt_and_settled_after_the_liveness_period()
{
    let world = World::new().await;
    world.chain.credit(COORDINATOR, 0, 0);
    world.chain.guarantee(100);
    let node = world.start_with(world.config_with("[demands]\nafter_seconds = 0")).await;
    let tunnel = world.coordinator.connect().await;
    let (ticket, _) = tunnel.ask(body(true)).await;
    let receipt = world.coordinator.receipt(&ticket, 0, EARNED);
    let CoordinatorMessage::Receipted { head, .. } = receipt.clone() else {
        panic!("not a receipt")
    };
    tunnel.control(&[receipt]).await;

    let demanded = wait_until("the receipt is demanded", PATIENCE, async || {
        world.chain.demanded().first().cloned()
    })
    .await;
    assert_eq!(demanded, (head, node.signer()));

    world.chain.show_demand(Some(8));
    world.chain.land(world.chain.prepared()[0].signature);
    world.chain.pass(59);
    // A claim is the next transaction whatever happens to the demand: money that is credited flows.
    world.chain.credit(COORDINATOR, 2_000_000, 0);
    wait_until("what is credited is claimed", PATIENCE, async || {
        (world.chain.prepared().len() == 2).then_some(())
    })
    .await;
    assert_eq!(world.chain.settlements(), 0, "the liveness period has not passed");
    world.chain.pass(1);
    wait_until("the demand is settled", PATIENCE, async || {
        (world.chain.settlements() == 1).then_some(())
    })
    .await;
    assert_eq!(world.chain.demanded().len(), 1);
    node.shutdown().await;
}

#[tokio::test]
async fn node_serves_within_the_guarantee_only_when_told_to() {
    let world = World::new().await;
    world.chain.credit(COORDINATOR, 0, 0);
    let config = "[serving]\nwithin_guarantee = true\n[demands]\nenabled = false";
    let node = world.start_with(world.config_with(config)).await;
    let tunnel = world.coordinator.connect().await;
    let (_, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.refusal(), Some(TicketRefusal::Unavailable.code()), "nothing is guaranteed");
    // Less than one answer, so that one more is taken and none after it.
    world.chain.guarantee(8);
    wait_until("the guarantee is seen", PATIENCE, async || {
        (node.counterparties()[0].exposure().guaranteed.0 == 8).then_some(())
    })
    .await;
    assert_eq!(tunnel.ask(body(true)).await.1.status, 200);
    wait_until("the work is counted", PATIENCE, async || {
        (node.counterparties()[0].exposure().unpaid().0 == EARNED).then_some(())
    })
    .await;
    let (_, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.refusal(), Some(TicketRefusal::Unavailable.code()));
    node.shutdown().await;
}
