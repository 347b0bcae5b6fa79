//! What strangers check, with the real command line against a running network: bundles offline, the
//! audit, a witness, and an auction run again after the coordinator was started anew.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pinaivu_chain::{Chain, Commitment, Keypair, Signer, public_key};
use pinaivu_log::cosignature::witness_key;
use pinaivu_protocol::acknowledgement::AskAcknowledgement;
use pinaivu_protocol::ask::Ask;
use pinaivu_protocol::hash::Hash32;
use pinaivu_protocol::signed::{Signed, SigningKey};
use pinaivu_system_tests::{Network, eventually};
use pinaivu_testkit::ScriptedServer;
use serde_json::{Value, json};

const SETTLE_LIMIT: Duration = Duration::from_secs(90);
const WITNESS: &str = "witness.example/w1";

/// Exit code and first JSON document of a command.
fn run(network: &Network, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = network.cli(&[&["--json"], arguments].concat()).unwrap();
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let document = documents.next().and_then(Result::ok).unwrap_or_default();
    (output.status.code(), document)
}

fn verdict(report: &Value, name: &str) -> String {
    let checks = report["checks"].as_array().cloned().unwrap_or_default();
    let check = checks.iter().find(|check| check["name"] == name);
    check.map_or("absent", |check| check["verdict"].as_str().unwrap()).to_owned()
}

fn file(network: &Network, name: &str, value: &Value) -> PathBuf {
    let path = network.scratch().join(name);
    std::fs::write(&path, serde_json::to_vec(value).unwrap()).unwrap();
    path
}

async fn answers(network: &Network, count: usize) -> Vec<String> {
    let mut requests = Vec::new();
    for number in 0..count {
        let body = network.request(&format!("Request {number}.")).unwrap();
        let reply = network.chat(&body).await.unwrap();
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let id = reply.request_id.unwrap();
        network.receipt(&id).await.unwrap();
        requests.push(id);
    }
    requests
}

async fn anchored(network: &Network, size: u64) {
    let chain = network.chain().unwrap();
    let id = network.coordinator().unwrap();
    eventually("the log on chain", SETTLE_LIMIT, async || {
        let account = chain.coordinator(id, Commitment::Confirmed).await?.unwrap();
        Ok((account.log.size >= size).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn strangers_check_everything_and_find_what_was_changed() {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let witness = Keypair::new_from_array([77; 32]);
    let witness_text = witness_key(WITNESS, public_key(&witness.pubkey())).unwrap().to_string();
    let listed = format!("receipts.witnesses=[\"{witness_text}\"]");
    let options = ["--backend", url.as_str(), "--coordinator", listed.as_str()];
    let mut network = Network::start(&options).await.unwrap();

    let requests = answers(&network, 3).await;
    anchored(&network, 3).await;
    witnesses_and_refuses_another_history(&network, &witness);
    bundles_verify_offline_until_they_are_changed(&network, &requests[0], &witness_text);
    audits_and_finds_a_head_that_never_was(&network, &requests);
    holds_its_word_against_a_receipt(&network, &requests[0]);
    replays_auctions_also_after_a_restart(&mut network, &options, &requests).await;
}

fn witnesses_and_refuses_another_history(network: &Network, witness: &Keypair) {
    let key = file(network, "witness.json", &json!(witness.to_bytes().to_vec()));
    let state = network.scratch().join("seen.json");
    let (key, state_text) = (key.to_str().unwrap(), state.to_str().unwrap());
    let arguments = ["witness", "--key", key, "--name", WITNESS, "--state", state_text, "--once"];
    let (code, seen) = run(network, &arguments);
    assert_eq!((code, &seen["size"]), (Some(0), &json!(3)), "{seen:#}");
    // The same head again is fine.
    assert_eq!(run(network, &arguments).0, Some(0));

    let honest = std::fs::read_to_string(&state).unwrap();
    let root = seen["root"].as_str().unwrap();
    let other = honest.replace(root, &"5".repeat(64));
    assert_ne!(other, honest);
    std::fs::write(&state, &other).unwrap();
    let (code, error) = run(network, &arguments);
    assert_eq!(code, Some(3), "{error:#}");
    assert!(state.with_extension(format!("contradiction-3-{root}.json")).exists());
    assert_eq!(std::fs::read_to_string(&state).unwrap(), other, "nothing was taken");
    std::fs::write(&state, honest).unwrap();
}

fn bundles_verify_offline_until_they_are_changed(network: &Network, request: &str, witness: &str) {
    let path = network.scratch().join("receipt.bundle.json");
    let name = path.to_str().unwrap();
    let (code, made) = run(network, &["receipt", "bundle", request, "--output", name]);
    assert_eq!(code, Some(0), "{made:#}");
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() < 8 * 1024, "{} bytes", bytes.len());
    let bundle: Value = serde_json::from_slice(&bytes).unwrap();
    let signer = bundle["signer"].as_str().unwrap();

    let offline = ["receipt", "verify", "--offline", name];
    let pinned = [&offline[..], &["--signer", signer, "--witness", witness]].concat();
    let (code, report) = run(network, &pinned);
    assert_eq!(code, Some(0), "{report:#}");
    for name in
        ["coordinator signature", "contents", "price", "node proof", "signed log head", "witness"]
    {
        assert_eq!(verdict(&report, name), "passed", "{name}: {report:#}");
    }
    for name in ["node key", "head on chain", "log on chain", "your answer", "attestation"] {
        assert_eq!(verdict(&report, name), "not_checked", "{name}: {report:#}");
    }
    assert_eq!(report["verified"], true);
    assert_eq!(verdict(&report, "coordinator key"), "absent");
    let (code, report) = run(network, &offline);
    // Nothing is wrong with it, and nobody says whose key it is.
    assert_eq!((code, verdict(&report, "coordinator key").as_str()), (Some(0), "not_checked"));
    assert_eq!(report["verified"], false, "{report:#}");
    // With the chain at hand the head in the bundle is held against it.
    let (code, report) = run(network, &["receipt", "verify", name]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(verdict(&report, "head on chain"), "passed", "{report:#}");

    let proof = bundle["receipts"][0]["proof"].as_str().unwrap();
    let mut receipt = STANDARD.decode(bundle["receipts"][0]["bytes"].as_str().unwrap()).unwrap();
    // A byte of the price.
    let place = receipt.len() - 300;
    receipt[place] ^= 1;
    let changed = [
        ("/receipts/0/bytes", json!(STANDARD.encode(&receipt))),
        ("/receipts/0/proof", json!(proof.replacen("\n3\n", "\n4\n", 1))),
        ("/receipts/0/proof", json!(proof.replacen("index 0", "index 1", 1))),
        ("/request_id", json!("req_00000000000000000000000000000000")),
    ];
    for (pointer, value) in changed {
        let mut other = bundle.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        assert_ne!(other, bundle, "{pointer}");
        let path = file(network, "changed.bundle.json", &other);
        let arguments =
            ["receipt", "verify", "--offline", path.to_str().unwrap(), "--signer", signer];
        let (code, report) = run(network, &arguments);
        assert!(matches!(code, Some(1 | 3)), "{pointer}: {code:?} {report:#}");
    }
    let stranger = public_key(&Keypair::new_from_array([9; 32]).pubkey()).to_string();
    let (code, _) = run(network, &[&offline[..], &["--signer", &stranger]].concat());
    assert_eq!(code, Some(3));
}

fn audits_and_finds_a_head_that_never_was(network: &Network, requests: &[String]) {
    let state = network.scratch().join("audit.json");
    let bundle = network.scratch().join("receipt.bundle.json");
    let arguments = [
        "audit",
        "--state",
        state.to_str().unwrap(),
        "--held",
        bundle.to_str().unwrap(),
        "--settle-wait",
        "60",
    ];
    for _ in 0..2 {
        let (code, report) = run(network, &arguments);
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!(report["contradictions"], json!([]));
        assert_eq!(report["totals"]["receipts"], requests.len());
    }
    let honest = std::fs::read_to_string(&state).unwrap();
    let seen: Value = serde_json::from_str(&honest).unwrap();
    let root = seen["heads"][0]["root"].as_str().unwrap();
    std::fs::write(&state, honest.replace(root, &"5".repeat(64))).unwrap();
    let (code, report) = run(network, &arguments);
    assert_eq!(code, Some(3), "{report:#}");
    assert_eq!(report["contradictions"][0]["kind"], "root", "{report:#}");
}

/// A node with the coordinator's word for its ask: in honest clearings it learns why, and a coordinator that
/// gave it a false one has signed a contradiction.
fn holds_its_word_against_a_receipt(network: &Network, request: &str) {
    let passed_over =
        |from: [&str; 2]| run(network, &[&["auction", "passed-over", request], &from[..]].concat());
    let mut findings = Vec::new();
    let mut word = String::new();
    for node in ["node-1", "node-2"] {
        let data = network.data_dir().join(node);
        let (code, report) = passed_over(["--node-data", data.to_str().unwrap()]);
        assert_eq!((code, &report["passed_over"]), (Some(0), &json!(false)), "{report:#}");
        findings.push(report["finding"].as_str().unwrap().to_owned());
        word = report["word"].as_str().unwrap().to_owned();
        let (code, again) = passed_over(["--word", &word]);
        assert_eq!((code, &again["finding"]), (Some(0), &report["finding"]));
    }
    findings.sort();
    assert_eq!(findings, ["outbid", "served"]);

    let key = std::fs::read(network.data_dir().join("keys/coordinator.json")).unwrap();
    let key: Vec<u8> = serde_json::from_slice(&key).unwrap();
    let key = SigningKey::from_seed(key[..32].try_into().unwrap()).unwrap();
    let stranger = SigningKey::from_seed(&[9; 32]).unwrap();
    type Word = (Signed<Ask>, Signed<AskAcknowledgement>);
    let (ask, honest): Word = borsh::from_slice(&STANDARD.decode(word).unwrap()).unwrap();
    let honest = honest.record;
    let other = Hash32([1; 32]);
    for (key, said, finding) in [
        (&key, AskAcknowledgement { head: other, ..honest }, json!("forked")),
        (&key, AskAcknowledgement { ask: other, ..honest }, json!("not_entered")),
        (&stranger, honest, Value::Null),
    ] {
        let word = STANDARD.encode(borsh::to_vec(&(&ask, key.sign(said))).unwrap());
        let (code, report) = passed_over(["--word", &word]);
        assert_eq!((code, &report["finding"]), (Some(3), &finding), "{report:#}");
    }
}

async fn replays_auctions_also_after_a_restart(
    network: &mut Network,
    options: &[&str],
    requests: &[String],
) {
    for request in requests {
        let (code, replayed) = run(network, &["auction", "replay", request]);
        assert_eq!((code, &replayed["verified"]), (Some(0), &json!(true)), "{replayed:#}");
        assert_eq!(replayed["tried_before"], 0);
    }
    network.stop().await.unwrap();
    network.start_again(options).await.unwrap();
    let later = answers(network, 1).await;
    let (code, replayed) = run(network, &["auction", "replay", &later[0]]);
    assert_eq!((code, &replayed["book"]), (Some(0), &json!(2)), "{replayed:#}");
    let (code, replayed) = run(network, &["auction", "replay", &requests[0], "--ratings"]);
    assert_eq!((code, &replayed["book"]), (Some(0), &json!(1)), "{replayed:#}");
    assert_eq!(replayed["service"]["false"], json!([]), "{replayed:#}");
}
