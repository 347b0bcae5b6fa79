//! `pinaivu attest` against a running coordinator, and against one that answers in each false way.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_system_tests::Network;
use pinaivu_testkit::ScriptedServer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// A document that a real enclave gave to somebody else.
const REAL: &[u8] =
    include_bytes!("../../crates/attestation/tests/attestation/fixtures/nitro/document.cose");

type Change = Arc<dyn Fn(Value) -> Value + Send + Sync>;

/// A coordinator that says of its code what `change` makes of the truth, and everything else as it is.
async fn liar(origin: String, change: Change) -> (String, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        let client = reqwest::Client::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if line.trim().is_empty() {
                    break;
                }
                lines.push(line);
            }
            let path = lines[0].split(' ').nth(1).unwrap();
            let answer = client.get(format!("{origin}{path}")).send().await.unwrap();
            let status = answer.status().as_u16();
            let mut body = answer.bytes().await.unwrap().to_vec();
            if path.starts_with("/v1/attestation?") {
                let changed = change(serde_json::from_slice(&body).unwrap());
                body = serde_json::to_vec(&changed).unwrap();
            }
            let head = format!(
                "HTTP/1.1 {status} OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (format!("http://{address}"), serving)
}

/// What the command finds: exit code, and the names of the checks that failed. Never attested.
async fn found(network: &Arc<Network>, url: Option<String>) -> (Option<i32>, Value, Vec<String>) {
    let network = Arc::clone(network);
    let output = tokio::task::spawn_blocking(move || {
        let url = url.iter().map(String::as_str);
        network.cli(&["--json", "attest"].into_iter().chain(url).collect::<Vec<_>>()).unwrap()
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
    // Honest in all it claims, and yet nobody vouches for it.
    let (code, report, failed) = found(&network, None).await;
    assert_eq!((code, &report["kind"]), (Some(3), &json!("development")), "{report:#}");
    assert_eq!(failed, ["attestation"], "{report:#}");
    assert_eq!(report["measurement"], Value::Null);

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
        let (url, _serving) = liar(origin.clone(), change).await;
        let (code, report, failed) = found(&network, Some(url)).await;
        assert_eq!(code, Some(3), "{lie}: {report:#}");
        assert_eq!(failed, expected, "{lie}: {report:#}");
    }
}
