//! Claims: durable before they are sent, one at a time, looked after until they have landed.

use pinaivu_testkit::{PATIENCE, wait_until};

use crate::support::{COORDINATOR, World};

const POLICY: &str = "[claims]\nthreshold_usdc = \"0.0001\"\ninterval_seconds = 3600";

#[tokio::test]
async fn claim_is_sent_at_the_threshold_and_again_after_a_restart_until_it_lands() {
    let world = World::new().await;
    world.chain.credit(COORDINATOR, 100, 1);
    let node = world.start_with(world.config_with(POLICY)).await;
    wait_until("credits below the threshold are seen", PATIENCE, async || {
        (node.counterparties()[0].exposure().credited.0 == 100).then_some(())
    })
    .await;
    assert!(world.chain.prepared().is_empty());

    world.chain.credit(COORDINATOR, 101, 1);
    wait_until("a claim is sent", PATIENCE, async || world.chain.submitted().first().copied())
        .await;
    node.shutdown().await;

    let before = world.chain.submitted().len();
    let node = world.start_with(world.config_with(POLICY)).await;
    wait_until("the same claim is sent again", PATIENCE, async || {
        (world.chain.submitted().len() > before).then_some(())
    })
    .await;
    assert_eq!(world.chain.prepared().len(), 1);

    world.chain.credit(COORDINATOR, 101, 101);
    world.chain.land(world.chain.prepared()[0].signature);
    wait_until("the landed claim is sent no more", PATIENCE, async || {
        let before = world.chain.submitted().len();
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        (world.chain.submitted().len() == before).then_some(())
    })
    .await;
    world.chain.credit(COORDINATOR, 301, 101);
    wait_until("the next claim", PATIENCE, async || {
        (world.chain.prepared().len() == 2).then_some(())
    })
    .await;
    node.shutdown().await;
}

#[tokio::test]
async fn anything_is_claimed_once_the_interval_has_passed() {
    let world = World::new().await;
    world.chain.credit(COORDINATOR, 5, 4);
    let node = world.start_with(world.config_with("[claims]\ninterval_seconds = 0")).await;
    wait_until("a claim is sent", PATIENCE, async || world.chain.submitted().first().copied())
        .await;
    node.shutdown().await;
}
