//! Standing asks follow the backend and the clock.

use pinaivu_node_client::acknowledged::{Acknowledged, read};
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Features;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::ids::{CoordinatorId, DeploymentId, NodeId};
use pinaivu_protocol::signed::SigningKey;
use pinaivu_protocol::units::{TokenPrice, UnixMillis};
use pinaivu_testkit::{Flavour, ScriptedServer};

use crate::support::coordinator::{MODEL, now};
use crate::support::{COORDINATOR, NODE, PRICE, World, deployment};

#[tokio::test]
async fn ask_states_what_the_operator_and_the_backend_say() {
    let backend = ScriptedServer::builder().context_length(2048).start().await.unwrap();
    let world = World::with_backend(backend).await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.greet().await;
    let ask = tunnel.next_ask().await;
    let record = ask.verify(&node.signer()).unwrap();
    let parties = (record.deployment, record.coordinator, record.node);
    assert_eq!(parties, (deployment(), COORDINATOR, NODE));
    assert_eq!((record.model.as_str(), record.price), (MODEL, TokenPrice(PRICE)));
    assert_eq!(record.context_length, 2048);
    assert!(record.features.contains(Features::CHAT.union(Features::TOOLS)));
    assert!(record.expires > UnixMillis(now()) && record.expires <= UnixMillis(now() + 60_000));
    let report = node.ready().await;
    assert_eq!(
        (report.models, report.backend.as_str()),
        (vec![MODEL.to_owned()], "llama.cpp b10434")
    );
    node.shutdown().await;
}

#[tokio::test]
async fn model_has_the_name_price_and_features_the_operator_gives_it() {
    let backend = ScriptedServer::builder().flavour(Flavour::Vllm).start().await.unwrap();
    let world = World::with_backend(backend).await;
    let node = world
        .start_with(world.config_with(&format!(
            r#"
            [[models]]
            name = "nice"
            backend_name = "{MODEL}"
            usdc_per_million_tokens = "1.5"
            context_length = 100
            features = ["chat", "tools"]
            [[models]]
            name = "absent"
            "#
        )))
        .await;
    let mut tunnel = world.coordinator.greet().await;
    let ask = tunnel.next_ask().await.record;
    assert_eq!((ask.model.as_str(), ask.price), ("nice", TokenPrice(1_500_000)));
    assert_eq!((ask.context_length, ask.features), (100, Features::CHAT.union(Features::TOOLS)));

    let request = br#"{"model":"nice","messages":[{"role":"user","content":"Hi"}]}"#.to_vec();
    let mut ticket = tunnel.ticket(&request);
    ticket.model = "nice".to_owned();
    ticket.tariff.price = TokenPrice(1_500_000);
    let answer = tunnel.dispatch(&ticket, request).await;
    let whole = crate::support::coordinator::Whole::read(answer).await;
    assert_eq!(whole.proof().model, MODEL);
    assert_eq!(world.backend.chats()[0].json()["model"], MODEL);
    node.shutdown().await;
}

#[tokio::test]
async fn asks_are_renewed_with_rising_sequences_also_after_a_restart() {
    let world = World::new().await;
    let config = || world.config_with("[serving]\nask_seconds = 1");
    let mut last = 0;
    for _ in 0..2 {
        let node = world.start_with(config()).await;
        let mut tunnel = world.coordinator.greet().await;
        for _ in 0..3 {
            let ask = tunnel.next_ask().await.record;
            assert!(ask.sequence > last);
            last = ask.sequence;
        }
        node.shutdown().await;
    }
}

#[tokio::test]
async fn backend_that_goes_down_has_its_asks_withdrawn() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.greet().await;
    let standing = tunnel.next_ask().await.record;
    let World { backend, .. } = world;
    backend.stop().await;
    let withdrawn = tunnel.next_ask().await.record;
    assert_eq!((withdrawn.model, withdrawn.expires), (standing.model, UnixMillis(0)));
    assert!(withdrawn.sequence > standing.sequence);
    node.shutdown().await;
}

#[tokio::test]
async fn word_for_an_ask_is_on_disk_once_the_coordinator_is_answered_and_a_false_one_is_not() {
    let world = World::new().await;
    let node = world.start().await;
    let mut tunnel = world.coordinator.greet().await;
    let ask = tunnel.unanswered_ask().await;
    let word = tunnel.word(&ask.record);
    let kept = || read(&world.data_dir(), COORDINATOR).unwrap();
    let stranger = SigningKey::from_seed(&[99; 32]).unwrap();
    tunnel.accept_signed(&ask, stranger.sign(word)).await;
    for wrong in [
        AskAcknowledgement { node: NodeId([9; 32]), ..word },
        AskAcknowledgement { ask: Hash32::ZERO, ..word },
        AskAcknowledgement { deployment: DeploymentId(Hash32::ZERO), ..word },
        AskAcknowledgement { coordinator: CoordinatorId([9; 32]), ..word },
    ] {
        tunnel.accept(&ask, wrong).await;
    }
    let mut other = ask.clone();
    other.record.sequence += 1;
    tunnel.accept(&other, tunnel.word(&other.record)).await;
    assert_eq!(kept(), []);
    tunnel.accept(&ask, word).await;
    let signed = world.coordinator.key.sign(word);
    assert_eq!(kept(), [Acknowledged { ask, acknowledgement: signed }]);
    node.shutdown().await;
}
