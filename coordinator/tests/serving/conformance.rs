//! A whole coordinator with a scripted node, served to clients outside of this process: official SDKs and
//! other people's tools, which `cargo xtask conformance` runs against it.

use std::io::Read as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::support::world::PRICE;
use crate::support::{MODEL, Script, World};

/// The environment variable that names the file to tell clients in where the gateway is.
const READY_FILE: &str = "PINAIVU_READY_FILE";

#[tokio::test]
#[ignore = "serves clients outside of this process; run by `cargo xtask conformance`"]
async fn gateway_is_served_to_clients_until_standard_input_ends() {
    // Some ask for an answer straight from the node and never fetch it: its money is held until its time
    // is over, which is to be soon after they left.
    let world = World::start_with(|config| {
        config.timeouts.total = Duration::from_secs(15);
        config.timeouts.report = Duration::from_secs(2);
    })
    .await;
    let node = world.able_node(1, PRICE).await;
    node.behave(Script::AsAsked);
    node.open_door().await;
    let ready = json!({
        "base_url": world.client.base_url,
        "api_key": world.client.key,
        "model": MODEL,
    });
    let file = std::path::PathBuf::from(std::env::var_os(READY_FILE).unwrap());
    // Renamed, so that what exists under the name is whole.
    let partial = file.with_extension("partial");
    std::fs::write(&partial, ready.to_string()).unwrap();
    std::fs::rename(&partial, &file).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()))
        .await
        .unwrap()
        .unwrap();
    // Everything the node answered was paid for, and nothing else.
    world.settled().await;
    let answered = node.shared.requests.lock().len();
    assert_eq!(world.receipts().await, answered as u64);
    assert_eq!(node.shared.leaked.load(Ordering::Relaxed), 0, "no key came to the node");
}
