//! Key commands.

use pinaivu_protocol::ids::AllowanceId;
use pinaivu_protocol::key_command::{KEY_COMMAND_WINDOW_MILLIS, KeyAction};
use pinaivu_protocol::units::Amount;
use serde_json::Value;

use crate::support::World;
use crate::support::node::signing_key;
use crate::support::world::{command, owner, unsigned};

fn create(world: &World) -> KeyAction {
    KeyAction::Create { allowance: world.allowance, label: "laptop".into() }
}

fn assert_refused((status, body): (u16, Value), expected: u16, code: &str, words: &str) {
    assert_eq!((status, body["error"]["code"].as_str()), (expected, Some(code)), "{body}");
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn created_key_is_shown_once_and_listed_without_its_secret() {
    let world = World::start().await;
    let (status, made) = world.client.command(&command(create(&world))).await;
    assert_eq!(status, 200);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("sk-pnv-"));
    assert_eq!(key.len(), "sk-pnv-".len() + 48);
    assert_eq!(made["label"], "laptop");
    assert_eq!(made["allowance"], world.allowance.to_string());
    let (_, listed) = world.client.command(&command(KeyAction::List)).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(listed["data"][1]["id"], made["id"]);
    assert!(!listed.to_string().contains(key));
}

#[tokio::test]
async fn command_sent_twice_is_carried_out_once() {
    let world = World::start().await;
    let command = command(create(&world));
    assert_eq!(world.client.command(&command).await.0, 200);
    assert_refused(world.client.command(&command).await, 400, "invalid_value", "before");
}

#[tokio::test]
async fn command_outside_its_window_is_refused() {
    let world = World::start().await;
    for shift in [-1_i64, 1] {
        let mut record = unsigned(create(&world));
        let by = shift * (i64::try_from(KEY_COMMAND_WINDOW_MILLIS).unwrap() + 60_000);
        record.issued.0 = record.issued.0.checked_add_signed(by).unwrap();
        let answer = world.client.command(&owner().sign(record)).await;
        assert_refused(answer, 400, "invalid_value", "too long ago");
    }
}

#[tokio::test]
async fn command_with_another_signature_is_refused() {
    let world = World::start().await;
    let forged = signing_key(9).sign(unsigned(create(&world)));
    assert_refused(world.client.command(&forged).await, 400, "invalid_value", "signature");
}

#[tokio::test]
async fn command_for_another_coordinator_is_refused() {
    let world = World::start().await;
    let mut record = unsigned(create(&world));
    record.coordinator.0[0] ^= 1;
    let answer = world.client.command(&owner().sign(record)).await;
    assert_refused(answer, 400, "invalid_value", "another coordinator");
}

#[tokio::test]
async fn key_on_somebody_elses_allowance_is_refused() {
    let world = World::start().await;
    let theirs = AllowanceId([77; 32]);
    world.chain.set_allowance(theirs, signing_key(9).public(), Amount(1));
    let action = KeyAction::Create { allowance: theirs, label: String::new() };
    let answer = world.client.command(&command(action)).await;
    assert_refused(answer, 403, "allowance_missing", "another wallet");
}

#[tokio::test]
async fn key_on_an_allowance_that_does_not_exist_is_refused() {
    let world = World::start().await;
    let action = KeyAction::Create { allowance: AllowanceId([78; 32]), label: String::new() };
    let answer = world.client.command(&command(action)).await;
    assert_refused(answer, 403, "allowance_missing", "no allowance");
}

#[tokio::test]
async fn key_of_somebody_else_cannot_be_revoked() {
    let world = World::start().await;
    let (_, made) = world.client.command(&command(create(&world))).await;
    let id: pinaivu_coordinator::store::ApiKeyId = made["id"].as_str().unwrap().parse().unwrap();
    let mut record = unsigned(KeyAction::Revoke { key: id.0 });
    record.owner = signing_key(9).public();
    let answer = world.client.command(&signing_key(9).sign(record)).await;
    assert_refused(answer, 404, "not_found", "no such key");
}

#[tokio::test]
async fn command_is_refused_while_the_chain_cannot_be_read() {
    let world = World::start().await;
    world.chain.set_reachable(false);
    let answer = world.client.command(&command(create(&world))).await;
    assert_eq!((answer.0, answer.1["error"]["code"].as_str()), (503, Some("unavailable")));
}

#[tokio::test]
async fn body_that_is_no_command_is_refused() {
    let world = World::start().await;
    for (body, code) in [
        ("{}", "invalid_json"),
        ("{\"command\":\"!\"}", "invalid_value"),
        ("{\"command\":\"AAAA\"}", "invalid_value"),
    ] {
        let response = world.client.post("/keys", body).await;
        assert_eq!(response.status(), 400);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn body_beyond_the_limit_of_commands_is_refused() {
    let world = World::start().await;
    let response = world.client.post("/keys", "x".repeat(20_000)).await;
    assert_eq!(response.status(), 413);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "body_too_large");
}
