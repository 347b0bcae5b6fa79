//! Crashes and lost connections: what was signed is presented again, byte for byte, until it is settled.

use std::time::Duration;

use pinaivu_node_client::Node;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::proof::Outcome;
use pinaivu_protocol::tunnel::{CoordinatorMessage, TicketRefusal};
use pinaivu_protocol::units::{FineAmount, TokenCount};
use pinaivu_testkit::{Answer, PATIENCE, wait_until};

use crate::support::coordinator::{TestCoordinator, Whole, body, soon};
use crate::support::{NODE, World};

/// 12 prompt tokens of weight 1 and 7 generated ones of weight 3.
const EARNED: u128 = (12 + 7 * 3) * 250_000;

async fn unpaid(node: &Node, expected: u128) {
    wait_until(&format!("{expected} is unpaid"), PATIENCE, async || {
        let unpaid = node.counterparties()[0].exposure().unpaid();
        (unpaid == FineAmount(expected)).then_some(())
    })
    .await;
}

#[test]
fn killed_node_presents_the_same_bytes_after_a_restart_until_they_are_settled() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outside = runtime();
    let world = outside.block_on(World::new());
    let killed = runtime();
    let config = world.config();
    let foundations = world.foundations();
    // The node runs on a thread of its own, which stops dead, without any of its destructors' help.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        killed.block_on(async {
            let _node = Node::start_on(config, foundations).await.unwrap();
            let _ = stopped.await;
        });
        killed.shutdown_background();
    });
    let (ticket, proof, root) = outside.block_on(async {
        let mut tunnel = world.coordinator.connect().await;
        let (ticket, whole) = tunnel.ask(body(true)).await;
        (ticket, whole.proof(), tunnel.next_root().await.0)
    });
    stop.send(()).unwrap();
    thread.join().unwrap();

    outside.block_on(async {
        let mut presented = Vec::new();
        for _ in 0..2 {
            let node = world.start().await;
            let mut tunnel = world.coordinator.connect().await;
            let represented = tunnel.next_represented().await;
            assert_eq!((&represented.ticket, &represented.proof), (&ticket, &proof));
            assert_eq!(represented.evidence.root, root);
            represented.evidence.verify(&proof).unwrap();
            presented.push(borsh::to_vec(&represented).unwrap());
            unpaid(&node, EARNED).await;
            node.shutdown().await;
        }
        assert_eq!(presented[0], presented[1]);

        let node = world.start().await;
        let mut tunnel = world.coordinator.connect().await;
        tunnel.next_represented().await;
        tunnel.control(&[world.coordinator.receipt(&ticket, 0, EARNED)]).await;
        // The promise stands in its place.
        unpaid(&node, EARNED).await;
        node.shutdown().await;

        let node = world.start().await;
        let mut tunnel = world.coordinator.connect().await;
        unpaid(&node, EARNED).await;
        tunnel.ask(body(true)).await;
        // Nothing was presented before the new answer's root.
        tunnel.next_root().await;
        assert!(!tunnel.has_represented());
        node.shutdown().await;
    });
}

#[tokio::test]
async fn proof_without_a_receipt_is_presented_again_on_a_live_tunnel() {
    let world = World::new().await;
    let node = world.start_with(world.config_with("[journal]\nrepresent_seconds = 1")).await;
    let mut tunnel = world.coordinator.connect().await;
    let (ticket, _) = tunnel.ask(body(true)).await;
    let first = tunnel.next_represented().await;
    assert_eq!(first.ticket, ticket);
    assert_eq!(tunnel.next_represented().await, first);
    node.shutdown().await;
}

#[tokio::test]
async fn refused_proof_is_forgotten_and_a_false_receipt_is_not_believed() {
    let world = World::new().await;
    let node = world.start().await;
    let tunnel = world.coordinator.connect().await;
    let (first, _) = tunnel.ask(body(true)).await;
    let (second, _) = tunnel.ask(body(true)).await;
    unpaid(&node, 2 * EARNED).await;

    let impostor = TestCoordinator::listen(world.coordinator.id, 0xbb).await;
    let other = TestCoordinator::listen(CoordinatorId([5; 32]), 0xc0).await;
    tunnel.control(&[impostor.receipt(&first, 0, EARNED), other.receipt(&first, 0, EARNED)]).await;
    unpaid(&node, 2 * EARNED).await;

    tunnel.control(&[world.coordinator.receipt(&first, 1, EARNED)]).await;
    unpaid(&node, 2 * EARNED).await;
    // Cumulatives never fall: this receipt settles nothing.
    tunnel.control(&[world.coordinator.receipt(&second, 2, EARNED - 1)]).await;
    unpaid(&node, 2 * EARNED).await;
    let refused = CoordinatorMessage::ProofRefused {
        ticket: second.hash(),
        code: "late".to_owned(),
        message: String::new(),
    };
    tunnel.control(&[refused]).await;
    unpaid(&node, EARNED).await;
    node.shutdown().await;
}

#[tokio::test]
async fn node_stops_serving_at_the_unpaid_limit_and_goes_on_when_credited() {
    let world = World::new().await;
    // Eight millionths of a USDC: less than one answer earns.
    let node =
        world.start_with(world.config_with("[serving]\nmax_unpaid_usdc = \"0.000008\"")).await;
    let mut tunnel = world.coordinator.connect().await;
    let (ticket, _) = tunnel.ask(body(true)).await;
    tunnel.next_root().await;
    unpaid(&node, EARNED).await;
    let (_, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.refusal(), Some(TicketRefusal::Unavailable.code()));
    tunnel.control(&[world.coordinator.receipt(&ticket, 0, EARNED)]).await;
    let (_, whole) = tunnel.ask(body(true)).await;
    assert_eq!(whole.refusal(), Some(TicketRefusal::Unavailable.code()), "a promise is no credit");
    world.chain.credit(world.coordinator.id, 8, 0);
    unpaid(&node, EARNED - 8_000_000).await;
    assert_eq!(tunnel.ask(body(true)).await.1.status, 200);
    node.shutdown().await;
}

#[tokio::test]
async fn node_dials_again_after_a_lost_tunnel_and_after_a_refusal() {
    let world = World::new().await;
    let node = world.start().await;
    for _ in 0..3 {
        let tunnel = world.coordinator.connect().await;
        assert_eq!(tunnel.ask(body(true)).await.1.status, 200);
    }
    let refused = world.coordinator.greet().await;
    refused.peer.goodbye("stake_too_low").await;
    drop(refused);
    let tunnel = world.coordinator.connect().await;
    assert_eq!(tunnel.ask(body(true)).await.1.status, 200);
    node.shutdown().await;
}

#[tokio::test]
async fn serving_goes_on_over_a_new_tunnel_while_the_chain_is_away() {
    let world = World::new().await;
    let node = world.start().await;
    drop(world.coordinator.connect().await);
    world.chain.set_away(true);
    let tunnel = world.coordinator.connect().await;
    assert_eq!(tunnel.ask(body(true)).await.1.status, 200);
    node.shutdown().await;
}

#[tokio::test]
async fn several_coordinators_are_served_each_with_its_own_proofs() {
    let world = World::new().await;
    let second = TestCoordinator::listen(CoordinatorId([0x55; 32]), 0xdd).await;
    // This one's endpoint is the operator's word, not the chain's.
    world.chain.register(second.id, second.key.public(), "127.0.0.1:1");
    let more =
        format!("[[coordinators]]\nid = \"{}\"\nendpoint = \"{}\"", second.id, second.address);
    let node = world.start_with(world.config_with(&more)).await;
    let (mut one, mut two) = (world.coordinator.connect().await, second.connect().await);
    assert_eq!(
        soon("readiness", node.ready()).await.coordinators,
        [world.coordinator.id, second.id]
    );
    for tunnel in [&mut one, &mut two] {
        let (_, whole) = tunnel.ask(body(true)).await;
        let (root, leaves) = tunnel.next_root().await;
        assert_eq!((root.record.coordinator, root.record.node), (tunnel.id, NODE));
        assert_eq!(leaves, [whole.proof().leaf()]);
    }
    // A ticket of one, sealed by the other, is neither's.
    let request = body(true);
    let ticket = two.ticket(&request);
    let whole = Whole::read(one.dispatch(&ticket, request).await).await;
    assert_eq!(whole.refusal(), Some(TicketRefusal::WrongParty.code()));
    node.shutdown().await;
}

#[tokio::test]
async fn stopping_node_withdraws_its_asks_finishes_its_answers_and_sends_their_proofs() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.connect().await;
    world.backend.enqueue(Answer::of_pieces(20).every(Duration::from_millis(20)));
    let request = body(true);
    let ticket = tunnel.ticket(&request);
    let answer = tunnel.dispatch(&ticket, request).await;
    let stopping = tokio::task::JoinSet::from_iter([node.shutdown()]);
    assert_eq!(tunnel.next_ask().await.record.expires.0, 0);
    let (_, late) = tunnel.ask(body(true)).await;
    assert_eq!(late.refusal(), Some(TicketRefusal::Unavailable.code()));
    let whole = Whole::read(answer).await;
    let proof = whole.proof();
    assert_eq!((proof.outcome, proof.output_tokens), (Outcome::Completed, TokenCount(21)));
    assert_eq!(tunnel.next_root().await.1, [proof.leaf()]);
    assert_eq!(tunnel.next_or_end().await, None);
    soon("the node to stop", stopping.join_all()).await;
}
