//! A database restored from a backup that is older than the newest receipts.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::time::Duration;

use pinaivu_chain::{Chain, Commitment};
use pinaivu_system_tests::{Network, check_conservation, eventually};
use pinaivu_testkit::ScriptedServer;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(90);

/// One paid answer whose receipt the chain covers, as entry `index` of `epoch`.
async fn receipt(network: &Network, (epoch, index): (u32, u64)) -> Value {
    let reply = network.chat(&network.request("Once more.").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let document = network.receipt(&reply.request_id.unwrap()).await.unwrap();
    let head = &document["receipts"][0]["head"];
    assert_eq!((head["epoch"].as_u64(), head["index"].as_u64()), (Some(epoch.into()), Some(index)));
    let (chain, id) = (network.chain().unwrap(), network.coordinator().unwrap());
    eventually("the log on chain", LIMIT, async || {
        let log = chain.coordinator(id, Commitment::Confirmed).await?.unwrap().log;
        Ok((log.epoch == epoch && log.size > index).then_some(()))
    })
    .await
    .unwrap();
    document
}

/// Exit code and first JSON document of a command.
fn run(network: &Network, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = network.cli(&[&["--json"], arguments].concat()).unwrap();
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let document = documents.next().and_then(Result::ok).unwrap_or_default();
    (output.status.code(), document)
}

#[tokio::test]
async fn coordinator_on_an_old_backup_goes_on_in_a_new_epoch_and_contradicts_nothing() {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let options = ["--backend", url.as_str()];
    let mut network = Network::start(&options).await.unwrap();
    let kept = receipt(&network, (0, 0)).await;

    let (hot, backup) = (network.data_dir().join("coordinator"), network.scratch().join("backup"));
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    };
    network.stop().await.unwrap();
    copy(&hot, &backup);
    network.start_again(&options).await.unwrap();
    let lost = receipt(&network, (0, 1)).await;

    // The steps of docs/operators.md, but that the chain here stops with the coordinator.
    let authority = network.data_dir().join("keys/coordinator-authority.json");
    let wallet = ["--wallet", authority.to_str().unwrap()];
    let (code, status) = run(&network, &[&wallet[..], &["coordinator", "open-epoch"]].concat());
    assert_eq!(code, Some(0), "{status:#}");
    assert_eq!((&status["log"]["epoch"], &status["log"]["size"]), (&1.into(), &0.into()));
    network.stop().await.unwrap();
    std::fs::remove_dir_all(&hot).unwrap();
    copy(&backup, &hot);
    network.start_again(&options).await.unwrap();

    let newer = receipt(&network, (1, 0)).await;
    check_conservation(&network.chain().unwrap(), network.market().unwrap()).await.unwrap();
    // Of the closed epoch the coordinator has not every entry any more, and cannot show the way to its last
    // head; of the new one it has.
    for (document, code, verdict) in [(&kept, 3, "failed"), (&newer, 0, "passed")] {
        let id = document["request_id"].as_str().unwrap();
        let (found, report) = run(&network, &["receipt", "verify", id]);
        assert_eq!(found, Some(code), "{report:#}");
        let of = |name| {
            let checks = report["checks"].as_array().unwrap();
            checks.iter().find(|check| check["name"] == name).unwrap()["verdict"].clone()
        };
        assert_eq!(
            (of("coordinator signature"), of("log on chain")),
            ("passed".into(), verdict.into())
        );
    }
    // The lost one is with whoever kept it, and only there.
    let path = network.scratch().join("lost.json");
    std::fs::write(&path, serde_json::to_vec(&lost).unwrap()).unwrap();
    let id = lost["request_id"].as_str().unwrap();
    assert_eq!(run(&network, &["receipt", "show", id]).0, Some(4));
    let signer = newer["receipts"][0]["signer"].as_str().unwrap();
    let path = path.to_str().unwrap();
    let (code, report) =
        run(&network, &["receipt", "verify", "--offline", path, "--signer", signer]);
    assert_eq!(code, Some(0), "{report:#}");
    // What happened stays visible.
    let (code, report) = run(&network, &["audit", "--settle-wait", "5"]);
    assert_eq!(code, Some(3), "{report:#}");
    let kinds: Vec<&str> = report["contradictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["kind"].as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"shrunk") || kinds.contains(&"unavailable"), "{kinds:?}");
}
