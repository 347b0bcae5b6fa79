//! The official SDK against a whole coordinator with a scripted node. Needs a Python that has it, which
//! `cargo xtask conformance` makes.

use crate::support::world::PRICE;
use crate::support::{MODEL, Script, World};

/// The environment variable that names the interpreter.
const PYTHON: &str = "PINAIVU_PYTHON";

#[tokio::test]
#[ignore = "needs the official SDK; run by `cargo xtask conformance`"]
async fn official_python_sdk_works_unmodified() {
    let python = std::env::var(PYTHON).unwrap();
    let world = World::start().await;
    let node = world.node(1, PRICE).await;
    node.behave(Script::AsAsked);
    let ended = tokio::process::Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serving/conformance.py"))
        .env("BASE_URL", &world.client.base_url)
        .env("API_KEY", world.client.key.as_ref().unwrap())
        .env("MODEL", MODEL)
        .env("EXACT", "1")
        .kill_on_drop(true)
        .status()
        .await
        .unwrap();
    assert!(ended.success());
    // Every answer was paid for.
    world.settled().await;
    assert!(world.receipts().await >= 20);
}
