//! Nothing is served to a peer that has not proved to be the coordinator on this very session.

use crate::support::World;
use crate::support::coordinator::CHAT;
use http::StatusCode;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::CoordinatorId;
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::tunnel::{EVENTS_PATH, Hello};

#[tokio::test]
async fn peer_before_a_valid_hello_gets_nothing() {
    let world = World::new().await;
    let node = world.start().await;
    let peer = world.coordinator.accept().await;
    assert_eq!(peer.key, node.signer());
    assert_eq!(peer.get(EVENTS_PATH).await.status, 403);
    assert_eq!(peer.post(CHAT, b"{}".to_vec()).await.status, 403);
    assert!(world.backend.chats().is_empty());
    node.shutdown().await;
}

#[tokio::test]
async fn hello_that_proves_nothing_is_refused_and_a_valid_one_after_it_is_not() {
    let world = World::new().await;
    let node = world.start().await;
    let peer = world.coordinator.accept().await;
    let good = world.coordinator.hello(&peer);
    let key = &world.coordinator.key;
    let stranger = SigningKey::from_seed(&[0xee; 32]).unwrap();
    for (hello, why) in [
        (stranger.sign(good.clone()), "another signer"),
        (key.sign(Hello { binding: Hash32([1; 32]), ..good.clone() }), "another session"),
        (
            key.sign(Hello { coordinator: CoordinatorId([9; 32]), ..good.clone() }),
            "another coordinator",
        ),
        (key.sign(Hello { deployment: Default::default(), ..good.clone() }), "another deployment"),
    ] {
        assert_eq!(peer.hello(&hello).await.unwrap_err(), StatusCode::FORBIDDEN, "{why}");
        assert_eq!(peer.get(EVENTS_PATH).await.status, 403, "{why}");
    }
    assert_eq!(peer.hello(&key.sign(good)).await.unwrap().node, crate::support::NODE);
    assert_eq!(peer.get(EVENTS_PATH).await.status, 200);
    node.shutdown().await;
}

#[tokio::test]
async fn hello_of_an_earlier_session_is_refused_on_the_next() {
    let world = World::new().await;
    let node = world.start().await;
    let first = world.coordinator.accept().await;
    let recorded = world.coordinator.key.sign(world.coordinator.hello(&first));
    first.hello(&recorded).await.unwrap();
    drop(first);
    let second = world.coordinator.accept().await;
    assert_eq!(second.hello(&recorded).await.unwrap_err(), StatusCode::FORBIDDEN);
    node.shutdown().await;
}
