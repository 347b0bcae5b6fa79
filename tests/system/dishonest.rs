//! Checks of receipts and auctions against a server that answers with something else than it was asked for,
//! and after the coordinator's key was rotated.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use pinaivu_chain::{Chain, Commitment};
use pinaivu_system_tests::{Liar, Network, eventually};
use pinaivu_testkit::ScriptedServer;
use serde_json::{Value, json};

const SETTLE_LIMIT: Duration = Duration::from_secs(90);

/// Exit code and first JSON document of a command.
fn run(network: &Network, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = network.cli(&[&["--json"], arguments].concat()).unwrap();
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let document = documents.next().and_then(Result::ok).unwrap_or_default();
    (output.status.code(), document)
}

fn message(document: &Value) -> &str {
    document["error"]["message"].as_str().unwrap_or_default()
}

/// What a check found, and its words.
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let found = report["checks"].as_array().into_iter().flatten().find(|c| c["name"] == name);
    found.map_or(("absent", ""), |check| {
        (check["verdict"].as_str().unwrap(), check["detail"].as_str().unwrap())
    })
}

fn changed(body: &[u8], change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::from_slice(body).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

struct Stage {
    network: Network,
    origin: String,
    requests: [String; 2],
}

impl Stage {
    /// Two paid answers whose receipts the chain covers.
    async fn set(backend: &ScriptedServer) -> Self {
        let url = backend.url();
        let network = Network::start(&["--backend", url.as_str()]).await.unwrap();
        let origin = network.field("base_url").unwrap().trim_end_matches("/v1").to_owned();
        let mut requests = Vec::new();
        for _ in 0..2 {
            let body = network.request("Tell the truth.").unwrap();
            let id = network.chat(&body).await.unwrap().request_id.unwrap();
            network.receipt(&id).await.unwrap();
            requests.push(id);
        }
        let (chain, id) = (network.chain().unwrap(), network.coordinator().unwrap());
        eventually("the log on chain", SETTLE_LIMIT, async || {
            let account = chain.coordinator(id, Commitment::Confirmed).await?.unwrap();
            Ok((account.log.size >= 2).then_some(()))
        })
        .await
        .unwrap();
        Self { network, origin, requests: requests.try_into().unwrap() }
    }

    /// A command against a server that lies so.
    async fn told(
        &self,
        lie: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static,
        arguments: &[&str],
    ) -> (Option<i32>, Value) {
        let liar = Liar::start(self.origin.clone(), lie).await.unwrap();
        run(&self.network, &[&["--url", &liar.url()], arguments].concat())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_answer_something_else_are_found_out_and_old_keys_count() {
    let backend = ScriptedServer::start().await.unwrap();
    let stage = Stage::set(&backend).await;
    an_honest_answer_passes_through(&stage).await;
    the_program_and_the_coordinator_are_not_the_servers_to_choose(&stage).await;
    receipts_of_another_request_are_refused(&stage).await;
    what_the_chain_covers_must_be_shown(&stage).await;
    receipts_outlive_the_key_that_signed_them(&stage);
}

async fn an_honest_answer_passes_through(stage: &Stage) {
    let (code, report) =
        stage.told(|_, body| body, &["receipt", "verify", &stage.requests[0]]).await;
    assert_eq!((code, &report["verified"]), (Some(0), &json!(true)), "{report:#}");
    let coordinator = stage.network.coordinator().unwrap().to_string();
    assert_eq!(report["coordinator"], coordinator, "{report:#}");
}

async fn the_program_and_the_coordinator_are_not_the_servers_to_choose(stage: &Stage) {
    let other = "11111111111111111111111111111112";
    let program = move |path: &str, body: Vec<u8>| match path {
        "/v1/network" => changed(&body, |value| value["program"] = json!(other)),
        _ => body,
    };
    for command in [
        &["receipt", "verify", &stage.requests[0]][..],
        &["auction", "replay", &stage.requests[0]],
        &["audit"],
        &["attest"],
        &["escrow", "status"],
    ] {
        let (code, refused) = stage.told(program, command).await;
        assert_eq!(code, Some(3), "{command:?}: {refused:#}");
        assert!(message(&refused).contains("the program you trust"), "{refused:#}");
    }
    let expected = ["--coordinator-account", other, "receipt", "verify", &stage.requests[0]];
    let (code, refused) = run(&stage.network, &expected);
    assert_eq!(code, Some(3), "{refused:#}");
    let coordinator = stage.network.coordinator().unwrap().to_string();
    assert!(message(&refused).contains(&format!("is coordinator {coordinator}")), "{refused:#}");
}

async fn receipts_of_another_request_are_refused(stage: &Stage) {
    let [asked, other] = &stage.requests;
    let genuine = stage.network.get(&format!("/receipts/{other}")).await.unwrap().body;
    for command in [
        &["receipt", "show", asked][..],
        &["receipt", "verify", asked],
        &["receipt", "bundle", asked],
        &["auction", "replay", asked],
    ] {
        // Whole, and under the name of the one that was asked for.
        for rename in [false, true] {
            let (genuine, named) = (genuine.clone(), asked.clone());
            let lie = move |path: &str, body: Vec<u8>| {
                if !path.starts_with(&format!("/v1/receipts/{named}")) || path.contains("/auction")
                {
                    return body;
                }
                changed(&genuine, |value| {
                    if rename {
                        value["request_id"] = json!(named);
                    }
                })
            };
            let (code, refused) = stage.told(lie, command).await;
            assert_eq!(code, Some(3), "{command:?}: {refused:#}");
            let words =
                format!("asked for the receipts of {asked}, the coordinator answers with {other}");
            let said = message(&refused).replace("those of ", "");
            assert_eq!(said, words, "{command:?}");
        }
    }
}

async fn what_the_chain_covers_must_be_shown(stage: &Stage) {
    let verify = ["receipt", "verify", &stage.requests[0]];
    // A path to another root: the one on chain is led to by the log's own tiles.
    let elsewhere = move |path: &str, body: Vec<u8>| match path.starts_with("/v1/receipts/") {
        true => changed(&body, |value| {
            value["receipts"][0].as_object_mut().unwrap().remove("inclusion");
        }),
        false => body,
    };
    let (code, report) = stage.told(elsewhere, &verify).await;
    assert_eq!((code, check(&report, "log on chain").0), (Some(0), "passed"), "{report:#}");
    // No path and no tiles.
    let nowhere = move |path: &str, body: Vec<u8>| match path.contains("/tile/") {
        true => Vec::new(),
        false => elsewhere(path, body),
    };
    let (code, report) = stage.told(nowhere, &verify).await;
    assert_eq!(code, Some(3), "{report:#}");
    let (verdict, words) = check(&report, "log on chain");
    assert_eq!(verdict, "failed", "{report:#}");
    assert!(words.contains("the coordinator does not show how"), "{words}");
}

fn receipts_outlive_the_key_that_signed_them(stage: &Stage) {
    let network = &stage.network;
    let authority = network.data_dir().join("keys/coordinator-authority.json");
    let newer = network.scratch().join("newer.json");
    let rotate = [
        "--wallet",
        authority.to_str().unwrap(),
        "coordinator",
        "rotate-key",
        "--key",
        newer.to_str().unwrap(),
    ];
    let (code, status) = run(network, &rotate);
    assert_eq!(code, Some(0), "{status:#}");
    let (code, report) = run(network, &["receipt", "verify", &stage.requests[0]]);
    assert_eq!(code, Some(0), "{report:#}");
    let (verdict, words) = check(&report, "coordinator signature");
    assert_eq!(verdict, "passed", "{report:#}");
    assert!(words.contains("before it rotated"), "{words}");
    let (code, replayed) = run(network, &["auction", "replay", &stage.requests[0]]);
    assert_eq!((code, &replayed["verified"]), (Some(0), &json!(true)), "{replayed:#}");
}
