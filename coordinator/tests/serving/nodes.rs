//! Who may serve: admission by the chain, asks under the right signature, and what a connection proves.

use std::sync::Arc;

use pinaivu_protocol::ids::NodeId;
use pinaivu_protocol::ticket::TUNNEL_ALPN;
use pinaivu_protocol::tunnel::CoordinatorMessage;
use pinaivu_protocol::units::{Amount, TokenPrice, UnixMillis};
use pinaivu_testkit::{PATIENCE, wait_until};
use rustls_pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::chain::MIN_STAKE;
use crate::support::node::{base_config, client_config, signing_key};
use crate::support::world::PRICE;
use crate::support::{Client, MODEL, World};

#[tokio::test]
async fn node_that_is_not_registered_is_told_so() {
    let world = World::start().await;
    let node = world.dial(NodeId([1; 32]), 1).await;
    assert_eq!(node.goodbye().await.code, "node_unregistered");
    assert_eq!(world.coordinator.nodes().connected(), 0);
}

#[tokio::test]
async fn node_with_too_little_stake_is_told_so() {
    let world = World::start().await;
    let id = NodeId([1; 32]);
    world.chain.set_node(id, signing_key(1).public(), Amount(MIN_STAKE.0 - 1));
    let node = world.dial(id, 1).await;
    let goodbye = node.goodbye().await;
    assert_eq!(goodbye.code, "stake_too_low");
    assert!(goodbye.message.contains("0.999999") && goodbye.message.contains("1.000000"));
}

#[tokio::test]
async fn key_that_is_not_the_nodes_signer_is_told_so() {
    let world = World::start().await;
    let id = NodeId([1; 32]);
    world.chain.set_node(id, signing_key(1).public(), MIN_STAKE);
    let impostor = world.dial(id, 2).await;
    assert_eq!(impostor.goodbye().await.code, "signer_mismatch");
    assert_eq!(world.coordinator.nodes().connected(), 0);
}

#[tokio::test]
async fn node_is_told_when_the_chain_cannot_be_read() {
    let world = World::start().await;
    world.chain.set_node(NodeId([1; 32]), signing_key(1).public(), MIN_STAKE);
    world.chain.set_reachable(false);
    let node = world.dial(NodeId([1; 32]), 1).await;
    assert_eq!(node.goodbye().await.code, "chain_unavailable");
}

#[tokio::test]
async fn chain_that_cannot_be_read_leaves_connected_nodes_serving() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    world.chain.set_reachable(false);
    // Longer than several rechecks: each of them must have left the node alone.
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    }
    drop(node);
}

#[tokio::test]
async fn node_that_loses_its_stake_is_sent_away() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    world.chain.set_node(node.shared.id, signing_key(1).public(), Amount::ZERO);
    assert_eq!(node.goodbye().await.code, "stake_too_low");
    wait_until("its offers are gone", PATIENCE, async || {
        let book = world.coordinator.nodes().book();
        book.model(MODEL).is_some_and(|model| model.is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn newer_connection_of_a_node_replaces_the_older() {
    let world = World::start().await;
    let older = world.node(1, PRICE).await;
    let newer = world.node(1, PRICE).await;
    assert_eq!(older.goodbye().await.code, "replaced");
    assert_eq!(world.client.chat(&Client::request(false)).await.status(), 200);
    assert_eq!(newer.shared.requests.lock().len(), 1);
    assert_eq!(world.coordinator.nodes().connected(), 1);
}

async fn assert_ask_refused(answer: CoordinatorMessage, expected: &str) {
    match answer {
        CoordinatorMessage::AskRefused { code, .. } => assert_eq!(code, expected),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ask_with_a_forged_signature_is_refused_and_lists_nothing() {
    let world = World::start().await;
    let node = world.silent_node(1).await;
    let ask = node.shared.ask(MODEL, PRICE);
    let forged = signing_key(9).sign(ask);
    assert_ask_refused(node.send_ask(forged).await, "bad_signature").await;
    assert!(world.coordinator.nodes().book().model(MODEL).is_none());
}

#[tokio::test]
async fn ask_changed_after_signing_is_refused() {
    let world = World::start().await;
    let node = world.silent_node(1).await;
    let mut signed = signing_key(1).sign(node.shared.ask(MODEL, PRICE));
    signed.record.price = TokenPrice(1);
    assert_ask_refused(node.send_ask(signed).await, "bad_signature").await;
}

#[tokio::test]
async fn ask_of_another_node_is_refused() {
    let world = World::start().await;
    let _victim = world.node(2, PRICE).await;
    let node = world.silent_node(1).await;
    let mut ask = node.shared.ask(MODEL, TokenPrice(1));
    ask.node = NodeId([2; 32]);
    assert_ask_refused(node.send_ask(signing_key(2).sign(ask)).await, "wrong_node").await;
}

#[tokio::test]
async fn ask_for_another_coordinator_is_refused() {
    let world = World::start().await;
    let node = world.silent_node(1).await;
    let mut ask = node.shared.ask(MODEL, PRICE);
    ask.coordinator.0[0] ^= 1;
    assert_ask_refused(node.send_ask(signing_key(1).sign(ask)).await, "wrong_coordinator").await;
}

#[tokio::test]
async fn ask_with_an_old_sequence_is_refused() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let mut ask = node.shared.ask(MODEL, TokenPrice(1));
    ask.sequence = 0;
    assert_ask_refused(node.send_ask(signing_key(1).sign(ask)).await, "stale_sequence").await;
}

#[tokio::test]
async fn ask_that_has_expired_withdraws_the_offer() {
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    let mut ask = node.shared.ask(MODEL, PRICE);
    ask.expires = UnixMillis(1);
    let answer = node.send_ask(signing_key(1).sign(ask)).await;
    assert!(matches!(answer, CoordinatorMessage::AskAccepted { .. }));
    assert!(world.coordinator.nodes().book().model(MODEL).unwrap().is_empty());
}

#[tokio::test]
async fn hello_proves_the_signer_on_this_connection_only() {
    let world = World::start().await;
    let first = world.node(1, PRICE).await;
    let second = world.node(2, PRICE).await;
    let (hello, good) = first.hello().unwrap();
    assert!(good);
    assert!(first.shared.accepts(&hello));
    assert!(!second.shared.accepts(&hello), "a hello replayed on another connection is refused");
}

/// What becomes of a TLS client that sends nothing: an alert or the end of the connection.
async fn tls_fails(world: &World, config: rustls::ClientConfig) {
    let tunnel = world.coordinator.report().tunnel;
    let stream = TcpStream::connect(tunnel).await.unwrap();
    let name = ServerName::try_from("coordinator").unwrap();
    let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await else {
        return;
    };
    // In TLS 1.3 a client hears of its refused certificate with its first read.
    let mut buffer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut buffer)).await.unwrap();
    assert!(read.is_err() || buffer.is_empty(), "{read:?}");
    assert_eq!(world.coordinator.nodes().connected(), 0);
}

#[tokio::test]
async fn connection_without_a_client_certificate_is_refused() {
    let world = World::start().await;
    let mut config = base_config().with_no_client_auth();
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    tls_fails(&world, config).await;
}

#[tokio::test]
async fn connection_with_another_protocol_is_refused() {
    let world = World::start().await;
    for protocols in [vec![b"h2".to_vec()], Vec::new()] {
        let mut config = client_config(&[1; 32]);
        config.alpn_protocols = protocols;
        tls_fails(&world, config).await;
    }
}

#[tokio::test]
async fn connection_with_another_kind_of_key_is_refused() {
    let world = World::start().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["node".into()]).unwrap().self_signed(&key).unwrap();
    let private = rustls_pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config =
        base_config().with_client_auth_cert(vec![certificate.der().clone()], private.into());
    let mut config = config.unwrap();
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    tls_fails(&world, config).await;
}
