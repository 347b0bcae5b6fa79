//! `pinaivu attest` against a running coordinator, and against one that answers in each false way.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_system_tests::{Liar, Network};
use pinaivu_testkit::ScriptedServer;
use serde_json::{Value, json};

/// A document that a real enclave gave to somebody else.
const REAL: &[u8] =
    include_bytes!("../../crates/attestation/tests/attestation/fixtures/nitro/document.cose");

type Change = Arc<dyn Fn(Value) -> Value + Send + Sync>;

/// A coordinator that says of its code what `change` makes of the truth, and everything else as it is.
async fn liar(origin: String, change: Change) -> Liar {
    let lie = move |path: &str, body: Vec<u8>| match path.starts_with("/v1/attestation?") {
        true => serde_json::to_vec(&change(serde_json::from_slice(&body).unwrap())).unwrap(),
        false => body,
    };
    Liar::start(origin, lie).await.unwrap()
}

/// What the command finds: exit code, and the names of the checks that failed. Never attested.
async fn found(network: &Arc<Network>, arguments: &[&str]) -> (Option<i32>, Value, Vec<String>) {
    let network = Arc::clone(network);
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let output = tokio::task::spawn_blocking(move || {
        let arguments = arguments.iter().map(String::as_str);
        network.cli(&["--json", "attest"].into_iter().chain(arguments).collect::<Vec<_>>()).unwrap()
    });
    let output = output.await.unwrap();
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let report: Value = documents.next().unwrap().unwrap();
    assert_eq!(report["attested"], false, "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["verdict"] == "failed");
    let failed = failed.map(|check| check["name"].as_str().unwrap().to_owned()).collect();
    (output.status.code(), report, failed)
}

#[tokio::test]
async fn coordinator_without_hardware_is_unattested_whatever_it_answers() {
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let options =
        ["--backend", url.as_str(), "--coordinator", "attestation.attester=\"development\""];
    let network = Arc::new(Network::start(&options).await.unwrap());
    let origin = network.field("base_url").unwrap().trim_end_matches("/v1").to_owned();

    let shown = network.get("/network").await.unwrap().json();
    assert_eq!(shown["attestation"], json!({ "state": "unattested", "kind": "development" }));
    let ports = std::fs::read(network.data_dir().join("ports.json")).unwrap();
    let ports: Value = serde_json::from_slice(&ports).unwrap();
    let tunnel = format!("127.0.0.1:{}", ports["tunnel"]);
    // Honest in all it claims, and yet nobody vouches for it.
    let (code, report, failed) = found(&network, &["--tunnel", &tunnel]).await;
    assert_eq!((code, &report["kind"]), (Some(3), &json!("development")), "{report:#}");
    assert_eq!(failed, ["attestation"], "{report:#}");
    assert_eq!(report["measurement"], Value::Null);

    // Who keeps us from the tunnel could stand in front of it.
    let (code, report, failed) = found(&network, &["--tunnel", "127.0.0.1:1"]).await;
    assert_eq!(
        (code, &failed[..]),
        (Some(3), &["tunnel certificate", "attestation"].map(str::to_owned)[..]),
        "{report:#}"
    );
    let (code, report, failed) = found(&network, &["--no-tunnel"]).await;
    assert_eq!((code, &failed[..]), (Some(3), &["attestation".to_owned()][..]), "{report:#}");

    let nonce = "07".repeat(32);
    let old = network.get(&format!("/attestation?nonce={nonce}")).await.unwrap().json();
    let lies: [(&str, Change, &[&str]); 4] = [
        (
            "none",
            Arc::new(|mut answer| {
                answer["evidence"] = Value::Null;
                answer
            }),
            &["evidence"],
        ),
        ("an old answer", Arc::new(move |_| old.clone()), &["evidence", "attestation"]),
        (
            "another configuration than is bound",
            Arc::new(|mut answer| {
                answer["configuration"]["limits"]["attempts"] = json!(99);
                answer
            }),
            &["configuration", "attestation"],
        ),
        (
            "somebody else's real document",
            Arc::new(|mut answer| {
                answer["evidence"]["kind"] = json!("nitro");
                answer["evidence"]["document"] = json!(STANDARD.encode(REAL));
                answer
            }),
            &["attestation"],
        ),
    ];
    for (lie, change, expected) in lies {
        let liar = liar(origin.clone(), change).await;
        let (code, report, failed) = found(&network, &[&liar.url(), "--tunnel", &tunnel]).await;
        assert_eq!(code, Some(3), "{lie}: {report:#}");
        assert_eq!(failed, expected, "{lie}: {report:#}");
    }
}
