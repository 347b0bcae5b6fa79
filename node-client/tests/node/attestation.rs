//! A node that requires evidence serves nobody who shows none, or shows any that is not about this very
//! session under this very certificate.

use http::StatusCode;
use pinaivu_attestation::{Attester as _, Binding, Development, Nonce, TUNNEL_ATTESTATION_PATH};
use pinaivu_node_client::{Foundations, Node};
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::PublicKey;
use pinaivu_protocol::tunnel::binding;
use pinaivu_protocol::units::UnixMillis;
use pinaivu_testkit::enclave::{Authority, TestEnclave, accepted};

use crate::support::coordinator::{Peer, now};
use crate::support::{COORDINATOR, World, deployment};

const REQUIRED: &str = "[attestation]\nrequire = \"always\"";

async fn start(world: &World, more: &str, root: &[u8]) -> Node {
    let foundations = Foundations { nitro_root: Some(root.to_vec()), ..world.foundations() };
    Node::start_on(world.config_with(more), foundations).await.unwrap()
}

/// What honest code at this end of `peer` would bind.
fn bound(world: &World) -> Binding {
    Binding {
        deployment: deployment(),
        coordinator: COORDINATOR,
        signer: world.coordinator.key.public(),
        tls_key: world.coordinator.tls_key,
        configuration: Hash32([1; 32]),
    }
}

fn nonce(peer: &Peer) -> Nonce {
    Nonce(binding(&peer.exporter).0)
}

async fn show(peer: &Peer, evidence: Vec<u8>) -> StatusCode {
    StatusCode::from_u16(peer.post(TUNNEL_ATTESTATION_PATH, evidence).await.status).unwrap()
}

async fn greet(world: &World, peer: &Peer) -> Result<(), StatusCode> {
    peer.hello(&world.coordinator.key.sign(world.coordinator.hello(peer))).await.map(|_| ())
}

#[tokio::test]
async fn hello_after_evidence_for_this_session_is_taken_and_one_without_is_not() {
    let enclave = TestEnclave(Authority::new(UnixMillis(now())));
    let world = World::new().await;
    world.chain.measure(COORDINATOR, accepted(), &[Hash32([9; 32]), accepted()]);
    // The market lists measurements, so that this is what `auto` means too.
    let node = start(&world, "", &enclave.0.root).await;
    let peer = world.coordinator.accept().await;
    assert_eq!(greet(&world, &peer).await, Err(StatusCode::FORBIDDEN));
    let evidence = enclave.attest(&bound(&world), &nonce(&peer)).unwrap();
    assert_eq!(show(&peer, evidence.encode()).await, StatusCode::OK);
    assert_eq!(greet(&world, &peer).await, Ok(()));
    node.shutdown().await;
}

#[tokio::test]
async fn evidence_about_anything_else_does_not_open_the_node() {
    let enclave = TestEnclave(Authority::new(UnixMillis(now())));
    let stranger = TestEnclave(Authority::new(UnixMillis(now())));
    let world = World::new().await;
    world.chain.measure(COORDINATOR, accepted(), &[accepted()]);
    let node = start(&world, REQUIRED, &enclave.0.root).await;
    let peer = world.coordinator.accept().await;
    let (good, nonce) = (bound(&world), nonce(&peer));
    let wrong_key = Binding { signer: PublicKey([9; 32]), ..good };
    // As somebody in the middle would show it, who ends TLS with a key of his own.
    let wrong_tls = Binding { tls_key: Hash32([9; 32]), ..good };
    let attest =
        |binding: &Binding, nonce: &Nonce| enclave.attest(binding, nonce).unwrap().encode();
    for (evidence, why) in [
        (attest(&wrong_key, &nonce), "another signer"),
        (attest(&wrong_tls, &nonce), "another certificate"),
        (attest(&good, &Nonce([0; 32])), "another session"),
        (stranger.attest(&good, &nonce).unwrap().encode(), "another root"),
        (Development.attest(&good, &nonce).unwrap().encode(), "development"),
        (b"{}".to_vec(), "no evidence"),
    ] {
        assert_eq!(show(&peer, evidence).await, StatusCode::FORBIDDEN, "{why}");
        assert_eq!(greet(&world, &peer).await, Err(StatusCode::FORBIDDEN), "{why}");
    }
    assert_eq!(show(&peer, attest(&good, &nonce)).await, StatusCode::OK);
    assert_eq!(greet(&world, &peer).await, Ok(()));
    node.shutdown().await;
}

#[tokio::test]
async fn measurement_that_is_not_named_or_not_listed_any_more_does_not_open_the_node() {
    let enclave = TestEnclave(Authority::new(UnixMillis(now())));
    for (named, listed) in [
        (Hash32::ZERO, vec![accepted()]),
        (accepted(), vec![]),
        (accepted(), vec![Hash32([9; 32])]),
    ] {
        let world = World::new().await;
        world.chain.measure(COORDINATOR, named, &listed);
        let node = start(&world, REQUIRED, &enclave.0.root).await;
        let peer = world.coordinator.accept().await;
        let evidence = enclave.attest(&bound(&world), &nonce(&peer)).unwrap();
        assert_eq!(show(&peer, evidence.encode()).await, StatusCode::FORBIDDEN);
        assert_eq!(greet(&world, &peer).await, Err(StatusCode::FORBIDDEN));
        node.shutdown().await;
    }
}

#[tokio::test]
async fn node_that_requires_nothing_serves_an_unattested_coordinator() {
    let world = World::new().await;
    // No list: `auto` requires nothing. A list, and an operator who does not care.
    for (listed, more) in [(vec![], ""), (vec![accepted()], "[attestation]\nrequire = \"never\"")] {
        world.chain.measure(COORDINATOR, Hash32::ZERO, &listed);
        let node = start(&world, more, &[]).await;
        let peer = world.coordinator.accept().await;
        let evidence = Development.attest(&bound(&world), &nonce(&peer)).unwrap();
        assert_eq!(show(&peer, evidence.encode()).await, StatusCode::FORBIDDEN);
        assert_eq!(greet(&world, &peer).await, Ok(()));
        node.shutdown().await;
    }
}
