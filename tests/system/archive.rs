//! Receipts in a bucket: carried there by the real coordinator through a real S3 server that checks
//! signatures, served from there, audited, and found when they were changed.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pinaivu_chain::{Chain, Commitment};
use pinaivu_protocol::hash::sha256;
use pinaivu_system_tests::{Network, eventually, python};
use pinaivu_testkit::ScriptedServer;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);
/// A full bundle and some.
const REQUESTS: usize = 280;
const OBJECT: &str = "pinaivu/one/0/000000000000.receipts";

/// The S3 server; ends with its input.
struct Bucket {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    place: Value,
}

impl Bucket {
    fn start() -> Self {
        let mut command = python("bucket.py").unwrap();
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let commands = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut bucket = Self { process, commands, answers, place: Value::Null };
        bucket.place = bucket.answer();
        bucket
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, command: Value) -> Value {
        writeln!(self.commands, "{command}").unwrap();
        self.answer()
    }

    fn list(&mut self) -> Value {
        self.ask(json!(["list"]))
    }

    fn put(&mut self, bytes: &[u8]) {
        self.ask(json!(["put", OBJECT, STANDARD.encode(bytes)]));
    }
}

fn environment<'a>(place: &'a Value, secret: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("AWS_ENDPOINT_URL", place["endpoint"].as_str().unwrap()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", place["key"].as_str().unwrap()),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ]
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Exit code and report.
fn audit(network: &Network) -> (Option<i32>, Value) {
    let output = network.cli(&["--json", "audit", "--settle-wait", "60"]).unwrap();
    let mut documents = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    let document = documents.next().and_then(Result::ok).unwrap_or_default();
    (output.status.code(), document)
}

async fn passes_the_audit(network: &Network) {
    let (code, report) = audit(network);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["contradictions"], json!([]));
    assert_eq!(report["totals"]["receipts"], REQUESTS);
}

async fn answers(network: &Network) {
    for batch in 0..REQUESTS / 8 {
        let bodies: Vec<_> =
            (0..8).map(|of| network.request(&format!("{batch} {of}")).unwrap()).collect();
        let replies = futures::future::join_all(bodies.iter().map(|body| network.chat(body))).await;
        for reply in replies {
            let reply = reply.unwrap();
            assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        }
    }
}

fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

#[tokio::test]
async fn receipts_in_a_bucket_are_served_audited_restored_and_found_when_changed() {
    let mut bucket = Bucket::start();
    let backend = ScriptedServer::start().await.unwrap();
    let url = backend.url();
    let archive = format!(
        "receipts.archive=\"s3://{}/pinaivu/one\"",
        bucket.place["bucket"].as_str().unwrap()
    );
    let keep = "receipts.keep_hot=16";
    let options =
        ["--backend", url.as_str(), "--coordinator", archive.as_str(), "--coordinator", keep];
    let place = bucket.place.clone();

    // A key that the server refuses: everything goes on, and every receipt stays where it is.
    let wrong = environment(&place, "another secret");
    let mut network = Network::start_in(&wrong, &options).await.unwrap();
    answers(&network).await;
    let (chain, id) = (network.chain().unwrap(), network.coordinator().unwrap());
    eventually("the log on chain", LIMIT, async || {
        let account = chain.coordinator(id, Commitment::Confirmed).await?.unwrap();
        Ok((account.log.size >= REQUESTS as u64).then_some(()))
    })
    .await
    .unwrap();
    let log = network.data_dir().join("logs/coordinator.log");
    eventually("a refusal", LIMIT, async || {
        Ok(std::fs::read_to_string(&log)?.contains("receipts stay in the database").then_some(()))
    })
    .await
    .unwrap();
    assert!(!std::fs::read_to_string(&log).unwrap().contains("another secret"));
    assert_eq!(bucket.list(), json!([]));
    passes_the_audit(&network).await;

    // The right one.
    network.stop().await.unwrap();
    let environment = environment(&place, place["secret"].as_str().unwrap());
    network.start_again_in(&environment, &options).await.unwrap();
    eventually("the bundle in the bucket", LIMIT, || {
        let there = bucket.list() == json!([OBJECT]);
        async move { Ok(there.then_some(())) }
    })
    .await
    .unwrap();
    eventually("the bundle out of the database", LIMIT, async || {
        Ok(std::fs::read_to_string(&log)?.contains("receipts went into the archive").then_some(()))
    })
    .await
    .unwrap();
    passes_the_audit(&network).await;

    // The machine is lost; the database comes from its backup, the archive was never on it.
    network.stop().await.unwrap();
    let (hot, backup) = (network.data_dir().join("coordinator"), network.scratch().join("backup"));
    copy_all(&hot, &backup);
    std::fs::remove_dir_all(&hot).unwrap();
    copy_all(&backup, &hot);
    assert!(!hot.join("archive").exists());
    let kept = bucket.ask(json!(["get", OBJECT]));
    let kept = STANDARD.decode(kept.as_str().unwrap()).unwrap();

    // An object that was broken, or is gone, is said to be to whoever asks for it; all else goes on.
    let mut broken = kept.clone();
    broken[1_000] ^= 1;
    bucket.put(&broken);
    network.start_again_in(&environment, &options).await.unwrap();
    for deleted in [false, true] {
        if deleted {
            bucket.ask(json!(["delete", OBJECT]));
        }
        assert_eq!(network.get("/log/0/tile/entries/000").await.unwrap().status, 503);
        let (code, report) = audit(&network);
        assert_eq!(code, Some(5), "{report:#}");
    }
    let reply = network.chat(&network.request("Still there?").unwrap()).await.unwrap();
    assert_eq!(reply.status, 200);

    // One that was changed with care, its check made anew, is found by the audit.
    let mut changed = kept.clone();
    let (content, check) = changed.split_at_mut(kept.len() - 32);
    // A byte of when the last receipt was made.
    *content.last_mut().unwrap() ^= 1;
    check.copy_from_slice(&sha256(&[content]).0);
    bucket.put(&changed);
    let (code, report) = audit(&network);
    assert_eq!(code, Some(3), "{report:#}");
    network.stop().await.unwrap();

    // Put back, everything is as it was.
    bucket.put(&kept);
    network.start_again_in(&environment, &options).await.unwrap();
    let (code, report) = audit(&network);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["totals"]["receipts"], REQUESTS + 1);
}
